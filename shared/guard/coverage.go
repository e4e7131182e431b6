package guard

import (
	"slices"
	"time"
)

// OrgCoverage is the control on the guard itself: it can see what it guards.
const OrgCoverage ControlID = "DL.ORG.1"

// CoverageControl is the control behind OrgCoverage. No Evaluate runs it: it fails when a look, or a part of one, is
// refused.
func CoverageControl() Control {
	return Control{
		ID: OrgCoverage, Severity: SeverityHigh, words: Subject.blindWords,
		Title: "Doublelock cannot look here",
		Why:   "What the guard is not allowed to see is not guarded, and from outside that looks like all is well.",
		Fix:   "Deploy the member stack to the account and Region, and let the role " + ReadRole + " describe secrets and keys.",
	}
}

// ReconcileUnseen moves a record to "we were not allowed to look": the state is unknown, the coverage finding is open,
// everything else stays as it was last seen.
func ReconcileUnseen(rec Record, s Secret, blind BlindSpot, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.rec.Resource, r.rec.Account, r.rec.Region, r.rec.Name = s.ARN, s.Account, s.Region, s.Name
	r.moveState(StateUnknown)
	r.moveFinding(Verdict{Control: CoverageControl(), Outcome: Fail, Subject: Subject{Blind: &blind}})
	return r.rec
}

// ReconcileSeen resolves the coverage finding of a record: we may look again.
func ReconcileSeen(rec Record, now time.Time, cause Cause) Record {
	return reconcileCoverage(rec, Secret{}, Verdict{Control: CoverageControl(), Outcome: Pass}, now, cause)
}

// ReconcileRead opens the coverage finding of a secret that was described, but of which something that decides could
// not be read, or whose approval nobody knows, and else resolves it. A key that keeps us out must not be the way to keep a secret out
// of sight, nor an alias whose event is lost.
func ReconcileRead(rec Record, s Secret, verdicts []Verdict, now time.Time, cause Cause) Record {
	v := Verdict{Control: CoverageControl(), Outcome: Pass}
	if unread := Unread(s); unread.Blind != nil {
		v.Outcome, v.Subject = Fail, unread
	} else if doubted := doubted(verdicts); doubted.Blind != nil {
		v.Outcome, v.Subject = Fail, doubted
	} else if !s.OldKeys().IsZero() {
		v.Outcome = Unknown // what could be read before is no proof that it can be read
	}
	return reconcileCoverage(rec, s, v, now, cause)
}

// doubted is the subject of which nobody knows who set what approves its keys; the zero Subject where that is known, or does not decide.
func doubted(verdicts []Verdict) Subject {
	for _, v := range verdicts {
		if v.Control.ID == SecretKeyUnapproved && v.Outcome == Unknown && v.Subject.Doubted() {
			return v.Subject
		}
	}
	return Subject{}
}

func reconcileCoverage(rec Record, s Secret, v Verdict, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.moveFinding(v)
	return r.rec
}

// Unread says what of a described secret could not be read: the first part that decides, or the zero Subject when all of
// them could. A key that does not exist is an answer.
func Unread(s Secret) Subject {
	blind := func(part Part) *BlindSpot { return &BlindSpot{Part: part, Cause: CauseDenied} }
	switch {
	case s.PendingDeletion():
		return Subject{}
	case unreadKey(&s.Key):
		return Subject{Key: s.Key.brief(), Blind: blind(PartKey)}
	case s.VersionsUnread:
		return Subject{Blind: blind(PartVersions)}
	}
	found := unreadVersions(s)
	if found.Blind != nil {
		return found
	}
	copies := CopiesOf(s)
	if undescribed := copies.undescribed(); len(undescribed) > 0 {
		return Subject{Versions: undescribed, Blind: blind(PartVersionKeys)}
	}
	for i := range s.Replicas {
		if r := &s.Replicas[i]; unreadKey(&r.Key) {
			found.Replicas, found.Blind = append(found.Replicas, r.brief()), blind(PartReplicaKey)
		}
	}
	for i := range s.Elsewhere.Copies {
		if e := &s.Elsewhere.Copies[i]; unreadKey(&e.Key) {
			found.Elsewhere, found.Blind = append(found.Elsewhere, e.brief()), blind(PartReplicaKey)
		}
	}
	if found.Blind != nil || s.Foreign() || s.IsReplica() {
		return found
	}
	return copies.unlistedBeside()
}

// unreadVersions says which labelled versions open with keys that could not be read. AWS lists a key that it does not
// describe to us, or lists none: only the first is a denial.
func unreadVersions(s Secret) Subject {
	var found Subject
	cause := CauseNotListed
	for _, v := range s.Versions {
		nameless := slices.ContainsFunc(v.Keys, func(k Key) bool { return k.Manager == ManagerUnknown && k.ARN == "" })
		if !v.Labelled() || len(v.Keys) > 0 && !nameless {
			continue
		}
		found.Versions = append(found.Versions, v.brief())
		if nameless {
			cause = CauseDenied
		}
	}
	if len(found.Versions) > 0 {
		found.Blind = &BlindSpot{Part: PartVersionKeys, Cause: cause}
	}
	return found
}

// undescribed are the primary's versions that may open with the AWS managed key alone, each with the keys of which AWS says no more than
// their name. A version that opens with the secret's own key as well is none: DL.SECRET.2 names it.
func (c *Copies) undescribed() []Version {
	if here := c.here(); here != StateUnknown && here != StateForeign {
		return nil
	}
	return c.chosen(choice{
		copies: func(p *Location, copied *Copy) bool {
			return p.Kind == LocationPrimary && copied.managedAlone() == Unknown
		},
		keys: func(_ *Location, k *Key) bool { return unreadKey(k) },
	})
}

func unreadKey(k *Key) bool { return k.Manager == ManagerUnknown && k.State != KeyMissing }
