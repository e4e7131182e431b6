package guard

// LockState says how many locks really hold a secret.
type LockState string

const (
	StateUnknown LockState = "unknown" // not everything that decides could be read; never counts as safe
	StateDefault LockState = "default" // under the AWS managed key
	StateDual    LockState = "dual"    // re-keyed, but older copies still open with the previous key
	StateSealed  LockState = "sealed"  // every labelled version opens with the CMK alone
	StateDrifted LockState = "drifted" // was sealed or dual, now is not
	StateForeign LockState = "foreign" // owned by another AWS service
)

// States lists every lock state, for tables and totals.
func States() []LockState {
	return []LockState{StateDefault, StateDual, StateSealed, StateDrifted, StateForeign, StateUnknown}
}

// StateOf finds the lock state of a secret from what Describe found and the state it was last recorded in
// ("" when never seen). A replica has the state of its own versions.
func StateOf(s Secret, was LockState) LockState {
	if s.Foreign() {
		return StateForeign
	}
	switch s.Key.Manager {
	case ManagerAWS:
		return fallenFrom(was)
	case ManagerCustomer:
		return customerState(s)
	default:
		return StateUnknown
	}
}

func fallenFrom(was LockState) LockState {
	switch was {
	case StateSealed, StateDual, StateDrifted:
		return StateDrifted
	default:
		return StateDefault
	}
}

// customerState is sealed only when every labelled version opens with the secret's key and nothing else. A secret
// that has no value yet has nothing an older key could open: it is sealed from its first version on.
func customerState(s Secret) LockState {
	state := StateSealed
	for _, v := range s.Versions {
		if !v.Labelled() {
			continue
		}
		if len(v.Keys) == 0 {
			return StateUnknown
		}
		for _, k := range v.Keys {
			if k.Manager == ManagerUnknown && k.ARN == "" {
				return StateUnknown
			}
			if !k.Same(s.Key) {
				state = StateDual
			}
		}
	}
	if s.VersionsUnread {
		return StateUnknown
	}
	return state
}
