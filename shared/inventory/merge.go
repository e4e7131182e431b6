package inventory

import (
	"cmp"
	"maps"
	"slices"
)

// Merge puts parts of one organization together. What is in several parts is taken from the first; lists come sorted,
// so that the same facts make the same file. The Regions of an account, and those that are
// enabled, are those of all parts.
func Merge(parts ...Snapshot) Snapshot {
	all := Snapshot{Version: Version, Controls: map[string]Policy{}, Managed: map[string]string{}}
	for _, p := range parts {
		if all.Organization.ID == "" {
			all.Organization = p.Organization
		}
		if all.TakenAt.IsZero() || !p.TakenAt.IsZero() && p.TakenAt.Before(all.TakenAt) {
			all.TakenAt = p.TakenAt // the oldest part says how old it all may be
		}
		addNew(all.Controls, p.Controls)
		addNew(all.Managed, p.Managed)
		all.Accounts = append(all.Accounts, p.Accounts...)
		all.Groups = append(all.Groups, p.Groups...)
		all.Principals = append(all.Principals, p.Principals...)
		all.Secrets = append(all.Secrets, p.Secrets...)
		all.Keys = append(all.Keys, p.Keys...)
		all.Unread = append(all.Unread, p.Unread...)
	}
	regions, enabled := map[string][]string{}, map[string][]string{}
	for _, a := range all.Accounts {
		regions[a.ID], enabled[a.ID] = append(regions[a.ID], a.Regions...), append(enabled[a.ID], a.Enabled...)
	}
	all.Accounts = distinct(all.Accounts, func(a Account) string { return a.ID })
	for i := range all.Accounts {
		a := &all.Accounts[i]
		a.Regions, a.Enabled = once(regions[a.ID]), once(enabled[a.ID])
	}
	all.Groups = distinct(all.Groups, func(g Group) string { return g.Account + "/" + g.Name })
	all.Principals = distinct(all.Principals, func(p Principal) string { return p.ARN })
	all.Secrets = distinct(all.Secrets, func(s Secret) string { return s.Facts.ARN })
	all.Keys = distinct(all.Keys, func(k Key) string { return k.Facts.ARN })
	all.Unread = distinct(all.Unread, func(u Unread) string { return string(u.Part) + "|" + u.Account + "|" + u.Region })
	return all
}

func addNew[V any](to, from map[string]V) {
	for name := range maps.Keys(from) {
		if _, found := to[name]; !found {
			to[name] = from[name]
		}
	}
}

// distinct sorts by identity and keeps the first of each.
func distinct[T any](list []T, id func(T) string) []T {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return slices.CompactFunc(list, func(a, b T) bool { return id(a) == id(b) })
}
