package guard

import "time"

// Evaluate runs every control on a secret as Describe found it. It is pure and total: one verdict a control, in the
// order of Controls, whatever could or could not be read.
func Evaluate(s Secret, std Standard, now time.Time) []Verdict {
	controls := Controls()
	verdicts := make([]Verdict, len(controls))
	copies := CopiesOf(s)
	old := !s.OldKeys().IsZero()
	for i := range controls {
		verdicts[i].Control = controls[i]
		verdicts[i].judge(&copies, std, old)
	}
	return verdicts
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
