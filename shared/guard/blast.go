package guard

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// BlastRadius is everything that stops, and everything that does not, when a key cannot be used.
type BlastRadius struct {
	Key     string     `json:"key"`     // key ARN
	State   KeyState   `json:"state"`   // of the key, now
	Stops   []Affected `json:"stops"`   // no copy of the current version opens with another usable key, in any Region
	Remains []Affected `json:"remains"` // a copy still opens with another key: an older one, or a replica
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

// Affected is a secret that the key touches, and why it stops or does not.
type Affected struct {
	Secret  string    `json:"secret"` // canonical ARN
	Name    string    `json:"name"`
	State   LockState `json:"state"`
	Fate    Fate      `json:"fate,omitzero"`
	Opens   Key       `json:"opens,omitzero"`   // of FateOlderCopy, FateOwnKey and FateReplica: what still opens it
	Regions []string  `json:"regions,omitzero"` // of FateReplica, FateUnreadReplica and FateReplicaStops: where those replicas are
	Why     string    `json:"why,omitzero"`     // of notices stored before fates were: the reason, in half a sentence
}

// Fate is why a secret stops without a key, or does not.
type Fate string

const (
	FateNoValue        Fate = "no_value"        // it has no value, and none can be written
	FateEveryCopy      Fate = "every_copy"      // every copy of the current version is under the key, or another that is out of use
	FateOlderCopy      Fate = "older_copy"      // it names the key, and a copy opens with another
	FateOwnKey         Fate = "own_key"         // it names another key, which opens its current version
	FateOtherKey       Fate = "other_key"       // it names the key, and its current version is under another
	FateReplica        Fate = "replica"         // its primary stops, and replicas open with keys of their own
	FateReplicaStops   Fate = "replica_stops"   // replicas stop, and its primary is under another key
	FateUnreadVersions Fate = "unread_versions" // nobody could see its versions
	FateUnreadKey      Fate = "unread_key"      // nobody could see the state of an older copy's key
	FateUnreadReplica  Fate = "unread_replica"  // its primary stops, and nobody could see what opens its replicas
)

// Describe says in half a sentence why the secret stops, or does not.
func (a Affected) Describe() string {
	switch a.Fate {
	case FateNoValue:
		return "has no value yet; none can be written"
	case FateEveryCopy:
		return "every copy of the current version is under this key"
	case FateOlderCopy:
		return "an older copy still opens with " + a.Opens.named()
	case FateOwnKey:
		return "only an older copy is under this key; it opens with its own, " + a.Opens.named()
	case FateOtherKey:
		return "the current version was never re-encrypted under this key"
	case FateReplica:
		return "stops in " + arn.Of(a.Secret).Region + ", and still opens in " + a.in() + " with " + a.Opens.named()
	case FateReplicaStops:
		return "stops in " + a.in() + " alone: its primary is under another key"
	case FateUnreadVersions:
		return "its versions could not be read"
	case FateUnreadKey:
		return "an older copy is under a key whose state could not be read"
	case FateUnreadReplica:
		return "stops in " + arn.Of(a.Secret).Region + "; what opens its replica in " + a.in() + " could not be read"
	default:
		return a.Why
	}
}

func (a Affected) in() string { return strings.Join(a.Regions, ", ") }

// named is a key as people tell it apart.
func (k Key) named() string {
	if k.Manager == ManagerAWS {
		return "the AWS managed key"
	}
	return k.ARN
}

// Blast says which of the secrets stop when the key is out of use. Secrets that do not use the key are left out.
func Blast(key Key, secrets []Secret) BlastRadius {
	radius := BlastRadius{Key: key.ARN, State: key.State, Stops: []Affected{}, Remains: []Affected{}, Unknown: []Affected{}}
	for _, s := range secrets {
		affected := Affected{Secret: s.ARN, Name: s.Name, State: StateOf(s, "")}
		affected.without(key, s)
		switch affected.Fate {
		case FateNoValue, FateEveryCopy:
			radius.Stops = append(radius.Stops, affected)
		case FateOlderCopy, FateOwnKey, FateOtherKey, FateReplica, FateReplicaStops:
			radius.Remains = append(radius.Remains, affected)
		case FateUnreadVersions, FateUnreadKey, FateUnreadReplica:
			radius.Unknown = append(radius.Unknown, affected)
		}
	}
	for _, list := range [][]Affected{radius.Stops, radius.Remains, radius.Unknown} {
		slices.SortFunc(list, func(a, b Affected) int { return strings.Compare(a.Secret, b.Secret) })
	}
	return radius
}

// without sets what becomes of a secret without the key: of its primary, and then of its replicas, which have keys of
// their own. It leaves the fate "" where the key does not touch the secret.
func (a *Affected) without(key Key, s Secret) {
	a.Fate, a.Opens = primaryWithout(key, s)
	switch a.Fate {
	case FateEveryCopy:
		a.replicasOpen(key, s.Replicas)
	case "":
		if a.Regions = replicasUnder(key, s.Replicas); len(a.Regions) > 0 {
			a.Fate = FateReplicaStops
		}
	}
}

// replicasOpen looks for replicas that keep a stopped secret open. What older copies of a replica open with nobody lists
// from its primary, so one whose key is out of use is unknown, too.
func (a *Affected) replicasOpen(key Key, replicas []Replica) {
	var unread []string
	for _, r := range replicas {
		switch {
		case r.Key.Same(key):
		case r.Key.Manager == ManagerAWS, r.Key.CanDecrypt():
			if a.Fate != FateReplica {
				a.Fate, a.Opens = FateReplica, r.Key.brief()
			}
			a.Regions = append(a.Regions, r.Region)
		default:
			unread = append(unread, r.Region)
		}
	}
	if a.Fate != FateReplica && len(unread) > 0 {
		a.Fate, a.Regions = FateUnreadReplica, unread
	}
}

func replicasUnder(key Key, replicas []Replica) []string {
	var regions []string
	for _, r := range replicas {
		if key.ARN != "" && r.Key.Same(key) {
			regions = append(regions, r.Region)
		}
	}
	return regions
}

// primaryWithout follows the current version, which is the one readers get when they do not ask for another.
func primaryWithout(key Key, s Secret) (Fate, Key) {
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
	fate, opens := FateEveryCopy, Key{}
	for _, k := range current.Keys {
		switch {
		case k.Same(key):
		case k.Manager == ManagerAWS, k.CanDecrypt():
			if k.Same(s.Key) {
				return FateOwnKey, k.brief()
			}
			fate, opens = FateOlderCopy, k.brief()
		case k.State == KeyStateUnknown && fate == FateEveryCopy:
			fate = FateUnreadKey
		}
	}
	return fate, opens
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
