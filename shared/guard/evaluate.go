package guard

import "time"

// Evaluate runs every control on a secret as Describe found it. It is pure and total: one verdict a control, in the
// order of Controls, whatever could or could not be read.
func Evaluate(s Secret, std Standard, now time.Time) []Verdict {
	controls := Controls()
	verdicts := make([]Verdict, 0, len(controls))
	for _, c := range controls {
		verdicts = append(verdicts, judge(c, s, std))
	}
	return verdicts
}

func judge(c Control, s Secret, std Standard) Verdict {
	v := Verdict{Control: c, Outcome: NotApplicable}
	if s.PendingDeletion() || s.IsReplica() {
		return v // nothing reads the first; the primary answers for the second
	}
	v.Outcome, v.Subject = c.check(s, std)
	if v.Outcome != Fail && !s.OldKeys().IsZero() {
		v.Outcome, v.Subject = Unknown, Subject{} // what was so may open a finding, and resolves none
	}
	if v.Outcome == Fail && s.Foreign() {
		v.Subject.Service = s.ForeignService()
	}
	return v
}
