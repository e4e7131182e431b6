package guard

// Decision says what may be done about a secret.
type Decision struct {
	Tag    bool   `json:"tag"`    // write the doublelock:* tags
	Tell   bool   `json:"tell"`   // notify the owner
	Rekey  bool   `json:"rekey"`  // move it to the CMK
	Reason string `json:"reason"` // why, in half a sentence
}

// Decide says what may be done about a secret in a lock state, in a mode, with or without a waiver in force.
// It is total: every combination has an answer, and what is not known is never touched.
func Decide(state LockState, mode Mode, waived bool) Decision {
	switch {
	case mode != ModeNotify && mode != ModeRemediate:
		return Decision{Reason: "observe mode records only"}
	case state == StateForeign:
		return Decision{Tell: !waived, Reason: "owned by another AWS service: its own fix, never ours"}
	case state == StateSealed:
		return Decision{Tag: true, Tell: !waived, Reason: "sealed: nothing to change"}
	case state == StateDual:
		return Decision{Tag: true, Tell: !waived, Reason: "re-keyed: a new version seals it"}
	case state != StateDefault && state != StateDrifted:
		return Decision{Tell: !waived, Reason: "lock state unknown: look first"}
	case waived:
		return Decision{Tag: true, Reason: "waived"}
	case mode == ModeRemediate:
		return Decision{Tag: true, Tell: true, Rekey: true, Reason: "remediate mode re-keys with the CMK"}
	default:
		return Decision{Tag: true, Tell: true, Reason: "notify mode leaves the fix to the owner"}
	}
}
