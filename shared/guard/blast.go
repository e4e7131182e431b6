package guard

import (
	"slices"
	"strings"
)

// BlastRadius is everything that stops, and everything that does not, when a key cannot be used.
type BlastRadius struct {
	Key     string     `json:"key"`     // key ARN
	State   KeyState   `json:"state"`   // of the key, now
	Stops   []Affected `json:"stops"`   // no labelled copy opens with another usable key, in any Region
	Remains []Affected `json:"remains"` // a copy still opens with another key: an older one, another version, or a replica
	Unknown []Affected `json:"unknown"` // nobody could see which of the two

	Elsewhere Listing `json:"elsewhere,omitzero"` // whether copies in other accounts were looked for; "": nobody could list them

	Index *Indexed `json:"index,omitempty"` // how far what it is made of reaches; nil: every secret was looked at

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

// Blast says which of the secrets stop when the key is out of use. Secrets that do not use the key are left out.
func Blast(key Key, secrets []Secret) BlastRadius {
	radius := BlastRadius{Key: key.ARN, State: key.State, Stops: []Affected{}, Remains: []Affected{}, Unknown: []Affected{}, Elsewhere: Listed}
	for _, s := range secrets {
		copies := CopiesOf(s)
		if copies.Elsewhere != Listed {
			radius.Elsewhere = NotListed
		}
		affected := copies.without(key)
		affected.Secret, affected.Name, affected.State = s.ARN, s.Name, copies.State("")
		switch affected.Fate {
		case FateNoValue, FateEveryCopy:
			radius.Stops = append(radius.Stops, affected)
		case FateOlderCopy, FateOwnKey, FateOtherKey, FateOtherVersion, FateVersionStops, FateReplica, FateReplicaStops:
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

// without says what becomes of a secret without the key: of its current version in the primary, then of that in other locations,
// which have keys of their own, and of every other labelled version in any. The fate is "" where the key touches none of them.
func (c Copies) without(key Key) Affected {
	a := c.currentWithout(key)
	beside := c.besideWithout(key)
	switch a.Fate {
	case FateOlderCopy, FateOwnKey, FateOtherKey:
		beside.Fate, beside.Opens = a.Fate, a.Opens
		return beside
	case FateEveryCopy:
		c.othersOpen(key, &a)
		return a
	case "":
	default:
		return a
	}
	current, written := c.Current()
	switch {
	case len(beside.Labels)+len(beside.Regions)+len(beside.Unsure) == 0:
		return a
	case written && current.Without(key) == OpensNo: // it is closed by another key already
		a = c.lost(key, current)
		a.Fate, a.Others = FateEveryCopy, current.besides(&key)
		c.othersOpen(key, &a)
		return a
	case len(beside.Labels) > 0:
		beside.Fate = FateVersionStops
	case len(beside.Regions) > 0:
		beside.Fate = FateReplicaStops
	default:
		beside.Fate = FateUnreadKey
	}
	return beside
}

// besideWithout says what the key closes beside the primary's current version: which labelled versions stop, which locations do,
// and of which versions nobody knows.
func (c Copies) besideWithout(key Key) Affected {
	var a Affected
	if key.ARN == "" {
		return a
	}
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		inSight := p.Kind == LocationPrimary || p.Listing == Listed // of a location that listed nothing besideLocations says what there is to say
		if !inSight || !copied.Labelled() || !copied.Needs(key) || p.Kind == LocationPrimary && copied.Has(stageCurrent) {
			continue
		}
		switch copied.Without(key) {
		case OpensYes:
		case OpensNo:
			lost := c.lost(key, *copied)
			a.Lost, a.Gone = Older(a.Lost, lost.Lost), a.Gone || lost.Gone
			a.Labels = append(a.Labels, p.labels(copied, true)...)
		default:
			a.doubt(p, copied, &key)
		}
	}
	for i := 1; i < len(c.Locations); i++ {
		if c.stopsIn(i, &key) {
			a.Regions = append(a.Regions, c.Locations[i].name())
		}
	}
	return a
}

// stopsIn reports whether the current version of a location beside the primary stops without a key, or the next one there will.
func (c Copies) stopsIn(location int, key *Key) bool {
	p := &c.Locations[location]
	current, found := c.currentIn(location)
	if found && p.Listing == Listed && current.Needs(*key) {
		opens := current.Without(*key)
		return opens == OpensNo || opens == OpensYes && p.Named.is(key)
	}
	return p.Named.is(key)
}

// doubt adds a version of which nobody knows whether it opens, and the keys for which.
func (a *Affected) doubt(p *Location, copied *Copy, off *Key) {
	a.Unsure = append(a.Unsure, p.labels(copied, false)...)
	for _, k := range copied.besides(off) {
		if k.State.Opens() == OpensUnknown && !slices.ContainsFunc(a.Others, k.Same) {
			a.Others = append(a.Others, k)
		}
	}
}

// labels are those of a version in a location, as people find them; without the one that stands for the location itself, if that
// is said apart.
func (p *Location) labels(copied *Copy, apart bool) []string {
	var names []string
	for _, label := range copied.Stages {
		if !apart || p.Kind == LocationPrimary || label != stageCurrent {
			names = append(names, p.of(label))
		}
	}
	return names
}

// besides are the other keys of a copy, of those that do not certainly open it.
func (c *Copy) besides(off *Key) []Key {
	var keys []Key
	for i := range c.Keys {
		if k := &c.Keys[i]; !k.is(off) && !k.opens() {
			keys = append(keys, k.brief())
		}
	}
	return keys
}

// currentWithout follows the current version, which is the one readers get when they do not ask for another.
func (c Copies) currentWithout(key Key) Affected {
	named := func(f Fate) Affected {
		if c.Locations[0].Named.Same(key) {
			return Affected{Fate: f}
		}
		return Affected{}
	}
	if c.Unlisted {
		return named(FateUnreadVersions)
	}
	current, found := c.Current()
	switch {
	case !found:
		return named(FateNoValue)
	case current.More:
		return named(FateUnreadVersions)
	case !current.Needs(key) && current.Without(key) == OpensYes:
		return named(FateOtherKey)
	case !current.Needs(key) && !c.Locations[0].Named.Same(key):
		return Affected{}
	}
	life := current.lifeWithout(&key)
	switch life.Opens {
	case OpensNo:
		a := c.lost(key, current)
		a.Fate, a.Others = FateEveryCopy, current.besides(&key)
		return a
	case OpensUnknown:
		return Affected{Fate: FateUnreadKey, Others: slices.DeleteFunc(current.besides(&key), Key.Unusable)}
	}
	own := &c.Locations[0].Named
	opens := current.opening(&key, own)
	if opens.is(own) {
		return Affected{Fate: FateOwnKey, Opens: opens.brief()}
	}
	return Affected{Fate: FateOlderCopy, Opens: opens.brief()}
}

// lost says from when a copy cannot come back, with the key in the state in which it was just read.
func (c Copies) lost(key Key, stopped Copy) Affected {
	keys := slices.Clone(stopped.Keys)
	for i, k := range keys {
		if k.Same(key) {
			keys[i] = key
		}
	}
	stopped.Keys = keys
	life := stopped.lifeWithout(&key)
	return Affected{Lost: life.Lost, Gone: life.Gone}
}

// opening is the key that still opens a copy, the preferred one if it does.
func (c *Copy) opening(off, preferred *Key) *Key {
	found := &Key{}
	for i := range c.Keys {
		k := &c.Keys[i]
		if k.is(off) || !k.opens() {
			continue
		}
		if k.is(preferred) {
			return k
		}
		found = k
	}
	return found
}

// othersOpen looks for what keeps a stopped secret open: the current version in another location, or another labelled version
// in any. Where the versions of a location could not be listed, one key of it is known: if that opens nothing, an older copy there still may.
func (c Copies) othersOpen(key Key, a *Affected) {
	var unread []string
	for i := 1; i < len(c.Locations); i++ {
		p := &c.Locations[i]
		current, found := c.currentIn(i)
		opens := current.Without(key)
		if !found || !p.InSync() { // what is there may be another value, or none
			opens = OpensUnknown
		}
		switch opens {
		case OpensNo:
		case OpensYes:
			if a.Fate != FateReplica {
				a.Others = nil
				a.Fate, a.Opens = FateReplica, current.opening(&key, &p.Named).brief()
			}
			a.Regions = append(a.Regions, p.name())
		default:
			unread = append(unread, p.name())
		}
	}
	if a.Fate == FateReplica {
		return
	}
	var unsure Affected
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if !copied.Labelled() || !p.InSync() {
			continue
		}
		switch copied.Without(key) {
		case OpensNo:
		case OpensYes:
			a.Fate, a.Others, a.Opens = FateOtherVersion, nil, copied.opening(&key, &p.Named).brief()
			a.Labels = append(a.Labels, p.labels(copied, false)...)
		default:
			unsure.doubt(p, copied, &key)
		}
	}
	if a.Fate == FateOtherVersion {
		return
	}
	switch {
	case len(unread) > 0:
		a.Fate, a.Regions, a.Others = FateUnreadReplica, unread, nil
	case len(unsure.Unsure) > 0:
		a.Fate, a.Unsure, a.Others = FateUnreadKey, unsure.Unsure, unsure.Others
	}
}

// name is a location as people find it beside its primary.
func (p Location) name() string {
	if p.Kind == LocationElsewhere {
		return "account " + p.Account
	}
	return p.Region
}

// of is a label of a version in a location; those of the primary are what readers name.
func (p Location) of(label string) string {
	if p.Kind == LocationPrimary {
		return label
	}
	return label + " in " + p.name()
}
