package guard

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Affected is a secret that the key touches, and why it stops or does not.
type Affected struct {
	Secret  string    `json:"secret"` // canonical ARN
	Name    string    `json:"name"`
	State   LockState `json:"state"`
	Fate    Fate      `json:"fate,omitzero"`
	Opens   Key       `json:"opens,omitzero"`   // of FateOlderCopy, FateOwnKey, FateReplica and FateOtherVersion: what still opens it
	Regions []string  `json:"regions,omitzero"` // of FateReplica, FateUnreadReplica and FateReplicaStops: where those replicas are, or in which account
	Labels  []string  `json:"labels,omitzero"`  // of FateOtherVersion and FateVersionStops: of the versions that still open, or stop, and in which Region or account
	Lost    time.Time `json:"lost,omitzero"`    // from when what stops in the primary is lost for good, because its last key is deleted; of several versions the first
	Gone    bool      `json:"gone,omitzero"`    // what stops is lost already: no key of it exists any more
	Seen    time.Time `json:"seen,omitzero"`    // of FateStale: when it was looked at last
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
	FateOtherVersion   Fate = "other_version"   // its current version stops, and another one opens with another key
	FateVersionStops   Fate = "version_stops"   // a labelled version stops, and the current one is under another key
	FateReplica        Fate = "replica"         // its primary stops, and replicas open with keys of their own
	FateReplicaStops   Fate = "replica_stops"   // replicas stop, and its primary is under another key
	FateUnreadVersions Fate = "unread_versions" // nobody could see its versions
	FateUnreadKey      Fate = "unread_key"      // nobody could see the state of an older copy's key
	FateUnreadReplica  Fate = "unread_replica"  // its primary stops, and nobody could see what opens its replicas
	FateUnreadCopies   Fate = "unread_copies"   // nobody could see every key of its copies, so it may be under the key
	FateStale          Fate = "stale"           // it was under the key when it was looked at last, and the last full sweep could not look
)

// Describe says in half a sentence why the secret stops, or does not, and from when what stops is lost.
func (a Affected) Describe() string {
	switch {
	case a.Gone:
		return also(a.why(), "what stopped is lost for good: no key of it exists any more")
	case !a.Lost.IsZero():
		return also(a.why(), "what stops is lost for good from "+minute(a.Lost)+" on")
	default:
		return a.why()
	}
}

func (a Affected) why() string {
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
	case FateOtherVersion:
		return "its current version stops; " + a.labels() + " still opens with " + a.Opens.named()
	case FateVersionStops:
		return a.labels() + " stops; its current version is under another key"
	case FateReplica:
		return "stops in " + arn.Of(a.Secret).Region + ", and still opens in " + a.in() + " with " + a.Opens.named()
	case FateReplicaStops:
		return "stops in " + a.in() + ", unless an older copy there still opens: its primary is under another key"
	case FateUnreadVersions:
		return "its versions could not be read"
	case FateUnreadKey:
		return "an older copy is under a key whose state could not be read"
	case FateUnreadReplica:
		return "stops in " + arn.Of(a.Secret).Region + "; what opens its replica in " + a.in() + " could not be read"
	case FateUnreadCopies:
		return "not every key of its copies could be read, so it may be under this key"
	case FateStale:
		return "was under this key at " + a.Seen.UTC().Format(time.RFC3339) + "; the last sweep could not look at it"
	default:
		return a.Why
	}
}

func (a Affected) in() string { return strings.Join(a.Regions, ", ") }

func (a Affected) labels() string { return strings.Join(a.Labels, ", ") }

// named is a key as people tell it apart.
func (k Key) named() string {
	if k.Manager == ManagerAWS {
		return "the AWS managed key"
	}
	return k.ARN
}
