package guard

import "time"

// Evaluate runs every control on a secret as Describe found it. It is pure and total: one verdict a control, in the
// order of Controls, whatever could or could not be read.
func Evaluate(s Secret, std Standard, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(controls))
	copies := copiesOf(&s)
	old := !s.OldKeys().IsZero()
	for i := range controls {
		verdicts[i].Control = controls[i]
		verdicts[i].judge(&copies, std, old)
	}
	return verdicts
}

// EvaluateReplica measures a replica whose primary cannot be seen, by what is in its own Region: the key that it names and those
// that open its versions. What only the primary says is not known: whether the replica holds what the primary does (SecretReplicaKey,
// unless that fails). SecretDefaultKey and SecretOutside are asked of primaries alone.
func EvaluateReplica(s Secret, std Standard, now time.Time) []Verdict {
	own := s
	own.PrimaryRegion, own.Replicas = "", nil
	verdicts := Evaluate(own, std, now)
	var managed Verdict
	for i := range verdicts {
		v := &verdicts[i]
		switch id := v.Control.ID; {
		case id == SecretDefaultKey:
			managed = *v
			v.Outcome, v.Subject = NotApplicable, Subject{}
		case id == SecretReplicaKey && (s.PendingDeletion() || s.Foreign()): // it applies to neither
		case id == SecretReplicaKey:
			v.Outcome, v.Subject = Unknown, Subject{Replicas: []Replica{{Region: s.Region, KeyID: s.KeyID, Key: s.Key.brief()}}, Blind: &BlindSpot{Part: PartReplica, Cause: CauseNotInSync}}
			if managed.Outcome != Fail {
				continue
			}
			v.Outcome, v.Subject.Blind = Fail, nil
			if s.Key.Manager != ManagerAWS {
				v.Subject.Replicas, v.Subject.Versions = nil, managed.Subject.Versions
			}
		case id == SecretOutside:
			v.Outcome, v.Subject = NotApplicable, Subject{}
		}
	}
	return verdicts
}

// ReplicaState is the lock state of a replica by what is in its own Region. It is never sealed: what opens the primary is not known.
func ReplicaState(s Secret) LockState {
	if state := StateOf(s, ""); state != StateSealed {
		return state
	}
	return StateUnknown
}

// judge asks the control of a verdict. Where old, what is known of the keys is of before.
func (v *Verdict) judge(copies *Copies, std Standard, old bool) {
	s := copies.secret
	if s.PendingDeletion() || s.IsReplica() {
		v.Outcome = NotApplicable // nothing reads the first; the primary answers for the second
		return
	}
	v.Outcome, v.Subject = v.Control.check(copies, std)
	if v.Outcome != Fail && old {
		v.Outcome, v.Subject = Unknown, Subject{} // what was so may open a finding, and resolves none
	}
	if v.Outcome == Fail && s.Foreign() {
		v.Subject.Service = s.ForeignService()
	}
}
