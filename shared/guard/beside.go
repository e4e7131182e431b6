package guard

import "slices"

// beside are the labelled copies outside the primary, in locations that are in sync, that a choice finds keys of, with those
// keys. What is in a location that is not in sync is for the control of replicas.
func (c Copies) beside(keys func(Location, Copy) []Key) []Version {
	var found []Version
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		if copied.Location == 0 || !copied.Labelled() || !p.InSync() {
			continue
		}
		if chosen := keys(*p, *copied); len(chosen) > 0 {
			found = append(found, Version{ID: copied.Version, Stages: copied.Stages, Keys: chosen, In: p.name()}.brief())
		}
	}
	return found
}

// olderBeside are the copies in other locations that open with an older key beside their location's own, which is a customer
// managed one. The Keys are the older ones.
func (c Copies) olderBeside() []Version {
	return c.beside(func(p Location, copied Copy) []Key {
		if p.Named.Manager != ManagerCustomer || p.Listing != Listed {
			return nil
		}
		return copied.others(p.Named, func(k *Key) bool { return k.State != KeyMissing && !k.unnamed() })
	})
}

// besideUnderOthers are the copies in other locations with those keys of theirs, beside their location's own, of which
// something is true.
func (c Copies) besideUnderOthers(is func(Key) bool) []Version {
	return c.beside(func(p Location, copied Copy) []Key {
		return copied.others(p.Named, func(k *Key) bool { return is(*k) })
	})
}

// others are keys of a copy apart from one.
func (c Copy) others(apart Key, is func(*Key) bool) []Key {
	var found []Key
	for i := range c.Keys {
		if k := &c.Keys[i]; !k.is(&apart) && is(k) {
			found = append(found, *k)
		}
	}
	return found
}

// unlistedBeside says in which locations, that are in sync under a customer managed key, nobody could see which keys open the
// versions: an older one may open with the key that the location had before. The zero Subject is that all of them were seen.
func (c Copies) unlistedBeside() Subject {
	var found Subject
	cause := CauseNotListed
	for i := 1; i < len(c.Locations); i++ {
		p := &c.Locations[i]
		if p.Named.Manager != ManagerCustomer || !p.InSync() || c.in(i) != StateUnknown {
			continue
		}
		if p.Listing != Listed {
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
