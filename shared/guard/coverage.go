package guard

import (
	"cmp"
	"slices"
	"time"
)

// OrgCoverage is the control on the guard itself: it can see what it guards.
const OrgCoverage ControlID = "DL.ORG.1"

// CoverageControl is the control behind OrgCoverage. No Evaluate runs it: it fails when a look, or a part of one, is
// refused.
func CoverageControl() Control {
	return Control{
		ID: OrgCoverage, Severity: SeverityHigh,
		Title: "Doublelock cannot look here",
		Why:   "What the guard is not allowed to see is not guarded, and from outside that looks like all is well.",
		Fix:   "Deploy the member stack to the account and Region, and let the role doublelock-read describe secrets and keys.",
	}
}

// ReconcileUnseen moves a record to "we were not allowed to look": the state is unknown, the coverage finding is open,
// everything else stays as it was last seen.
func ReconcileUnseen(rec Record, s Secret, why string, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.rec.Resource, r.rec.Account, r.rec.Region, r.rec.Name = s.ARN, s.Account, s.Region, s.Name
	r.moveState(StateUnknown)
	control := CoverageControl()
	r.moveFinding(Verdict{Control: control, Outcome: Fail, Detail: why, Fix: control.Fix})
	return r.rec
}

// ReconcileSeen resolves the coverage finding of a record: we may look again.
func ReconcileSeen(rec Record, now time.Time, cause Cause) Record {
	return reconcileCoverage(rec, Secret{}, Verdict{Control: CoverageControl(), Outcome: Pass}, now, cause)
}

// ReconcileRead opens the coverage finding of a secret that was described, but of which something that decides could
// not be read, and else resolves it. A key that keeps us out must not be the way to keep a secret out of sight.
func ReconcileRead(rec Record, s Secret, now time.Time, cause Cause) Record {
	control := CoverageControl()
	v := Verdict{Control: control, Outcome: Pass}
	if unread := Unread(s); unread != "" {
		v = Verdict{Control: control, Outcome: Fail, Detail: unread, Fix: control.Fix}
	}
	return reconcileCoverage(rec, s, v, now, cause)
}

func reconcileCoverage(rec Record, s Secret, v Verdict, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.moveFinding(v)
	return r.rec
}

// Unread says in half a sentence what of a described secret could not be read, "" when all that decides could. A key
// that does not exist is an answer.
func Unread(s Secret) string {
	switch {
	case s.PendingDeletion():
		return ""
	case unreadKey(s.Key):
		return "the metadata of its key " + cmp.Or(s.Key.ARN, s.Key.ID) + " could not be read"
	case s.VersionsUnread:
		return "its versions could not be listed"
	}
	for _, v := range s.Versions {
		nameless := func(k Key) bool { return k.Manager == ManagerUnknown && k.ARN == "" }
		if v.Labelled() && (len(v.Keys) == 0 || slices.ContainsFunc(v.Keys, nameless)) {
			return "the keys of version " + v.ID + " could not be read"
		}
	}
	for _, r := range s.Replicas {
		if unreadKey(r.Key) {
			return "the key of its replica in " + r.Region + " could not be read"
		}
	}
	return ""
}

func unreadKey(k Key) bool { return k.Manager == ManagerUnknown && k.State != KeyMissing }
