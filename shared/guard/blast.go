package guard

import "sort"

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
	Why    string    `json:"why"`
}

// Blast says which of the secrets stop when the key is out of use. Secrets that do not use the key are left out.
func Blast(key Key, secrets []Secret) BlastRadius {
	radius := BlastRadius{Key: key.ARN, State: key.State, Stops: []Affected{}, Remains: []Affected{}, Unknown: []Affected{}}
	for _, s := range secrets {
		affected := Affected{Secret: s.ARN, Name: s.Name, State: StateOf(s, "")}
		switch fate, why := fateWithout(key, s); fate {
		case fateStops:
			affected.Why = why
			radius.Stops = append(radius.Stops, affected)
		case fateRemains:
			affected.Why = why
			radius.Remains = append(radius.Remains, affected)
		case fateUnknown:
			affected.Why = why
			radius.Unknown = append(radius.Unknown, affected)
		}
	}
	for _, list := range [][]Affected{radius.Stops, radius.Remains, radius.Unknown} {
		sort.Slice(list, func(i, j int) bool { return list[i].Secret < list[j].Secret })
	}
	return radius
}

type fate int

const (
	fateUntouched fate = iota
	fateStops
	fateRemains
	fateUnknown
)

// fateWithout follows the current version, which is the one readers get when they do not ask for another.
func fateWithout(key Key, s Secret) (fate, string) {
	if s.VersionsUnread {
		if s.Key.Same(key) {
			return fateUnknown, "its versions could not be read"
		}
		return fateUntouched, ""
	}
	current, found := currentVersion(s)
	if !found {
		if s.Key.Same(key) {
			return fateStops, "has no value yet; none can be written"
		}
		return fateUntouched, ""
	}
	uses := false
	for _, k := range current.Keys {
		uses = uses || k.Same(key)
	}
	switch {
	case !uses && s.Key.Same(key):
		return fateRemains, "the current version was never re-encrypted under this key"
	case !uses:
		return fateUntouched, ""
	}
	for _, k := range current.Keys {
		if !k.Same(key) && k.Manager == ManagerAWS {
			return fateRemains, "an older copy still opens with the AWS managed key"
		}
		if !k.Same(key) && k.CanDecrypt() {
			return fateRemains, "an older copy still opens with " + k.ARN
		}
		if !k.Same(key) && k.State == KeyStateUnknown {
			return fateUnknown, "an older copy is under a key whose state could not be read"
		}
	}
	return fateStops, "every copy of the current version is under this key"
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
