package guard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Affected is a secret that the key touches, and why it stops or does not.
type Affected struct {
	Secret   string    `json:"secret"` // canonical ARN
	Name     string    `json:"name"`
	State    LockState `json:"state"`
	Fate     Fate      `json:"fate,omitzero"`
	Opens    Key       `json:"opens,omitzero"`    // of FateOlderCopy, FateOwnKey, FateReplica, FateOtherVersion and FateLosesKey: the one key that still opens whatever does
	Opened   []Opened  `json:"opened,omitzero"`   // of the same, in place of Opens where it is not one key: what opens with which
	Apart    []Key     `json:"apart,omitzero"`    // where what is under the key is not the current version, which does not open anyhow: the keys that it is under
	Stopping []string  `json:"stopping,omitzero"` // where the current version is not under the key, or nobody knows whether it opens: labels of what stops by this key, and in which Region or account
	Loses    []string  `json:"loses,omitzero"`    // of FateLosesKey: labels of the versions, and in which Region or account
	Regions  []string  `json:"regions,omitzero"`  // of FateReplica and FateUnreadReplica: where those replicas are, or in which account; where the primary opens: which stop
	Labels   []string  `json:"labels,omitzero"`   // of FateOtherVersion and FateReplica: of the versions that still open, and in which Region or account; where the primary opens: of others that stop
	Unread   []string  `json:"unread,omitzero"`   // where the primary opens: locations that stop, unless an older copy there opens, which nobody could see; of FateOtherVersion and FateReplica: locations of which nobody could see whether the current version opens there
	Next     []string  `json:"next,omitzero"`     // where the primary opens: locations whose current version opens, and whose next is to be under the key
	Outlives []Opened  `json:"outlives,omitzero"` // where the primary opens and something else stops, or may: what still opens of the locations that stop, and of what is under the key
	Unsure   []string  `json:"unsure,omitzero"`   // labels of versions of which nobody knows whether they still open, and in which Region or account
	Others   []Key     `json:"others,omitzero"`   // of FateEveryCopy: that open it no more; of FateUnreadKey and Unsure: of which nobody knows whether they open it
	Lost     time.Time `json:"lost,omitzero"`     // from when what stops is lost for good, because its last key is deleted; of several versions the first
	Gone     bool      `json:"gone,omitzero"`     // what stops is lost already: no key of it exists any more
	Dying    []string  `json:"dying,omitzero"`    // of Lost and Gone: labels of those versions, where others that stop can come back
	Ends     []End     `json:"ends,omitzero"`     // what opens without the key, and until when
	Supposed bool      `json:"supposed,omitzero"` // it is so if the key is as an event says
	Seen     time.Time `json:"seen,omitzero"`     // where nobody looked at it for this: when it was looked at last, or the copies of FateUnreadCopies were listed. Of FateShutOut, zero: never. Of others, zero: for this
	Why      string    `json:"why,omitzero"`      // of notices stored before fates were: the reason, in half a sentence
}

// Opened is what opens with the same keys.
type Opened struct {
	What []string `json:"what,omitzero"` // labels of versions, and in which Region or account; or one of Affected.Regions: the current version there; none: the current version
	Keys []Key    `json:"keys"`          // each alone opens it
}

// Identity says which element of a list it is: those with the same keys are one.
func (o Opened) Identity() string {
	var keys []string
	for _, k := range o.Keys {
		keys = append(keys, k.Identity())
	}
	return strings.Join(keys, "|")
}

// Fate is why a secret stops without a key, or does not.
type Fate string

const (
	FateNoValue        Fate = "no_value"        // it has no value, and none can be written
	FateEveryCopy      Fate = "every_copy"      // every copy of the current version is under the key, or another that is out of use
	FateOlderCopy      Fate = "older_copy"      // it names the key, and a copy opens with another, which need not be older
	FateOwnKey         Fate = "own_key"         // it names another key, which opens its current version
	FateOtherKey       Fate = "other_key"       // it names the key, and its current version is under another
	FateOtherVersion   Fate = "other_version"   // its current version stops, and another one opens with another key
	FateVersionStops   Fate = "version_stops"   // labelled versions stop, in some location, and the primary's current one is under another key
	FateReplica        Fate = "replica"         // its primary stops, and replicas open with keys of their own
	FateReplicaStops   Fate = "replica_stops"   // replicas stop, or those in Unread may, and its primary is under another key
	FateReplicaNext    Fate = "replica_next"    // nothing stops, and replicas name the key
	FateLosesKey       Fate = "loses_key"       // nothing stops, and versions beside the current one lose one of the keys that open them
	FateCurrentStops   Fate = "current_stops"   // its current version stops, and nobody knows of those that are Unsure
	FateUnreadVersions Fate = "unread_versions" // nobody could see its versions
	FateUnreadKey      Fate = "unread_key"      // its current version, or, where that opens, those that are Unsure, may open with another key: nobody knows what its state means
	FateUnreadReplica  Fate = "unread_replica"  // its primary stops, and nobody could see what opens its replicas
	FateUnreadCopies   Fate = "unread_copies"   // nobody could see every key of its copies, so it may be under the key
	FateShutOut        Fate = "shut_out"        // nobody may look at it, or at any secret of its account and Region, so it may be under the key
	FateStale          Fate = "stale"           // it was under the key when it was looked at last, and the last full sweep could not look
)

// Describe says in half a sentence why the secret stops, or does not, until when what opens does, and from when what stops is lost.
func (a Affected) Describe() string {
	words := a.why()
	if len(a.Apart) > 0 && a.Fate != FateEveryCopy {
		words = also(words, "its current version is not under this key, and does not open anyhow: "+eachOf(a.Apart, Key.doubtWords))
	}
	if len(a.Stopping) > 0 {
		words = also(words, strings.Join(a.Stopping, ", ")+" stops by this key")
	}
	for _, o := range a.Outlives {
		words = also(words, o.words())
	}
	if len(a.Unread) > 0 && a.Still() {
		words = also(words, "whether its current version opens in "+strings.Join(a.Unread, ", ")+" could not be read")
	}
	for _, end := range a.Ends {
		words = also(words, end.words())
	}
	if a.Supposed {
		words = "if the key is still so: " + words
	}
	if a.asRecorded() {
		words = "was not looked at for this; as of " + a.Seen.UTC().Format(time.RFC3339) + ": " + words
	}
	if len(a.Unsure) > 0 && a.Fate != FateUnreadKey {
		words = also(words, "whether "+a.unsure()+" still opens is not known: "+a.others("could not be read"))
	}
	dying := strings.Join(a.Dying, ", ")
	switch {
	case a.Gone:
		return also(words, cmp.Or(dying, "what stopped")+" is lost for good: no key of it exists any more")
	case !a.Lost.IsZero():
		return also(words, cmp.Or(dying, "what stops")+" is lost for good from "+Minute(a.Lost)+" on")
	default:
		return words
	}
}

func (a Affected) why() string {
	switch a.Fate {
	case FateNoValue:
		return "has no value yet; none can be written"
	case FateEveryCopy:
		if len(a.Apart) > 0 {
			return "the current version is not under this key, and does not open anyhow: " + eachOf(slices.Concat(a.Apart, a.Others), Key.doubtWords)
		}
		if len(a.Others) > 0 {
			return "every copy of the current version is under this key, or another that opens nothing: " + a.others("")
		}
		return "every copy of the current version is under this key"
	case FateOlderCopy:
		return a.stopping("another copy still opens with " + a.openers())
	case FateOwnKey:
		return a.stopping("of its current version one copy is under this key, and one opens with its own, " + a.openers())
	case FateOtherKey:
		return a.stopping("the current version opens with another key than this, which it names")
	case FateOtherVersion:
		return "its current version stops; " + a.stillOpens(a.Labels)
	case FateCurrentStops:
		return "its current version stops"
	case FateVersionStops:
		return a.stopping("") + "; its current version is under another key"
	case FateReplica:
		return "stops in " + arn.Of(a.Secret).Region + "; " + a.stillOpens(slices.Concat(a.Regions, a.Labels))
	case FateReplicaStops, FateReplicaNext:
		return a.stopping("") + "; its primary is under another key"
	case FateLosesKey:
		return strings.Join(a.Loses, ", ") + " loses one of its keys; " + a.stillOpens(a.Loses)
	case FateUnreadVersions:
		return "its versions could not be read"
	case FateUnreadKey:
		if len(a.Unsure) > 0 {
			return "whether " + a.unsure() + " still opens is not known: " + a.others("its keys could not be read")
		}
		return "another copy is under a key of which nobody knows whether it opens: " + a.others("its state could not be read")
	case FateUnreadReplica:
		return "stops in " + arn.Of(a.Secret).Region + "; what opens its replica in " + a.in() + " could not be read"
	case FateUnreadCopies:
		words := "not every key of its copies could be read, so it may be under this key"
		if !a.Seen.IsZero() {
			words += ": what is in a replica was listed last at " + a.Seen.UTC().Format(time.RFC3339)
		}
		return words
	case FateShutOut:
		switch {
		case (Entry{Secret: a.Secret}).Whole():
			return "nobody may look at any secret there, so each may be under this key"
		case a.Seen.IsZero():
			return "nobody may look at it, so it may be under this key"
		default:
			return "was looked at last at " + a.Seen.UTC().Format(time.RFC3339) + ", and nobody may since: it may be under this key"
		}
	case FateStale:
		return "was under this key at " + a.Seen.UTC().Format(time.RFC3339) + "; the last sweep could not look at it"
	default:
		return a.Why
	}
}

// stopping adds what stops to what does not.
func (a Affected) stopping(words string) string {
	if len(a.Labels) > 0 {
		words = also(words, a.labels()+" stops")
	}
	if len(a.Regions) > 0 {
		words = also(words, "it stops in "+a.in())
	}
	if len(a.Unread) > 0 {
		words = also(words, "it stops in "+strings.Join(a.Unread, ", ")+", unless another copy there still opens, which could not be read")
	}
	if len(a.Next) > 0 {
		words = also(words, "what is in "+strings.Join(a.Next, ", ")+" still opens, and the next version does not come there: it names this key there")
	}
	return words
}

// certainly reports that a secret is under the key, whatever becomes of it.
func (a Affected) certainly() bool {
	switch a.Fate {
	case FateUnreadCopies, FateUnreadVersions, FateShutOut, FateStale, "":
		return false
	default:
		return a.Seen.IsZero()
	}
}

// asRecorded reports that what becomes of the secret is said by a look of before.
func (a Affected) asRecorded() bool {
	return !a.Seen.IsZero() && a.Fate != FateStale && a.Fate != FateShutOut && a.Fate != FateUnreadCopies
}

// Still reports that something of a secret still opens whose current version stops.
func (a Affected) Still() bool { return a.Fate == FateReplica || a.Fate == FateOtherVersion }

// unsureOf reports that nobody knows of something whether it opens, of a secret of which something is known to stop.
func (a Affected) unsureOf() bool {
	return a.Fate == FateUnreadReplica || len(a.Unsure)+len(a.Unread) > 0
}

// openers are the keys that still open the current version.
func (a Affected) openers() string {
	if len(a.Opened) > 0 {
		return a.Opened[0].openers()
	}
	return a.Opens.named()
}

func (o Opened) openers() string {
	var names []string
	for _, k := range o.Keys {
		names = append(names, k.named())
	}
	return strings.Join(names, " or ")
}

// stillOpens says which keys open what; all is what opens, where it is one key.
func (a Affected) stillOpens(all []string) string {
	opened := a.Opened
	if len(opened) == 0 {
		opened = []Opened{{What: all, Keys: []Key{a.Opens}}}
	}
	var parts []string
	for _, o := range opened {
		o.What = slices.Clone(o.What)
		for i, name := range o.What {
			if a.Fate == FateReplica && slices.Contains(a.Regions, name) {
				o.What[i] = "what is in " + name
			}
		}
		parts = append(parts, o.words())
	}
	return strings.Join(parts, "; ")
}

func (o Opened) words() string {
	return strings.Join(o.What, ", ") + " still opens with " + o.openers()
}

func (a Affected) unsure() string { return strings.Join(a.Unsure, ", ") }

// others says of the other keys why they do not count; none is that nobody listed them.
func (a Affected) others(none string) string {
	if len(a.Others) == 0 {
		return none
	}
	return eachOf(a.Others, Key.doubtWords)
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
