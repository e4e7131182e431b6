package guard

// Decision says what may be done about a secret, and what that follows from.
type Decision struct {
	Mode   Mode   `json:"mode,omitzero"`   // it was made in; "" where no mode governs
	Waived bool   `json:"waived,omitzero"` // a waiver excuses the finding
	Tag    bool   `json:"tag"`             // write the doublelock:* tags
	Retag  bool   `json:"retag,omitzero"`  // correct the doublelock:* tags that are there already, and add none
	Rekey  bool   `json:"rekey"`           // move it to the CMK
	Reason string `json:"reason"`          // why, in half a sentence
}

// Decide says what may be done about a secret in a lock state, in a mode, with or without a waiver in force.
// It is total: every combination has an answer, and what is not known is never touched, but for what we said of it
// ourselves when we knew.
func Decide(state LockState, mode Mode, waived bool) Decision {
	d := Decision{Mode: mode, Waived: waived}
	switch {
	case mode != ModeNotify && mode != ModeRemediate:
		d.Reason = "observe mode records only"
	case state == StateForeign:
		d.Reason = "owned by another AWS service: its own fix, never ours"
	case state == StateSealed:
		d.Tag, d.Reason = true, "sealed: nothing to change"
	case state == StateDual:
		d.Tag, d.Reason = true, "re-keyed: a new version seals it"
	case state != StateDefault && state != StateDrifted:
		d.Retag, d.Reason = true, "lock state unknown: look first"
	case waived:
		d.Tag, d.Reason = true, "waived"
	case mode == ModeRemediate:
		d.Tag, d.Rekey, d.Reason = true, true, "remediate mode re-keys with the CMK"
	default:
		d.Tag, d.Reason = true, "notify mode leaves the fix to the owner"
	}
	return d
}

// Notified says whether a person is notified of what happened. Control is "" where no finding stands behind it. It is
// total, and nothing else decides it.
//
// A finding that remediation is about to fix waits for how that ends: its owner gets one notice, not two within a
// minute. A blind spot is notified of in every mode, because silence is what it is about. Changes of state come with a
// finding, denied attempts were answered by AWS itself, and denied reads are the watchdog's to judge, since an
// application that polls makes one a second: all of these are recorded only.
func Notified(kind NoticeKind, control ControlID, d Decision) bool {
	switch kind {
	case NoticeIncident, NoticeKeyRestored, NoticeTampered, NoticeFailed, NoticeAttention, NoticeReaderLost, NoticeRolledBack, NoticeRekeyed, NoticeUnproven, NoticeSealDue, NoticeDigest:
		return true
	case NoticeOpened, NoticeResolved:
		notifies := d.Mode == ModeNotify || d.Mode == ModeRemediate
		return control == OrgCoverage || control == OrgStorage || notifies && !d.Waived && !d.Rekey
	default:
		return false
	}
}
