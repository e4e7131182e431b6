package guard

import (
	"slices"
	"time"
)

// Said is what an event says of a key whose state nobody could read. It was so at that moment, and may be otherwise by now.
type Said struct {
	State   KeyState  `json:"state"`
	At      time.Time `json:"at"`
	Deleted time.Time `json:"deleted,omitzero"` // when KMS deletes the key, if nobody cancels that; zero: no such date
}

// ByEvent is what becomes of secrets where the state of their key is an event's word: what stops by it may, and what does not stop
// is as sure as where the state was read. Where it says that the key can be used, it is an all-clear for all that is under it.
func (b BlastRadius) ByEvent(said Said) BlastRadius {
	b.State, b.Said = KeyStateUnknown, &said
	if said.State.Usable() {
		return b
	}
	var may []Affected
	for _, list := range [][]Affected{b.Stops, b.Partly} {
		for _, a := range list {
			a.Supposed = true
			may = append(may, a)
		}
	}
	b.Stops, b.Partly, b.Unknown = []Affected{}, nil, append(may, b.Unknown...)
	return b
}

// Only is what becomes of one secret.
func (b BlastRadius) Only(secret string) BlastRadius {
	b.Left = nil
	for _, list := range []*[]Affected{&b.Stops, &b.Partly, &b.Remains, &b.Unknown} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(a Affected) bool { return a.Secret != secret })
	}
	return b
}

// KeyWords say what state the key is in, in half a sentence after "key".
func (b BlastRadius) KeyWords() string {
	if b.Said == nil {
		return "is " + string(b.State) + b.waits()
	}
	words := "was " + string(b.Said.State) + " by the event"
	if !b.Said.At.IsZero() {
		words += " at " + Minute(b.Said.At)
	}
	if !b.Said.Deleted.IsZero() {
		words += ", and will be deleted at " + Minute(b.Said.Deleted)
	}
	return words + b.waits() + "; its state could not be read"
}

// waits says when KMS deletes the key, where that waits for its replicas, as the end of half a sentence.
func (b BlastRadius) waits() string {
	if b.Now() != KeyPendingReplicaDeletion {
		return ""
	}
	return ", and " + WaitWords(b.Window)
}

// Now is the state of the key: as it was read, else as the event says.
func (b BlastRadius) Now() KeyState {
	if b.Said != nil {
		return b.Said.State
	}
	return b.State
}
