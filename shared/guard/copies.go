package guard

import (
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Copies are every copy of a secret's value that is known of, and what is not known. Whatever this package says of a secret
// follows from them: the key that a secret names decides what opens the versions to come, and of those that are there nothing.
type Copies struct {
	Locations []Location // where copies are kept: the primary first, then its replicas, then other accounts
	List      []Copy     // every version that the primary lists, labelled or not, and in each other location the labelled ones

	Unlisted  bool    // the versions could not be listed, so List is empty
	Elsewhere Listing // whether copies in other accounts are among the locations

	secret *Secret
}

// Location is an account and Region that keeps copies of a secret, under a key of its own.
type Location struct {
	Account string
	Region  string
	Kind    LocationKind
	Named   Key     // that the next version there will be under
	Status  string  // of the replication, as Secrets Manager says it; "" for the primary, and where it was not read
	Listing Listing // whether its own list of versions was read

	left *Key // where Named is an alias that is gone: a customer managed key that opens the current version; nil: none is known
}

// by is the key by which the copies of a location are measured: the one that it names, or that its current version is under
// where it names an alias that is gone.
func (p *Location) by() *Key {
	if p.left != nil {
		return p.left
	}
	return &p.Named
}

// LocationKind is what a location is to a secret.
type LocationKind string

const (
	LocationPrimary   LocationKind = "primary"
	LocationReplica   LocationKind = "replica"   // in another Region of the account
	LocationElsewhere LocationKind = "elsewhere" // in another account
)

// Listing says whether a list is whole. The zero Listing is one that nobody could ask for, which is not an empty one.
type Listing string

const (
	NotListed Listing = ""
	Listed    Listing = "listed"
)

// inSync is the status of a replication that has brought every version along.
// Source: API reference, ReplicationStatusType: InSync, Failed, InProgress.
const (
	inSync = "InSync"
	failed = "Failed"
)

// Failed reports that Secrets Manager could not bring the secret there.
func (r *Replica) Failed() bool { return r.Status == failed }

// Failed reports that Secrets Manager could not bring the secret there.
func (e *AccountCopy) Failed() bool { return e.Status == failed }

// arrived says of a copy of a secret in another account whether it holds what the primary does, by what its own account is shown.
func (s *Secret) arrived() Outcome {
	switch {
	case s.CopyStatus == failed:
		return Fail
	case s.CopyStatus == inSync, s.CopyStatus == "" && s.CopyOf == "":
		return Pass
	default:
		return Unknown
	}
}

// asCopy is a copy of a secret in another account as the primary would list it.
func (s *Secret) asCopy() AccountCopy {
	listed := AccountCopy{ARN: s.ARN, Account: s.Account, Region: s.Region, Key: s.Key, Status: s.CopyStatus, StatusMessage: s.CopyMessage}
	return listed.brief()
}

// FailedWords say in half a sentence what a replication that failed means, with the cause that Secrets Manager names.
func (r *Replica) FailedWords() string { return failedWords(r.Region, r.StatusMessage) }

// FailedWords say the same of a copy in another account.
func (e *AccountCopy) FailedWords() string { return failedWords("account "+e.Account, e.StatusMessage) }

func failedWords(where, message string) string {
	words := "replication to " + where + " failed, so what is read there is not known to be what the secret holds"
	if message == "" {
		return words
	}
	return words + "; Secrets Manager says: " + message
}

// maxMessage is how many characters a finding keeps of what Secrets Manager says of a failure, which is 4,096 at most.
const maxMessage = 400

// briefMessage is a message in one line.
func briefMessage(message string) string {
	text := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(message, "?")), " "))
	if len(text) > maxMessage {
		return string(text[:maxMessage]) + " …"
	}
	return string(text)
}

// InSync reports that a location has every version. It is true of the primary.
func (p Location) InSync() bool { return p.Kind == LocationPrimary || p.Status == inSync }

// Copy is one version in one location. Each of its keys alone opens it: a version that was re-keyed keeps its older copy.
// Source: user guide, "Change the encryption key": those versions can be decrypted with the old or the new key.
type Copy struct {
	Location int // in Copies.Locations
	Version  string
	Made     time.Time // when the version was; zero where that was not read
	Stages   []string  // labels; none: it is read by its version's id alone
	Keys     []Key     // that open it
	More     bool      // other keys may open it, too: those were not listed, or not read

	group int // those one after the other with the same number are in one location under the same keys
}

// Labelled reports whether Secrets Manager hands the copy out by stage.
func (c Copy) Labelled() bool { return len(c.Stages) > 0 }

// Has reports whether the copy has a label.
func (c Copy) Has(stage string) bool { return slices.Contains(c.Stages, stage) }

// CopiesOf lists the copies of a secret.
//
// Each location lists the keys of its versions itself. Where it could not be asked, the primary names one key for it: versions that
// were there when that key was set may open with an older one, so More is set on them. A version that lists no key is one of which
// nothing is known.
func CopiesOf(s Secret) Copies { return copiesOf(&s) }

func copiesOf(s *Secret) Copies {
	c := Copies{Unlisted: s.VersionsUnread, Elsewhere: s.Elsewhere.Listing, secret: s}
	c.Locations = make([]Location, 1, 1+len(s.Replicas)+len(s.Elsewhere.Copies))
	c.Locations[0] = Location{Account: s.Account, Region: s.Region, Kind: LocationPrimary, Named: s.Key}
	versions := s.Versions
	if c.Unlisted {
		versions = nil
	}
	c.List = make([]Copy, 0, len(versions)*cap(c.Locations))
	c.listed(versions)
	for i := range s.Replicas {
		r := &s.Replicas[i]
		c.Locations = append(c.Locations, Location{Account: s.Account, Region: r.Region, Kind: LocationReplica, Named: r.Key, Status: r.Status, Listing: r.Listing})
		c.copied(r.Versions, versions)
	}
	for i := range s.Elsewhere.Copies {
		e := &s.Elsewhere.Copies[i]
		c.Locations = append(c.Locations, Location{Account: e.Account, Region: e.Region, Kind: LocationElsewhere, Named: e.Key, Status: e.Status, Listing: e.Listing})
		c.copied(e.Versions, versions)
	}
	for i := range c.Locations {
		if p := &c.Locations[i]; p.Named.aliasGone() {
			p.left = c.leftIn(i)
		}
	}
	return c
}

// leftIn is a customer managed key that opens the current version in a location.
func (c *Copies) leftIn(location int) *Key {
	current, found := c.currentIn(location)
	if !found {
		return nil
	}
	at := slices.IndexFunc(current.Keys, func(k Key) bool { return k.Manager == ManagerCustomer && k.State != KeyMissing })
	if at < 0 {
		return nil
	}
	return &current.Keys[at]
}

// listed adds the versions that the last location lists.
func (c *Copies) listed(versions []Version) {
	at := len(c.Locations) - 1
	for i := range versions {
		v := &versions[i]
		c.List = append(c.List, Copy{Location: at, Version: v.ID, Made: v.CreatedAt, Stages: v.Stages, Keys: v.Keys, More: len(v.Keys) == 0})
		c.group()
	}
}

// group puts the last copy into the group of the one before it, where whatever is asked of the location and the keys of both has one
// answer.
func (c *Copies) group() {
	at := len(c.List) - 1
	copied := &c.List[at]
	copied.group = at
	if at > 0 && c.List[at-1].like(copied) {
		copied.group = c.List[at-1].group
	}
}

func (c *Copy) like(other *Copy) bool {
	if c.Location != other.Location || len(c.Keys) != len(other.Keys) {
		return false
	}
	for i := range c.Keys {
		if !c.Keys[i].judgedAs(&other.Keys[i]) {
			return false
		}
	}
	return true
}

// copied adds the versions of the last location: those that it lists, or else the primary's labelled ones. Whether it has others
// is not known then.
func (c *Copies) copied(there, versions []Version) {
	p := &c.Locations[len(c.Locations)-1]
	if p.Listing == Listed {
		c.listed(there)
		return
	}
	named := []Key{p.Named}
	if !p.InSync() { // whether it has the version at all nobody knows
		named = nil
	}
	for _, v := range versions {
		if !v.Labelled() {
			continue
		}
		c.List = append(c.List, Copy{Location: len(c.Locations) - 1, Version: v.ID, Made: v.CreatedAt, Stages: v.Stages, Keys: named, More: true})
		c.group()
	}
}

// Here are the copies of the primary alone: a change of its key moves no others.
func (c Copies) Here() Copies {
	c.Locations = c.Locations[:1:1]
	return c.where(func(copied *Copy) bool { return copied.Location == 0 })
}

// But are the copies without those of locations beside the primary that are kept by a secret of one of the ARNs.
func (c Copies) But(has func(arn string) bool) Copies {
	if len(c.Locations) == 1 {
		return c
	}
	at := make([]int, len(c.Locations)) // where each location goes; less than 0: nowhere
	var kept []Location
	for i := range c.Locations {
		if at[i] = -1; i == 0 || !has(c.ARN(i)) {
			at[i] = len(kept)
			kept = append(kept, c.Locations[i])
		}
	}
	but := c.where(func(copied *Copy) bool { return at[copied.Location] >= 0 })
	for i := range but.List {
		but.List[i].Location = at[but.List[i].Location]
	}
	but.Locations = kept
	return but
}

// Labelled are the copies that Secrets Manager hands out by stage.
func (c Copies) Labelled() Copies {
	return c.where(func(copied *Copy) bool { return copied.Labelled() })
}

func (c Copies) where(is func(*Copy) bool) Copies {
	list := make([]Copy, 0, len(c.List))
	for i := range c.List {
		if is(&c.List[i]) {
			list = append(list, c.List[i])
		}
	}
	c.List = list
	return c
}

// Keys are the keys that open a copy, and those that the next version in each location will be under, each a single time. Of a key
// that has no name nobody knows which it is: it is not among them.
func (c Copies) Keys() []Key {
	var keys []Key
	add := func(k *Key) {
		if k.ARN == "" && k.Manager != ManagerAWS {
			return
		}
		for i := range keys {
			if keys[i].is(k) {
				if keys[i].Manager == ManagerUnknown {
					keys[i] = *k
				}
				return
			}
		}
		keys = append(keys, *k)
	}
	for i := range c.Locations {
		add(&c.Locations[i].Named)
	}
	for i := range c.List {
		for j := range c.List[i].Keys {
			add(&c.List[i].Keys[j])
		}
	}
	return keys
}

// Under reports whether a key opens a copy, or the next version in a location will be under it.
func (c Copies) Under(key Key) bool {
	for i := range c.Locations {
		if c.Locations[i].Named.is(&key) {
			return true
		}
	}
	return slices.ContainsFunc(c.List, func(copied Copy) bool { return copied.Needs(key) })
}

// ARN is the secret's own in a location.
func (c Copies) ARN(location int) string {
	switch p := &c.Locations[location]; p.Kind {
	case LocationElsewhere:
		at := slices.IndexFunc(c.secret.Elsewhere.Copies, func(e AccountCopy) bool { return e.Account == p.Account && e.Region == p.Region })
		return c.secret.Elsewhere.Copies[at].ARN
	case LocationReplica:
		return arn.Of(c.secret.ARN).In(p.Region).String()
	default:
		return c.secret.ARN
	}
}

// Current is the primary's copy of the current version, which readers get who do not ask for another. There is none while
// nothing was written, and while the versions could not be listed.
func (c Copies) Current() (Copy, bool) { return c.currentIn(0) }

// currentIn is the copy that readers get in a location who do not ask for another.
func (c Copies) currentIn(location int) (Copy, bool) {
	for i := range c.List {
		if copied := &c.List[i]; copied.Location == location && copied.Has(stageCurrent) {
			return *copied, true
		}
	}
	return Copy{}, false
}

// Labels by which Secrets Manager hands versions out, and which UpdateSecret re-encrypts. Whatever else is a label is a
// customer's. Source: API reference, UpdateSecret, KmsKeyId.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

// ReEncrypted reports whether setting another key re-encrypts a version with these labels.
func ReEncrypted(stages []string) bool {
	return slices.ContainsFunc(stages, func(s string) bool { return s == stageCurrent || s == stagePrevious || s == stagePending })
}

// Opens says whether a copy can be read, whoever asks. The zero Opens is one that is not known.
type Opens string

const (
	OpensUnknown Opens = ""
	OpensYes     Opens = "yes"
	OpensNo      Opens = "no"
)

// Life is what becomes of a copy by itself, as far as it is known.
type Life struct {
	Opens Opens     // now
	Until time.Time // from when it cannot be read, because imported key material expires; zero: no such date
	Lost  time.Time // from when no key can come back, because the last one is deleted; zero: no such date
	Gone  bool      // no key of it exists any more
}

// Life is the life of a copy with every key in the state that was read.
func (c Copy) Life() Life { return c.lifeWithout(nil) }

// Without says whether a copy opens when a key is out of use, whatever state it is in.
func (c Copy) Without(key Key) Opens { return c.lifeWithout(&key).Opens }

// Needs reports whether a copy is under a key, beside others or alone.
func (c Copy) Needs(key Key) bool { return slices.ContainsFunc(c.Keys, key.Same) }

// lifeWithout is the life of a copy with a key out of use; nil is none.
func (c *Copy) lifeWithout(off *Key) Life {
	if off == nil && c.lasts() {
		return Life{Opens: OpensYes}
	}
	life := Life{Gone: !c.More}
	doubt, ends, dying := c.More, true, true // ends: every key that opens it ends; dying: every key is deleted, or will be
	for i := range c.Keys {
		k := &c.Keys[i]
		isOff := off != nil && k.is(off)
		life.Gone = life.Gone && k.State == KeyMissing
		switch {
		case k.opens() && !isOff:
			life.Opens, dying = OpensYes, false
			if ends = ends && !k.ValidTo.IsZero(); k.ValidTo.After(life.Until) {
				life.Until = k.ValidTo
			}
		case k.Unusable(), isOff:
			if k.DeletionDate.After(life.Lost) {
				life.Lost = k.DeletionDate
			}
			dying = dying && (k.State == KeyMissing || !k.DeletionDate.IsZero())
		default:
			doubt = true
		}
	}
	if !doubt && life.Opens != OpensYes {
		life.Opens = OpensNo
	}
	if doubt || !ends || life.Opens != OpensYes {
		life.Until = time.Time{}
	}
	if doubt || !dying {
		life.Lost = time.Time{}
	}
	return life
}

// Opening are the keys that open a copy now.
func (c Copy) Opening() []Key {
	return slices.DeleteFunc(slices.Clone(c.Keys), func(k Key) bool { return !k.opens() })
}

// lasts reports that a key opens a copy now, and does not end by itself: whatever the others do changes nothing.
func (c *Copy) lasts() bool {
	for i := range c.Keys {
		if k := &c.Keys[i]; k.opens() && k.ValidTo.IsZero() && k.State != KeyMissing {
			return true
		}
	}
	return false
}

// opens reports whether KMS decrypts with a key now.
func (k *Key) opens() bool { return k.Manager == ManagerAWS || k.CanDecrypt() }
