package guard

import (
	"slices"
	"strings"
)

// BlastRadius is everything that stops, and everything that does not, when a key cannot be used.
type BlastRadius struct {
	Key     string     `json:"key"`              // key ARN
	State   KeyState   `json:"state"`            // of the key, now
	Store   string     `json:"store,omitzero"`   // id of its custom key store; "" for none
	Window  int        `json:"window,omitzero"`  // of KeyPendingReplicaDeletion: as Key.Window
	Stops   []Affected `json:"stops"`            // its current version cannot be read: what readers get who ask for no other. Affected.Still: something else of it can
	Partly  []Affected `json:"partly,omitempty"` // its current version can be read, and something else of it cannot: another version, or the current one of a replica
	Remains []Affected `json:"remains"`          // it is under the key, and nothing of it stops
	Unknown []Affected `json:"unknown"`          // nobody could see whether something stops

	Elsewhere Listing `json:"elsewhere,omitzero"` // whether copies in other accounts were looked for; "": nobody could list them

	Said *Said `json:"said,omitempty"` // where the key's state could not be read: what the event says; nil: it was read

	Index *Indexed `json:"index,omitempty"` // how far what it is made of reaches; nil: every secret was looked at

	// Left counts what Trim left out of the lists.
	Left *Tally `json:"left,omitempty"`
}

// Counts says how many secrets there are of each kind, listed or not.
func (b BlastRadius) Counts() Tally {
	t := b.listed()
	if b.Left != nil {
		t = t.plus(*b.Left, 1)
	}
	return t
}

// listed counts the lists.
func (b BlastRadius) listed() Tally {
	t := Tally{Stops: len(b.Stops), Partly: len(b.Partly), Remains: len(b.Remains), Unknown: len(b.Unknown)}
	for _, a := range b.Stops {
		if a.Still() {
			t.Still++
		}
	}
	for _, list := range [][]Affected{b.Stops, b.Partly} {
		for _, a := range list {
			if a.unsureOf() {
				t.Unsure++
			}
		}
	}
	for _, a := range b.Remains {
		if len(a.Ends) > 0 {
			t.Ending++
		}
	}
	for _, a := range b.Unknown {
		if a.certainly() {
			t.Certain++
		}
	}
	if b.Index != nil {
		t.Waiting = len(b.Index.Waiting) + b.Index.More
	}
	return t
}

// Empty reports whether no secret is affected, nor may be: of those that wait for their deletion neither.
func (b BlastRadius) Empty() bool {
	t := b.Counts()
	return t.Judged()+t.Unknown+t.Waiting == 0
}

// Trim lists at most so many secrets of each kind and counts the rest, so that it fits into one message.
func (b BlastRadius) Trim(most int) BlastRadius {
	t := b
	t.Stops, t.Partly, t.Remains, t.Unknown = firsts(b.Stops, most), firsts(b.Partly, most), firsts(b.Remains, most), firsts(b.Unknown, most)
	if left := b.Counts().plus(t.listed(), -1); left != (Tally{}) {
		t.Left = &left
	}
	return t
}

func firsts(list []Affected, most int) []Affected { return list[:min(len(list), most)] }

// Blast says which of the secrets stop when the key is out of use. Secrets that do not use the key are left out.
func Blast(key Key, secrets []Secret) BlastRadius {
	radius := BlastRadius{Key: key.ARN, State: key.State, Store: key.Store, Window: key.Window, Stops: []Affected{}, Remains: []Affected{}, Unknown: []Affected{}, Elsewhere: Listed}
	for _, s := range secrets {
		copies := CopiesOf(s)
		if copies.Elsewhere != Listed {
			radius.Elsewhere = NotListed
		}
		affected := copies.without(key)
		if affected.Fate == "" {
			continue
		}
		affected.Secret, affected.Name, affected.State = s.ARN, s.Name, copies.State("")
		list := radius.of(affected)
		*list = append(*list, affected)
	}
	for _, list := range [][]Affected{radius.Stops, radius.Partly, radius.Remains, radius.Unknown} {
		slices.SortFunc(list, func(a, b Affected) int { return strings.Compare(a.Secret, b.Secret) })
	}
	return radius
}

// of is the list for a secret: by what becomes of its current version, and then of anything else.
func (b *BlastRadius) of(a Affected) *[]Affected {
	switch a.Fate {
	case FateEveryCopy, FateCurrentStops, FateOtherVersion, FateReplica, FateUnreadReplica:
		return &b.Stops
	case FateNoValue, FateOlderCopy, FateOwnKey, FateOtherKey, FateVersionStops, FateReplicaStops, FateReplicaNext, FateLosesKey:
		switch {
		case len(a.Labels)+len(a.Regions)+len(a.Stopping) > 0:
			return &b.Partly
		case len(a.Unsure)+len(a.Unread) > 0:
			return &b.Unknown
		}
		return &b.Remains
	default:
		return &b.Unknown
	}
}
