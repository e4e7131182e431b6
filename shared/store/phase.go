package store

import "time"

// Phase says how far whoever sends something has come.
type Phase string

const (
	PhaseTaken   Phase = "taken"   // nothing of it has gone out
	PhaseBegun   Phase = "begun"   // it may be going out
	PhaseDoubted Phase = "doubted" // it went out unanswered
)

// UnderWay is how long after the last write about it what is sent may be going out. Whoever wrote no phase, or one of a newer
// version, may have begun.
func (p Phase) UnderWay() time.Duration {
	switch p {
	case PhaseTaken:
		return 0
	case PhaseDoubted:
		return LongestCall
	default:
		return UnderWay
	}
}

// MayTakeOver reports that another may send it. Of what nothing is under way anybody may, because its owner cannot begin afterwards: until,
// by whatever clock, only keeps two from trying in turns. What may be going out, for underWay, may be taken over when it was unchanged for
// as long before one process's eyes, or by a clock that both may have wrong.
func MayTakeOver(underWay, unchanged time.Duration, until, now time.Time) bool {
	if underWay == 0 {
		return !now.Before(until)
	}
	return unchanged >= underWay || !now.Before(until.Add(2*Skew))
}
