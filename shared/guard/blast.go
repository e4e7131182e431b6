package guard

import (
	"slices"
	"sort"
)

// BlastRadius is everything that stops, and everything that does not, when a key cannot be used.
type BlastRadius struct {
	Key     string     `json:"key"`     // key ARN
	State   KeyState   `json:"state"`   // of the key, now
	Stops   []Affected `json:"stops"`   // no labelled version opens with another usable key
	Remains []Affected `json:"remains"` // an older copy still opens with another key
	Unknown []Affected `json:"unknown"` // nobody could see which of the two

	// Left counts what Trim left out of the lists.
	Left *BlastLeft `json:"left,omitempty"`
}

// BlastLeft counts secrets that a trimmed BlastRadius does not list.
type BlastLeft struct {
	Stops   int `json:"stops"`
	Remains int `json:"remains"`
	Unknown int `json:"unknown"`
}

// Counts says how many secrets there are of each kind, listed or not.
func (b BlastRadius) Counts() (stops, remains, unknown int) {
	stops, remains, unknown = len(b.Stops), len(b.Remains), len(b.Unknown)
	if b.Left != nil {
		stops, remains, unknown = stops+b.Left.Stops, remains+b.Left.Remains, unknown+b.Left.Unknown
	}
	return stops, remains, unknown
}

// Empty reports whether no secret is affected, nor may be.
func (b BlastRadius) Empty() bool {
	stops, remains, unknown := b.Counts()
	return stops+remains+unknown == 0
}

// Trim lists at most so many secrets of each kind and counts the rest, so that it fits into one message.
func (b BlastRadius) Trim(most int) BlastRadius {
	stops, remains, unknown := b.Counts()
	t := b
	t.Stops, t.Remains, t.Unknown = firsts(b.Stops, most), firsts(b.Remains, most), firsts(b.Unknown, most)
	left := BlastLeft{stops - len(t.Stops), remains - len(t.Remains), unknown - len(t.Unknown)}
	if left != (BlastLeft{}) {
		t.Left = &left
	}
	return t
}

func firsts(list []Affected, most int) []Affected { return list[:min(len(list), most)] }

// Affected is a secret under the key, and why it stops or does not.
type Affected struct {
	Secret string    `json:"secret"` // canonical ARN
	Name   string    `json:"name"`
	State  LockState `json:"state"`
	Fate   Fate      `json:"fate,omitzero"`
	Opens  Key       `json:"opens,omitzero"` // of FateOlderCopy: what the older copy opens with
	Why    string    `json:"why,omitzero"`   // of notices stored before fates were: the reason, in half a sentence
}

// Fate is why a secret stops without a key, or does not.
type Fate string

const (
	FateNoValue        Fate = "no_value"        // it has no value, and none can be written
	FateEveryCopy      Fate = "every_copy"      // every copy of the current version is under the key
	FateOlderCopy      Fate = "older_copy"      // an older copy opens with another key
	FateOtherKey       Fate = "other_key"       // it names the key, and its current version is under another
	FateUnreadVersions Fate = "unread_versions" // nobody could see its versions
	FateUnreadKey      Fate = "unread_key"      // nobody could see the state of an older copy's key
)

// Describe says in half a sentence why the secret stops, or does not.
func (a Affected) Describe() string {
	switch a.Fate {
	case FateNoValue:
		return "has no value yet; none can be written"
	case FateEveryCopy:
		return "every copy of the current version is under this key"
	case FateOlderCopy:
		if a.Opens.Manager == ManagerAWS {
			return "an older copy still opens with the AWS managed key"
		}
		return "an older copy still opens with " + a.Opens.ARN
	case FateOtherKey:
		return "the current version was never re-encrypted under this key"
	case FateUnreadVersions:
		return "its versions could not be read"
	case FateUnreadKey:
		return "an older copy is under a key whose state could not be read"
	default:
		return a.Why
	}
}

// Blast says which of the secrets stop when the key is out of use. Secrets that do not use the key are left out.
func Blast(key Key, secrets []Secret) BlastRadius {
	radius := BlastRadius{Key: key.ARN, State: key.State, Stops: []Affected{}, Remains: []Affected{}, Unknown: []Affected{}}
	for _, s := range secrets {
		affected := Affected{Secret: s.ARN, Name: s.Name, State: StateOf(s, "")}
		switch affected.Fate, affected.Opens = fateWithout(key, s); affected.Fate {
		case FateNoValue, FateEveryCopy:
			radius.Stops = append(radius.Stops, affected)
		case FateOlderCopy, FateOtherKey:
			radius.Remains = append(radius.Remains, affected)
		case FateUnreadVersions, FateUnreadKey:
			radius.Unknown = append(radius.Unknown, affected)
		}
	}
	for _, list := range [][]Affected{radius.Stops, radius.Remains, radius.Unknown} {
		sort.Slice(list, func(i, j int) bool { return list[i].Secret < list[j].Secret })
	}
	return radius
}

// fateWithout follows the current version, which is the one readers get when they do not ask for another. "" is a secret
// that the key does not touch.
func fateWithout(key Key, s Secret) (Fate, Key) {
	named := func(f Fate) (Fate, Key) {
		if s.Key.Same(key) {
			return f, Key{}
		}
		return "", Key{}
	}
	if s.VersionsUnread {
		return named(FateUnreadVersions)
	}
	current, found := currentVersion(s)
	if !found {
		return named(FateNoValue)
	}
	if !slices.ContainsFunc(current.Keys, key.Same) {
		return named(FateOtherKey)
	}
	for _, k := range current.Keys {
		switch {
		case k.Same(key):
		case k.Manager == ManagerAWS, k.CanDecrypt():
			return FateOlderCopy, k.brief()
		case k.State == KeyStateUnknown:
			return FateUnreadKey, Key{}
		}
	}
	return FateEveryCopy, Key{}
}

func currentVersion(s Secret) (Version, bool) {
	for _, v := range s.Versions {
		for _, stage := range v.Stages {
			if stage == "AWSCURRENT" {
				return v, true
			}
		}
	}
	return Version{}, false
}
