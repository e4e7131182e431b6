package guard

import (
	"slices"
	"time"
)

// OrgStorage is the control on the guard's own memory: every row of the hub's table can be read.
const OrgStorage ControlID = "DL.ORG.2"

// StorageControl is the control behind OrgStorage. No Evaluate runs it: it fails when a row cannot be read.
func StorageControl() Control {
	return Control{
		ID: OrgStorage, Severity: SeverityHigh, words: Subject.rowWords,
		Title: "A row of the hub's table cannot be read",
		Why:   "What the guard remembers of a secret is gone until then: a drift shows as a first look, and a migration that cannot be read has no way back.",
		Fix:   "Run doublelock repair: it shows the row and what is wrong with it. Put a corrected one back with doublelock repair restore, or forget it with doublelock repair discard.",
	}
}

// Row is a row of the hub's table.
type Row struct {
	Copy   string `json:"copy"` // names its copy in quarantine, as doublelock repair takes it
	Kind   string `json:"kind"` // "record" or "migration", or what else it is
	ID     string `json:"id"`   // what it is about, e.g. the ARN of a secret
	Reason string `json:"reason"`
	Blocks bool   `json:"blocks,omitzero"` // the secret's migration stands still until it is repaired
	Newer  bool   `json:"newer,omitzero"`  // a newer version wrote it, for newer ones
}

// ReconcileRow moves the record of a row to "it cannot be read": its finding opens, or stays open. resource stands for the
// row; account and Region are the hub's.
func ReconcileRow(rec Record, resource, account, region string, row Row, waivers []Waiver, now time.Time) Record {
	s := Secret{ARN: resource, Account: account, Region: region, Name: "row " + row.Copy}
	r := reconciler{rec: rec, secret: s, waivers: waivers, now: now.UTC()}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.rec.Resource, r.rec.Account, r.rec.Region, r.rec.Name, r.rec.SeenAt, r.rec.GoneAt = s.ARN, s.Account, s.Region, s.Name, r.now, time.Time{}
	r.moveFinding(Verdict{Control: StorageControl(), Outcome: Fail, Subject: Subject{Row: &row}})
	return r.rec
}

// ReconcileRowRead resolves the finding of a row that reads again, or was repaired or discarded. Its record is kept as long as
// that of a secret that is gone.
func ReconcileRowRead(rec Record, now time.Time) Record {
	r := reconciler{rec: rec, now: now.UTC()}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.rec.GoneAt = r.now
	r.moveFinding(Verdict{Control: StorageControl(), Outcome: Pass})
	return r.rec
}

func (s Subject) rowWords() string {
	if s.Row == nil {
		return "a row cannot be read"
	}
	text := "the " + s.Row.Kind + " of " + s.Row.ID + " cannot be read: " + s.Row.Reason
	switch {
	case s.Row.Newer:
		return text + "; this version leaves it alone"
	case s.Row.Blocks:
		return text + "; nothing is begun, moved on or set back until it is repaired"
	}
	return text
}

func rowFix(r Row) string {
	switch {
	case r.Newer:
		return "Deploy the newer version again, or finish its rollout: what it has written needs it."
	case r.Blocks && r.Kind == "intent": // store.KindIntent
		return "It says who may change the secret. Twenty minutes after the last change of it nobody is at it any more: then forget the row with doublelock repair discard " + r.Copy + " --reason TEXT."
	case r.Blocks && r.Kind == "brake": // store.KindBrake
		return "It says whether changes are paused, and they are until it is mended: forget the row with doublelock repair discard " + r.Copy + " --reason TEXT. Where changes must not go on then, run doublelock pause changes at once."
	case r.Blocks:
		return "Run doublelock repair show " + r.Copy + ", correct what it prints, and put it back with doublelock repair restore " + r.Copy + " --file FILE. Do not discard it unless you know that the secret needs no way back."
	}
	return "Run doublelock repair show " + r.Copy + ". The next look makes a new record; what the old one knew comes back with doublelock repair restore " + r.Copy + " --file FILE, or is forgotten with doublelock repair discard " + r.Copy + " --reason TEXT."
}
