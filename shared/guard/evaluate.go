package guard

import "time"

// Evaluate runs every control on a secret as Describe found it. It is pure and total: one verdict a control, in the
// order of Controls, whatever could or could not be read.
func Evaluate(s Secret, std Standard, now time.Time) []Verdict {
	controls := Controls()
	verdicts := make([]Verdict, 0, len(controls))
	copies := CopiesOf(s)
	old := !s.OldKeys().IsZero()
	for i := range controls {
		verdicts = append(verdicts, judge(controls[i], &copies, std, old))
	}
	return verdicts
}

// judge asks one control. Where old, what is known of the keys is of before.
func judge(c Control, copies *Copies, std Standard, old bool) Verdict {
	v := Verdict{Control: c, Outcome: NotApplicable}
	s := copies.secret
	if s.PendingDeletion() || s.IsReplica() {
		return v // nothing reads the first; the primary answers for the second
	}
	v.Outcome, v.Subject = c.check(copies, std)
	if v.Outcome != Fail && old {
		v.Outcome, v.Subject = Unknown, Subject{} // what was so may open a finding, and resolves none
	}
	if v.Outcome == Fail && s.Foreign() {
		v.Subject.Service = s.ForeignService()
	}
	return v
}
