package guard

// LockState says how many locks really hold a secret.
type LockState string

const (
	StateUnknown LockState = "unknown" // not everything that decides could be read; never counts as safe
	StateDefault LockState = "default" // a copy opens with the AWS managed key alone, or the next one will
	StateDual    LockState = "dual"    // under a CMK, and a copy still opens with another key: an older one, or a replica's AWS managed one
	StateSealed  LockState = "sealed"  // every labelled version opens with the CMK alone, and was seen to do so with its own in each other location
	StateDrifted LockState = "drifted" // was sealed or dual, now is not
	StateForeign LockState = "foreign" // owned by another AWS service
)

// States lists every lock state, for tables and totals.
func States() []LockState {
	return []LockState{StateDefault, StateDual, StateSealed, StateDrifted, StateForeign, StateUnknown}
}

// StateOf finds the lock state of a secret from its copies and the state it was last recorded in ("" when never seen).
func StateOf(s Secret, was LockState) LockState { return CopiesOf(s).State(was) }

// HereOf is the lock state by the primary's copies alone, which are what a change of its key moves. Those of replicas have
// keys of their own.
func HereOf(s Secret) LockState { return CopiesOf(s).here() }

// State is the lock state, by the worst copy. Copies in other accounts that nobody could list do not count: AWS keeps
// them under a customer managed key always.
// Source: user guide, "Cross-account replication": the replica's key is mandatory, and not the AWS managed one.
func (c Copies) State(was LockState) LockState {
	state := c.here()
	switch state {
	case StateDefault:
		return fallenFrom(was)
	case StateSealed:
		return c.there()
	default:
		return state
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

// here is the state by the primary's labelled copies. A secret that has no value yet has nothing an older key could open:
// its key is that of its first version.
func (c Copies) here() LockState {
	state, _ := c.primary()
	return state
}

// primary is here, and whether a copy is under another key beside or instead of the secret's own, which is not known to be gone. A key
// that may not be described may be the AWS managed one, a customer's, or gone: where that decides, the state is unknown.
func (c *Copies) primary() (state LockState, older bool) {
	named := c.Locations[0].by()
	switch {
	case c.secret.Foreign():
		return StateForeign, false
	case named.Manager == ManagerAWS:
		return StateDefault, false
	}
	dual, unsure, unknown := false, false, c.Unlisted || named.Manager != ManagerCustomer
	for i := range c.List {
		copied := &c.List[i]
		if copied.Location != 0 || !copied.Labelled() {
			continue
		}
		managed, alone := copied.managedAlone(), copied.bound(named)
		if managed == Fail {
			return StateDefault, false
		}
		unknown = unknown || managed == Unknown || copied.nameless()
		dual, unsure = dual || alone == Fail, unsure || alone == Unknown
	}
	switch {
	case unknown:
		return StateUnknown, false
	case dual:
		return StateDual, true
	case unsure:
		return StateUnknown, true
	default:
		return StateSealed, false
	}
}

// there is the state of a sealed primary by its other locations. A copy of a secret in another account is none until it has arrived.
func (c Copies) there() LockState {
	state := StateSealed
	if c.secret.arrived() != Pass {
		state = StateUnknown
	}
	for i := 1; i < len(c.Locations); i++ {
		switch in, _ := c.in(i); in {
		case StateDual:
			return StateDual
		case StateUnknown:
			state = StateUnknown
		}
	}
	return state
}

// in is the state of a location beside the primary, by its labelled copies: sealed, dual, or unknown. Where its versions were
// not listed there, an older one may open with the key that the location had before. It says, as primary does, whether a copy is under
// another key than the location's.
func (c *Copies) in(location int) (state LockState, older bool) {
	p := &c.Locations[location]
	switch {
	case p.by().Manager == ManagerAWS:
		return StateDual, false
	case p.by().Manager != ManagerCustomer, !p.InSync(), p.Listing != Listed:
		return StateUnknown, false
	}
	if _, written := c.Current(); written {
		if _, there := c.currentIn(location); !there {
			return StateUnknown, false
		}
	}
	state = StateSealed
	for i := range c.List {
		copied := &c.List[i]
		if copied.Location != location || !copied.Labelled() {
			continue
		}
		switch alone := copied.bound(p.by()); {
		case copied.nameless():
			return StateUnknown, false
		case alone == Fail:
			state = StateDual
		case alone == Unknown && state == StateSealed:
			state = StateUnknown
		}
	}
	return state, state != StateSealed
}

// managedAlone fails a copy that opens with the AWS managed key and nothing else. A key that does not exist any more opens
// nothing.
func (c *Copy) managedAlone() Outcome {
	managed, unknown := false, c.More
	for i := range c.Keys {
		k := &c.Keys[i]
		switch {
		case k.Manager == ManagerAWS:
			managed = true
		case k.State == KeyMissing:
		case k.Manager == ManagerCustomer:
			return Pass
		default:
			unknown = true
		}
	}
	switch {
	case unknown:
		return Unknown
	case managed:
		return Fail
	default:
		return Pass
	}
}

// Alone reports whether a copy opens with the key, and with no other that exists.
func (c Copy) Alone(key Key) bool { return c.alone(&key) }

func (c *Copy) alone(key *Key) bool { return c.bound(key) == Pass }

// bound passes a copy that opens with the key, and with no other that exists. Whether one exists that may not be described is not known.
func (c *Copy) bound(key *Key) Outcome {
	opens, outcome := false, Pass
	for i := range c.Keys {
		k := &c.Keys[i]
		switch {
		case k.is(key):
			opens = true
		case k.State == KeyMissing:
		case unreadKey(k):
			outcome = Unknown
		default:
			return Fail
		}
	}
	if !opens {
		return Fail
	}
	return outcome
}

// Nameless reports that AWS does not say which keys open a copy: it lists none, or one that has no name.
func (c Copy) Nameless() bool { return c.nameless() }

func (c *Copy) nameless() bool {
	for i := range c.Keys {
		k := &c.Keys[i]
		if k.unnamed() {
			return true
		}
	}
	return c.More
}

// unnamed reports that nothing says which key it is.
func (k *Key) unnamed() bool {
	return k.Manager == ManagerUnknown && k.ARN == "" && k.State != KeyMissing
}
