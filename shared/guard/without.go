package guard

import "slices"

// without says what becomes of a secret without the key, and until when what opens does.
func (c Copies) without(key Key) Affected {
	a := c.fateWithout(key)
	if a.Fate != "" {
		c.ends(key, &a)
	}
	return a
}

// fateWithout says what becomes of a secret without the key: of its current version in the primary, then of that in other locations,
// which have keys of their own, and of every other version in any. The fate is "" where the key touches none of them.
func (c Copies) fateWithout(key Key) Affected {
	a := c.currentWithout(key)
	beside := c.besideWithout(key)
	switch a.Fate {
	case FateOlderCopy, FateOwnKey, FateOtherKey:
		beside.Fate, beside.Opens, beside.Opened = a.Fate, a.Opens, a.Opened
		c.outlives(key, &beside)
		c.losses(key, &beside)
		return beside
	case FateEveryCopy:
		if current, _ := c.Current(); !current.Needs(key) {
			a.Apart, a.Others, a.Stopping = a.Others, nil, c.stopping(key)
		}
		c.othersOpen(key, &a)
		c.losses(key, &a)
		return a
	case "":
	default:
		if a.Stopping = c.stopping(key); len(a.Stopping) > 0 {
			c.losses(key, &a)
		}
		return a
	}
	current, written := c.Current()
	if !beside.stopsBeside() {
		if beside = c.losing(key); len(beside.Loses) == 0 {
			return a
		}
	}
	switch {
	case written && current.Without(key) == OpensNo: // it is closed by another key already
		a.Fate, a.Apart, a.Stopping = FateEveryCopy, current.besides(&key), c.stopping(key)
		c.othersOpen(key, &a)
		c.losses(key, &a)
		return a
	case len(beside.Labels) > 0:
		beside.Fate = FateVersionStops
	case len(beside.Regions) > 0:
		beside.Fate = FateReplicaStops
	case len(beside.Unsure) > 0:
		beside.Fate = FateUnreadKey
	case len(beside.Unread) > 0:
		beside.Fate = FateReplicaStops
	case len(beside.Next) > 0:
		beside.Fate = FateReplicaNext
	default:
		beside.Fate = FateLosesKey
	}
	c.outlives(key, &beside)
	c.losses(key, &beside)
	return beside
}

// outlives says what goes on opening beside the primary's current version, where something stops or may: of each location that
// stops whatever is there, and of the others what is under the key.
func (c Copies) outlives(key Key, a *Affected) {
	if !a.stopsBeside() {
		return
	}
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if !p.inSight() || p.Kind == LocationPrimary && copied.Has(stageCurrent) || !copied.Needs(key) && !a.stopsIn(p) || copied.Without(key) != OpensYes {
			continue
		}
		a.Outlives = openedBy(a.Outlives, p.label(nil, copied, false), copied.opening(&key, &p.Named))
	}
}

// stopsBeside reports that something stops, or may, of a secret whose current version opens in the primary.
func (a *Affected) stopsBeside() bool {
	return len(a.Labels)+len(a.Regions)+len(a.Unsure)+len(a.Unread)+len(a.Next) > 0
}

// stopsIn reports that the current version stops in a location beside the primary.
func (a *Affected) stopsIn(p *Location) bool {
	return p.Kind != LocationPrimary && !a.Still() && slices.Contains(a.Regions, p.name())
}

// losing names the versions under the key, and what opens them without it, where each of them opens.
func (c Copies) losing(key Key) Affected {
	var a Affected
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if !p.inSight() || !copied.Needs(key) {
			continue
		}
		a.Loses = p.label(a.Loses, copied, false)
		a.Opened = openedBy(a.Opened, p.label(nil, copied, false), copied.opening(&key, &p.Named))
	}
	a.oneOpener()
	return a
}

// openedBy adds what still opens with keys.
func openedBy(opened []Opened, what []string, keys []Key) []Opened {
	for i := range opened {
		o := &opened[i]
		if len(o.Keys) == len(keys) && !slices.ContainsFunc(keys, func(k Key) bool { return !slices.ContainsFunc(o.Keys, k.Same) }) {
			o.What = distinct(append(o.What, what...))
			return opened
		}
	}
	return append(opened, Opened{what, keys})
}

// oneOpener says it by Opens where one key opens all that opens.
func (a *Affected) oneOpener() {
	if len(a.Opened) == 1 && len(a.Opened[0].Keys) == 1 {
		a.Opens, a.Opened = a.Opened[0].Keys[0], nil
	}
}

// besideWithout says what the key closes beside the primary's current version: which other versions stop, which locations do,
// and of which nobody knows.
func (c Copies) besideWithout(key Key) Affected {
	var a Affected
	if key.ARN == "" {
		return a
	}
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if !p.inSight() || !copied.Needs(key) || p.Kind == LocationPrimary && copied.Has(stageCurrent) {
			continue
		}
		switch copied.Without(key) {
		case OpensYes:
		case OpensNo:
			a.Labels = p.label(a.Labels, copied, true)
		default:
			a.doubt(p, copied, &key)
		}
	}
	for i := 1; i < len(c.Locations); i++ {
		p := &c.Locations[i]
		current, found := c.currentIn(i)
		switch {
		case p.Listing == Listed && found && current.Needs(key) && current.Without(key) == OpensNo:
			a.Regions = append(a.Regions, p.name())
		case !p.Named.is(&key):
		case p.Listing != Listed:
			a.Unread = append(a.Unread, p.name())
		case c.has(i):
			a.Next = append(a.Next, p.name())
		}
	}
	return a
}

// stopping names the copies that the key closes, beside the primary's current one.
func (c Copies) stopping(key Key) []string {
	var names []string
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if p.inSight() && copied.Needs(key) && (p.Kind != LocationPrimary || !copied.Has(stageCurrent)) && copied.Without(key) == OpensNo {
			names = p.label(names, copied, false)
		}
	}
	return names
}

// has reports that a location has a copy.
func (c Copies) has(location int) bool {
	return slices.ContainsFunc(c.List, func(copied Copy) bool { return copied.Location == location })
}

// inSight reports that the versions of a location were listed there: of another nobody knows which keys open them.
func (p *Location) inSight() bool { return p.Kind == LocationPrimary || p.Listing == Listed }

// losses says from when what stops cannot come back, with the key in the state in which it was just read: all of it, or the
// versions in Dying.
func (c Copies) losses(key Key, a *Affected) {
	all, first := true, true
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		current := p.Kind == LocationPrimary && copied.Has(stageCurrent)
		if !p.inSight() || !current && !copied.Needs(key) || copied.Without(key) != OpensNo {
			continue
		}
		life := copied.with(key).lifeWithout(&key)
		if life.Lost.IsZero() && !life.Gone {
			all = false
			continue
		}
		a.Dying = p.label(a.Dying, copied, false)
		a.Gone = a.Gone || life.Gone
		if !life.Lost.IsZero() && (first || life.Lost.Before(a.Lost)) {
			a.Lost, first = life.Lost, false
		}
	}
	if all {
		a.Dying = nil
	}
}

// with is a copy with a key in the state in which it was read.
func (c Copy) with(key Key) *Copy {
	c.Keys = slices.Clone(c.Keys)
	for i, k := range c.Keys {
		if k.Same(key) {
			c.Keys[i] = key
		}
	}
	return &c
}

// doubt adds a version of which nobody knows whether it opens, and the keys for which.
func (a *Affected) doubt(p *Location, copied *Copy, off *Key) {
	a.Unsure = p.label(a.Unsure, copied, false)
	for _, k := range copied.besides(off) {
		if k.State.Opens() == OpensUnknown && !slices.ContainsFunc(a.Others, k.Same) {
			a.Others = append(a.Others, k)
		}
	}
}

// unlabelled is how a version is called that has no label: people read it by its id.
const unlabelled = "a version without a label"

// label adds the labels of a version in a location, as people find them; without the one that stands for the location itself, if
// that is said apart. One that has none is named a single time.
func (p *Location) label(names []string, copied *Copy, apart bool) []string {
	for _, label := range copied.Stages {
		if !apart || p.Kind == LocationPrimary || label != stageCurrent {
			names = append(names, p.of(label))
		}
	}
	if name := p.of(unlabelled); !copied.Labelled() && !slices.Contains(names, name) {
		names = append(names, name)
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
		return Affected{Fate: FateEveryCopy, Others: current.besides(&key)}
	case OpensUnknown:
		return Affected{Fate: FateUnreadKey, Others: slices.DeleteFunc(current.besides(&key), Key.Unusable)}
	}
	own := &c.Locations[0].Named
	a := Affected{Fate: FateOlderCopy}
	a.Opened = openedBy(nil, nil, current.opening(&key, own))
	if a.Opened[0].Keys[0].is(own) {
		a.Fate = FateOwnKey
	}
	a.oneOpener()
	return a
}

// opening are the keys that still open a copy, the preferred one first if it does.
func (c *Copy) opening(off, preferred *Key) []Key {
	var found []Key
	for i := range c.Keys {
		switch k := &c.Keys[i]; {
		case k.is(off) || !k.opens():
		case k.is(preferred):
			found = slices.Insert(found, 0, k.brief())
		default:
			found = append(found, k.brief())
		}
	}
	return found
}

// othersOpen looks for what of a secret can still be read whose current version stops: that in another location, or another
// version in any. Where the versions of a location could not be listed, one key of it is known: if that opens nothing, an older
// copy there still may. Where they were listed, and the location is not in sync, each is what its label says, and may be another value.
func (c Copies) othersOpen(key Key, a *Affected) {
	var unsure Affected
	opens := func(what []string, with []Key) { a.Opened = openedBy(a.Opened, what, with) }
	open := make([][]Key, len(c.Locations)) // what opens the current version there
	for i := 1; i < len(c.Locations); i++ {
		p := &c.Locations[i]
		current, found := c.currentIn(i)
		switch {
		case p.inSight() && !c.has(i): // it never came about
		case !found, !p.inSight() && (!p.InSync() || current.Without(key) == OpensUnknown):
			a.Unread = append(a.Unread, p.name())
		case p.InSync() && current.Without(key) == OpensYes:
			open[i] = current.opening(&key, &p.Named)
			a.Regions = append(a.Regions, p.name())
			opens([]string{p.name()}, open[i])
		}
	}
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if !p.InSync() && !p.inSight() {
			continue
		}
		switch copied.Without(key) {
		case OpensNo:
		case OpensYes:
			with := copied.opening(&key, &p.Named)
			if said := open[copied.Location]; said != nil && !slices.ContainsFunc(with, func(k Key) bool { return !slices.ContainsFunc(said, k.Same) }) {
				continue // it is said of all that is there
			}
			a.Labels = p.label(a.Labels, copied, false)
			opens(p.label(nil, copied, false), with)
		default:
			if p.inSight() {
				unsure.doubt(p, copied, &key)
			}
		}
	}
	a.oneOpener()
	others := a.Others
	a.Unsure, a.Others = unsure.Unsure, unsure.Others
	switch {
	case len(a.Regions) > 0:
		a.Fate = FateReplica
	case len(a.Labels) > 0:
		a.Fate = FateOtherVersion
	case len(a.Unread) > 0:
		a.Fate, a.Regions, a.Unread = FateUnreadReplica, a.Unread, nil
	case len(a.Unsure) > 0:
		a.Fate = FateCurrentStops
	default:
		a.Others = others
		c.closing(key, a)
	}
}

// closing adds the keys beside this one that the current version is under in other locations, where none opens it.
func (c Copies) closing(key Key, a *Affected) {
	for i := 1; i < len(c.Locations); i++ {
		current, _ := c.currentIn(i)
		for _, k := range current.besides(&key) {
			if !slices.ContainsFunc(a.Others, k.Same) {
				a.Others = append(a.Others, k)
			}
		}
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
