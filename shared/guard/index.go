package guard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Held is what a record keeps of a secret's copies: the keys that open each, as of the last look that could see them. It is
// what CopiesOf lists, without what keys are now: only KMS says that.
type Held struct {
	Key       string        `json:"key,omitempty"`   // ARN of the key that the secret names; DefaultKeyID for the AWS managed one; "" is not known
	Alias     string        `json:"alias,omitempty"` // ARN of the alias by which it names it; "" where it names none
	Versions  []HeldVersion `json:"versions,omitempty"`
	Elsewhere []HeldCopy    `json:"elsewhere,omitempty"` // replicas, then copies in other accounts
	Listing   Listing       `json:"listing,omitempty"`   // whether copies in other accounts are among them
	Unlisted  bool          `json:"unlisted,omitempty"`  // the versions could not be listed: those here are of before
}

// HeldVersion are the versions in a location with the same labels and keys: those without a label are one, however many.
type HeldVersion struct {
	Stages []string `json:"stages,omitempty"`
	Keys   []string `json:"keys,omitempty"` // as Held.Key; none: not known
}

// Identity says which element of a list it is: each label is on one version.
func (v HeldVersion) Identity() string {
	if len(v.Stages) == 0 {
		return "without|" + strings.Join(v.Keys, "|")
	}
	return strings.Join(v.Stages, "|")
}

// HeldCopy is a location that keeps copies beside the primary.
type HeldCopy struct {
	Kind    LocationKind `json:"kind"`
	Account string       `json:"account,omitempty"`
	Region  string       `json:"region"`
	Key     string       `json:"key,omitempty"`   // as Held.Key
	Alias   string       `json:"alias,omitempty"` // as Held.Alias
	Status  string       `json:"status,omitempty"`

	Listing  Listing       `json:"listing,omitempty"` // whether Versions are all that it lists itself; else they are those that it listed last
	Versions []HeldVersion `json:"versions,omitempty"`
	Seen     time.Time     `json:"seen,omitzero"` // when it listed them; zero where it did now
}

// Identity says which element of a list it is.
func (c HeldCopy) Identity() string { return c.Account + "|" + c.Region }

// at reports that both are of one location.
func (c HeldCopy) at(other HeldCopy) bool { return c.Identity() == other.Identity() }

// HeldOf is what is kept of a secret's copies. Versions that cannot be listed now are those of before, as they were seen: while a
// secret waits for its deletion nobody lists them, and none is written; what a location had it may have still.
func HeldOf(s Secret, before Held, seen time.Time) Held {
	copies := CopiesOf(s)
	h := Held{Key: heldKey(copies.Locations[0].Named), Alias: AliasNamed(s.KeyID, s.Account, s.Region), Listing: copies.Elsewhere}
	h.Versions = heldVersions(copies, 0)
	if copies.Unlisted {
		h.Versions, h.Unlisted = before.Versions, !s.PendingDeletion() || before.Unlisted || before.isZero()
	}
	for i, p := range copies.Locations[1:] {
		c := HeldCopy{Kind: p.Kind, Account: p.Account, Region: p.Region, Key: heldKey(p.Named), Alias: AliasNamed(s.namedBy(i), p.Account, p.Region), Status: p.Status}
		if p.Listing == Listed {
			c.Listing, c.Versions = p.Listing, heldVersions(copies, i+1)
		} else if at := slices.IndexFunc(before.Elsewhere, c.at); at >= 0 && len(before.Elsewhere[at].Versions) > 0 {
			was := before.Elsewhere[at]
			c.Versions, c.Seen = was.Versions, Older(was.Seen, seen)
		}
		h.Elsewhere = append(h.Elsewhere, c)
	}
	return h
}

// heldVersions are the versions that a location lists.
func heldVersions(copies Copies, location int) []HeldVersion {
	var held []HeldVersion
	for _, c := range copies.List {
		if c.Location == location {
			held = append(held, HeldVersion{Stages: slices.Sorted(slices.Values(c.Stages)), Keys: heldKeys(c)})
		}
	}
	slices.SortFunc(held, func(a, b HeldVersion) int { return strings.Compare(a.Identity(), b.Identity()) })
	return slices.CompactFunc(held, func(a, b HeldVersion) bool { return a.Identity() == b.Identity() })
}

// namedBy is by what the location at i, after the primary, names its key; "" where nobody says.
func (s Secret) namedBy(i int) string {
	if i < len(s.Replicas) {
		return s.Replicas[i].KeyID
	}
	return ""
}

// heldKey is a key as Held has it.
func heldKey(k Key) string {
	if k.Manager == ManagerAWS {
		return DefaultKeyID
	}
	return k.ARN
}

// heldKeys are those that open a copy; none where one of them has no name: then it may be any.
func heldKeys(c Copy) []string {
	var keys []string
	for _, k := range c.Keys {
		name := heldKey(k)
		if name == "" {
			return nil
		}
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// AliasNamed is the ARN of the alias that a key is named by in an account and Region; "" for what is no alias. The alias of an
// AWS managed key is none: nobody can move it. An alias leads to a key of its own account and Region alone.
func AliasNamed(id, account, region string) string {
	a := arn.Of(id)
	name := id
	if a.Resource != "" {
		name, account, region = a.Resource, a.Account, a.Region
	}
	if !strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "alias/aws/") {
		return ""
	}
	return arn.PartitionOf(region).New("kms", region, account, name).String()
}

// EntryRef is what the index finds secrets by: the ARN of a key or of an alias, or a Region whose secrets may be under any key.
// The zero EntryRef is nothing.
type EntryRef struct {
	Kind EntryKind `json:"kind"`
	ID   string    `json:"id"`
}

// EntryKind is the kind of an EntryRef.
type EntryKind string

const (
	ByKey    EntryKind = "key"    // ID is a key's ARN
	ByAlias  EntryKind = "alias"  // ID is an alias's ARN
	ByUnread EntryKind = "unread" // ID is a Region: a key of a copy there could not be listed
)

// KeyEntry is where the secrets with a copy under a key are. Case does not matter in a key's ARN, and does in an alias's.
func KeyEntry(keyARN string) EntryRef { return EntryRef{ByKey, strings.ToLower(keyARN)} }

// AliasEntry is where the secrets are that name an alias.
func AliasEntry(aliasARN string) EntryRef { return EntryRef{ByAlias, aliasARN} }

// UnreadEntry is where the secrets of a Region are of which not every key could be listed.
func UnreadEntry(region string) EntryRef { return EntryRef{ByUnread, region} }

// Entry is a secret in the index of keys and aliases: what its record says of its copies, and of the one key that leads to it.
// The record is the truth; an entry says since when it says the same.
type Entry struct {
	Secret     string    `json:"secret"` // canonical ARN
	Account    string    `json:"account"`
	Region     string    `json:"region"`
	Name       string    `json:"name"`
	At         time.Time `json:"at"` // of the look that the record rests on
	GoneAt     time.Time `json:"goneAt,omitzero"`
	Held       Held      `json:"held,omitzero"`
	Cut        bool      `json:"cut,omitempty"`        // Held is too long for an entry: it is in the record
	KeyState   KeyState  `json:"keyState,omitempty"`   // for which its open finding says that the key cannot be used; "" where none does
	Unapproved bool      `json:"unapproved,omitempty"` // its finding about approval is open
	Doubted    bool      `json:"doubted,omitempty"`    // nobody knew whose approval it was
	Shut       time.Time `json:"shut,omitzero"`        // since when nobody may look at it, so that Held is of before; zero: it can be looked at
}

// Whole reports that the entry stands for every secret of its account and Region, which nobody may enter.
func (e Entry) Whole() bool { return strings.HasSuffix(e.Secret, ":secret:*") }

// Entries are the entries of a record by what leads to them. There are none for the AWS managed key, which nobody can change,
// and none for a secret that is no more. One that nobody may look at may be under any key of the Regions that have copies of it.
func (r Record) Entries() map[EntryRef]Entry {
	all := map[EntryRef]Entry{}
	shut := r.shut()
	refs := r.Held.refs(r.Region)
	if !shut.IsZero() {
		refs = append(refs, UnreadEntry(r.Region))
		for _, c := range r.Held.Elsewhere {
			refs = append(refs, UnreadEntry(c.Region))
		}
	}
	for _, ref := range refs {
		e := Entry{Secret: r.Resource, Account: r.Account, Region: r.Region, Name: r.Name, At: r.SeenAt, GoneAt: r.GoneAt, Held: r.Held, Shut: shut}
		for _, f := range r.Open() {
			switch f.Control {
			case SecretKeyUnusable:
				if ref.Kind == ByKey {
					e.KeyState = f.Subject.stateOf(Key{ARN: ref.ID})
				}
			case SecretKeyUnapproved:
				e.Unapproved = true
			case OrgCoverage:
				e.Doubted = f.Subject.Doubted()
			}
		}
		all[ref] = e
	}
	return all
}

// shut is since when nobody may look at the secret, or at any of the location that the record stands for; zero: it can be looked at.
func (r Record) shut() time.Time {
	for _, f := range r.Findings {
		blind := f.Subject.Blind
		if f.Control == OrgCoverage && f.Status != FindingResolved && r.GoneAt.IsZero() && blind != nil && (blind.Part == PartSecret || blind.Part == PartLocation) {
			return f.OpenedAt
		}
	}
	return time.Time{}
}

// refs is what leads to a secret whose primary is in a Region.
func (h Held) refs(region string) []EntryRef {
	if h.isZero() {
		return nil
	}
	var refs []EntryRef
	add := func(key, alias, region string) {
		if alias != "" {
			refs = append(refs, AliasEntry(alias))
		}
		switch {
		case key != "" && key != DefaultKeyID:
			refs = append(refs, KeyEntry(key))
		case key == "" && alias == "":
			refs = append(refs, UnreadEntry(region))
		}
	}
	versions := func(list []HeldVersion, region string) {
		for _, v := range list {
			for _, key := range v.Keys {
				add(key, "", region)
			}
		}
	}
	add(h.Key, h.Alias, region)
	versions(h.Versions, region)
	for _, c := range h.Elsewhere {
		add(c.Key, c.Alias, c.Region)
		versions(c.Versions, c.Region)
		if c.unread() {
			refs = append(refs, UnreadEntry(c.Region))
		}
	}
	if h.unread() {
		refs = append(refs, UnreadEntry(region))
	}
	slices.SortFunc(refs, func(a, b EntryRef) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return slices.Compact(refs)
}

// Keys are the keys of the copies, DefaultKeyID for the AWS managed one, each a single time.
func (h Held) Keys() []string {
	keys := []string{h.Key}
	versions := func(list []HeldVersion) {
		for _, v := range list {
			keys = append(keys, v.Keys...)
		}
	}
	versions(h.Versions)
	for _, c := range h.Elsewhere {
		keys = append(keys, c.Key)
		versions(c.Versions)
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool { return key == "" })
}

// unread reports that a labelled version in the primary may be under any key there, or that a newer version knows of copies
// that this one does not.
func (h Held) unread() bool {
	newer := func(c HeldCopy) bool { return c.Kind != LocationReplica && c.Kind != LocationElsewhere }
	return h.Unlisted || slices.ContainsFunc(h.Elsewhere, newer) || slices.ContainsFunc(h.Versions, HeldVersion.unread)
}

// unread reports that labelled versions may be under any key of their location.
func (v HeldVersion) unread() bool { return len(v.Stages) > 0 && len(v.Keys) == 0 }

// unread reports that a version in the location may be under any key there.
func (c HeldCopy) unread() bool {
	return c.Listing != Listed || slices.ContainsFunc(c.Versions, HeldVersion.unread)
}

func (h Held) isZero() bool {
	return h.Key == "" && h.Alias == "" && len(h.Versions)+len(h.Elsewhere) == 0 && !h.Unlisted
}

// stateOf is the state for which a finding says that a key cannot be used; "" where it does not.
func (s Subject) stateOf(key Key) KeyState {
	if s.Key.Same(key) {
		return s.Key.State
	}
	for _, r := range s.Replicas {
		if r.Key.Same(key) {
			return r.Key.State
		}
	}
	for _, e := range s.Elsewhere {
		if e.Key.Same(key) {
			return e.Key.State
		}
	}
	for _, v := range s.Versions {
		if at := slices.IndexFunc(v.Keys, key.Same); at >= 0 && v.Keys[at].Unusable() {
			return v.Keys[at].State
		}
	}
	return ""
}

// recorded is the secret of an entry as its copies were recorded, with the keys as key says that they are now.
func (e Entry) recorded(key func(name string) Key) Secret {
	versions := func(list []HeldVersion) []Version {
		var all []Version
		for _, v := range list {
			version := Version{ID: v.Identity(), Stages: v.Stages}
			for _, name := range v.Keys {
				version.Keys = append(version.Keys, key(name))
			}
			all = append(all, version)
		}
		return all
	}
	s := Secret{ARN: e.Secret, Account: e.Account, Region: e.Region, Name: e.Name, Key: key(e.Held.Key),
		Versions: versions(e.Held.Versions), Elsewhere: Elsewhere{Listing: e.Held.Listing}}
	for _, c := range e.Held.Elsewhere {
		switch c.Kind {
		case LocationReplica:
			s.Replicas = append(s.Replicas, Replica{Region: c.Region, Key: key(c.Key), Status: c.Status, Listing: c.Listing, Versions: versions(c.Versions)})
		case LocationElsewhere:
			s.Elsewhere.Copies = append(s.Elsewhere.Copies, AccountCopy{Account: c.Account, Region: c.Region, Key: key(c.Key), Status: c.Status, Listing: c.Listing, Versions: versions(c.Versions)})
		}
	}
	return s
}
