package guard

import (
	"cmp"
	"slices"
	"strings"
)

// isNewsAfter reports whether an open finding asks for something of its owner that it did not ask for before, or, where
// it is critical, leaves only a part of it: a second key that is disabled, a replica in another Region, versions under
// another key. One that was stored before findings had a subject has nothing to compare with.
func (f Finding) isNewsAfter(before Finding) bool {
	if before.Detail != "" {
		return false
	}
	was, now := before.Subject.demands(f.Control), f.Subject.demands(f.Control)
	lacks := func(list []string) func(string) bool {
		return func(demand string) bool { return !slices.Contains(list, demand) }
	}
	return slices.ContainsFunc(now, lacks(was)) || f.Severity == SeverityCritical && slices.ContainsFunc(was, lacks(now))
}

// demands lists what the owner has to act on, apart from where a rotation puts it: the ids of versions, and the labels
// that every rotation moves, are not in it.
func (s Subject) demands(id ControlID) []string {
	var list []string
	switch id {
	case SecretNotSealed, SecretDefaultKey:
		for _, v := range s.Versions {
			list = append(list, v.demands(s.Key)...)
		}
	case SecretOutside:
		for _, e := range s.Elsewhere {
			list = append(list, e.ARN)
		}
	case SecretReplicaKey, SecretKeyUnapproved, SecretKeyUnusable:
		if !s.Key.zero() {
			list = append(list, s.Key.demand(id))
		}
		for _, r := range s.Replicas {
			list = append(list, r.Region+" "+r.Key.demand(id)+" "+r.Status)
		}
		for _, e := range s.Elsewhere {
			list = append(list, e.ARN+" "+e.Key.demand(id))
		}
		for _, v := range s.Versions {
			for _, k := range v.Keys {
				list = append(list, "older "+k.demand(id))
			}
		}
	}
	return list
}

func (v Version) demands(own Key) []string {
	var list []string
	for _, label := range v.Stages {
		if label != "AWSCURRENT" && label != "AWSPREVIOUS" && label != "AWSPENDING" {
			list = append(list, "label "+label)
		}
	}
	if v.In == "" && !v.opensWith(own) {
		list = append(list, "not under the key")
	}
	for _, k := range v.Keys {
		if v.In != "" {
			list = append(list, v.In+" "+k.demand(SecretNotSealed))
		} else if !k.Same(own) {
			list = append(list, k.demand(SecretNotSealed))
		}
	}
	return list
}

// demand is a key by its name, and by its state where that decides how it is brought back.
func (k Key) demand(id ControlID) string {
	name := strings.ToLower(cmp.Or(k.ARN, k.ID))
	switch {
	case k.Manager == ManagerAWS:
		return "the AWS managed key"
	case id == SecretKeyUnusable:
		return name + " " + string(k.State)
	default:
		return name
	}
}

// keepUnread keeps the copies that failed when they were last read and could not be read now, for the controls that ask
// each copy of a secret: what is not known closes nothing.
func (s Subject) keepUnread(id ControlID, was Subject, now Secret) Subject {
	if id != SecretNotSealed && id != SecretReplicaKey && id != SecretKeyUnusable && id != SecretKeyUnapproved {
		return s
	}
	copies := CopiesOf(now)
	for i := range copies.Locations {
		p := &copies.Locations[i]
		for _, v := range was.Versions {
			if !p.inSight() && v.In == p.name() {
				s.Versions = append(slices.Clip(s.Versions), v)
			}
		}
	}
	if id == SecretNotSealed {
		return s
	}
	if s.Key.zero() && was.Key.unreadNow(id, now.Key) {
		s.Key, s.Rotation = was.Key, was.Rotation
	}
	in := func(list []Replica, region string) int {
		return slices.IndexFunc(list, func(r Replica) bool { return r.Region == region })
	}
	var kept []Replica
	for _, r := range now.Replicas {
		if at := in(s.Replicas, r.Region); at >= 0 {
			kept = append(kept, s.Replicas[at])
		} else if at := in(was.Replicas, r.Region); at >= 0 && was.Replicas[at].Key.unreadNow(id, r.Key) {
			kept = append(kept, was.Replicas[at])
		}
	}
	s.Replicas = kept
	return s
}

// unreadNow reports whether now is, for all that is known, the same key, and does not say what the control asks.
func (k Key) unreadNow(id ControlID, now Key) bool {
	if k.ARN != "" && now.ARN != "" && !strings.EqualFold(k.ARN, now.ARN) {
		return false
	}
	switch id {
	case SecretKeyUnusable:
		return keyUsable(&now) == Unknown
	case SecretKeyUnapproved:
		return now.Manager == ManagerUnknown || now.Manager == ManagerCustomer && (now.Aliases == nil || now.Tags == nil)
	default:
		return now.Manager == ManagerUnknown
	}
}
