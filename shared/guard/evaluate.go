package guard

import (
	"slices"
	"time"
)

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
	if v.Outcome == Fail && s.Foreign() {
		v.Subject.Service = s.ForeignService()
	}
	return v
}

func checkDefaultKey(s Secret, _ Standard) (Outcome, Subject) {
	switch {
	case s.Foreign():
		return NotApplicable, Subject{}
	case s.Key.Manager == ManagerAWS:
		return Fail, Subject{Key: s.Key.brief(), Rotation: rotationOf(s)}
	case s.Key.Manager == ManagerCustomer:
		return Pass, Subject{}
	default:
		return Unknown, Subject{Key: s.Key.brief(), Blind: &BlindSpot{Part: PartKey, Cause: CauseDenied}}
	}
}

func checkSealed(s Secret, _ Standard) (Outcome, Subject) {
	switch StateOf(s, "") {
	case StateDual:
		return Fail, Subject{Key: s.Key.brief(), Versions: unsealed(s), Rotation: rotationOf(s)}
	case StateSealed:
		return Pass, Subject{}
	case StateUnknown:
		return Unknown, Subject{Blind: &BlindSpot{Part: PartVersionKeys, Cause: CauseDenied}}
	default:
		return NotApplicable, Subject{}
	}
}

// unsealed lists the labelled versions that open with another key than the secret's, or do not open with that one.
func unsealed(s Secret) []Version {
	var open []Version
	for _, v := range s.Versions {
		other := slices.ContainsFunc(v.Keys, func(k Key) bool { return !k.Same(s.Key) })
		if v.Labelled() && (other || !v.opensWith(s.Key)) {
			open = append(open, v.brief())
		}
	}
	return open
}

func checkReplicas(s Secret, _ Standard) (Outcome, Subject) {
	if s.Foreign() {
		return NotApplicable, Subject{}
	}
	return failing(s, Pass, func(k Key) Outcome { // its own key is for other controls
		switch k.Manager {
		case ManagerAWS:
			return Fail
		case ManagerUnknown:
			return Unknown
		default:
			return Pass
		}
	})
}

func checkKeyUsable(s Secret, _ Standard) (Outcome, Subject) {
	return failing(s, keyUsable(s.Key), keyUsable)
}

func keyUsable(k Key) Outcome {
	if k.Manager == ManagerAWS {
		return Pass
	}
	switch k.State {
	case KeyEnabled, KeyUpdating:
		return Pass
	case KeyStateUnknown, KeyCreating:
		return Unknown
	default:
		return Fail
	}
}

func checkApproved(s Secret, std Standard) (Outcome, Subject) {
	approved := func(k Key) Outcome {
		if k.Manager == ManagerAWS {
			return NotApplicable
		}
		return std.Approved.Allows(k, s.Account)
	}
	outcome, subject := failing(s, approved(s.Key), approved)
	if outcome == Fail && !subject.Key.zero() {
		subject.Rotation = rotationOf(s)
	}
	return outcome, subject
}

func checkForeign(s Secret, _ Standard) (Outcome, Subject) {
	switch {
	case !s.Foreign():
		return NotApplicable, Subject{}
	case s.Key.Manager == ManagerAWS:
		return Fail, Subject{Key: s.Key.brief()}
	case s.Key.Manager == ManagerCustomer:
		return Pass, Subject{}
	default:
		return Unknown, Subject{Key: s.Key.brief(), Blind: &BlindSpot{Part: PartKey, Cause: CauseDenied}}
	}
}
