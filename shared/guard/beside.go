package guard

import "slices"

// choice is which labelled copies a finding lists, by their location and keys, and with which of those keys.
type choice struct {
	copies func(*Location, *Copy) bool // nil: all
	keys   func(*Location, *Key) bool  // nil: all; a copy of whose keys none is chosen is left out
}

// chosen lists copies as a finding keeps them, in the primary and in the locations whose versions were listed there. Each group of copies is asked once, and groups one after the other that open with the same keys share the
// list of them.
func (c *Copies) chosen(of choice) []Version {
	var found []Version
	var keys []Key
	group, takes, in := -1, false, ""
	for i := range c.List {
		copied := &c.List[i]
		if !copied.Labelled() {
			continue
		}
		if copied.group != group {
			p := &c.Locations[copied.Location]
			group, in = copied.group, ""
			if keys, takes = of.from(p, copied, keys); takes && p.Kind != LocationPrimary {
				in = p.name()
			}
		}
		if !takes {
			continue
		}
		if found == nil {
			found = make([]Version, 0, len(c.List)-i)
		}
		found = append(found, Version{ID: copied.Version, Stages: copied.Stages, Keys: keys, In: in})
	}
	return found
}

// from are the keys of a copy that are chosen, as a finding keeps them: last, where they are the same. It reports whether the copy
// is chosen.
func (of choice) from(p *Location, copied *Copy, last []Key) ([]Key, bool) {
	if !p.inSight() || of.copies != nil && !of.copies(p, copied) {
		return last, false
	}
	n, same := 0, true
	for j := range copied.Keys {
		if k := &copied.Keys[j]; of.keys == nil || of.keys(p, k) {
			same = same && n < len(last) && last[n].briefly(k)
			n++
		}
	}
	switch {
	case n == 0 && of.keys != nil:
		return last, false
	case same && n == len(last):
		return last, true
	default:
		return of.briefs(p, copied, n), true
	}
}

// briefs are the n keys of a copy that are chosen.
func (of choice) briefs(p *Location, copied *Copy, n int) []Key {
	if n == 0 {
		return nil
	}
	keys := make([]Key, 0, n)
	for j := range copied.Keys {
		if k := &copied.Keys[j]; of.keys == nil || of.keys(p, k) {
			keys = append(keys, k.brief())
		}
	}
	return keys
}

// inPrimary are the primary's labelled versions of which something is true, by what decides.
func (c *Copies) inPrimary(is func(*Copy) bool) []Version {
	return c.chosen(choice{copies: func(p *Location, copied *Copy) bool { return p.Kind == LocationPrimary && is(copied) }})
}

// older are the copies that open with an older key beside their location's own: of the primary where here, and of other
// locations, with the older keys alone, where their own is a customer managed one.
func (c *Copies) older(here bool) []Version {
	return c.chosen(choice{
		copies: func(p *Location, copied *Copy) bool {
			if p.Kind == LocationPrimary {
				return here && !copied.alone(p.by())
			}
			return p.by().Manager == ManagerCustomer && p.Listing == Listed
		},
		keys: func(p *Location, k *Key) bool {
			return p.Kind == LocationPrimary || !k.is(p.by()) && k.State != KeyMissing && !k.unnamed()
		},
	})
}

// underOthers are the copies with those keys of theirs, beside their location's own, of which something is true.
func (c *Copies) underOthers(is func(*Key) bool) []Version {
	return c.chosen(choice{keys: func(p *Location, k *Key) bool { return !k.is(&p.Named) && is(k) }})
}

// unlistedBeside says in which locations, that are in sync under a customer managed key, nobody could see which keys open the
// versions: an older one may open with the key that the location had before. The zero Subject is that all of them were seen. A key
// that was seen and may not be described is an older one: DL.SECRET.2 names its version.
func (c *Copies) unlistedBeside() Subject {
	return c.blindIn(CauseNotListed, func(i int, p *Location) (blind, denied bool) {
		if p.by().Manager != ManagerCustomer || !p.InSync() {
			return false, false
		}
		state, older := c.in(i)
		return state == StateUnknown && !older, p.Listing != Listed
	})
}

// unseen are the locations beside the primary of which nobody could see the versions: those that the last look saw there may be
// there still. The zero Subject is that there is none.
func (c *Copies) unseen() Subject {
	return c.blindIn(CauseNotInSync, func(_ int, p *Location) (blind, denied bool) { return !p.inSight(), p.InSync() })
}

// blindIn are the locations beside the primary whose versions are not known, for a cause, or because we were denied them in one.
func (c *Copies) blindIn(cause BlindCause, is func(int, *Location) (blind, denied bool)) Subject {
	var found Subject
	for i := 1; i < len(c.Locations); i++ {
		blind, denied := is(i, &c.Locations[i])
		if !blind {
			continue
		}
		if denied {
			cause = CauseDenied
		}
		if at := i - 1; at < len(c.secret.Replicas) {
			found.Replicas = append(found.Replicas, c.secret.Replicas[at].brief())
		} else {
			found.Elsewhere = append(found.Elsewhere, c.secret.Elsewhere.Copies[at-len(c.secret.Replicas)].brief())
		}
	}
	if len(found.Replicas)+len(found.Elsewhere) > 0 {
		found.Blind = &BlindSpot{Part: PartReplicaVersions, Cause: cause}
	}
	return found
}

// versionsIn are the versions of a subject that other locations than the primary keep.
func (s Subject) versionsIn() []Version {
	var found []Version
	for _, v := range s.Versions {
		if v.In != "" {
			found = append(found, v)
		}
	}
	return found
}

// besides are where versions are, each place named one time.
func besides(versions []Version) []string {
	var names []string
	for _, v := range versions {
		if !slices.Contains(names, v.In) {
			names = append(names, v.In)
		}
	}
	return names
}
