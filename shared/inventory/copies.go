package inventory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// ReadersOfCopies is Readers for whichever copy each principal opens most easily: the current version of the secret or of a
// replica, or one that has another label, or none. Copy says which. Replicas and copies in other accounts are those that the
// snapshot holds.
func (a *Access) ReadersOfCopies(secretARN string) (readers []Reader, unread []Unread, err error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, nil, err
	}
	best := map[string]Reader{}
	for _, at := range a.copiesOf(s) {
		l := a.locks(at)
		for _, name := range a.candidates(at) {
			r, err := a.explain(name, l.any)
			if err != nil {
				return nil, nil, err
			}
			if at != s {
				r.Copy = strings.TrimSuffix(whereItIs(s, at)+", "+r.Copy, ", ")
			}
			if known, seen := best[name]; !seen || rank(r) < rank(known) {
				best[name] = r
			}
		}
		for _, u := range a.blind(at) {
			if !slices.Contains(unread, u) {
				unread = append(unread, u)
			}
		}
	}
	for _, r := range best {
		if !deniedBoth(r) {
			readers = append(readers, r)
		}
	}
	slices.SortFunc(readers, func(x, y Reader) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Principal, y.Principal))
	})
	return readers, unread, nil
}

// copiesOf are a secret and, of a primary, its replicas and its copies in other accounts, as far as the snapshot holds them.
func (a *Access) copiesOf(s *Secret) []*Secret {
	out := []*Secret{s}
	for i := range a.snapshot.Secrets {
		other := &a.snapshot.Secrets[i]
		replica := other.Facts.IsReplica() && arn.Of(other.Facts.ARN).In(other.Facts.PrimaryRegion).String() == s.Facts.ARN
		if other != s && (replica || other.Facts.CopyOf == s.Facts.ARN) {
			out = append(out, other)
		}
	}
	return out
}

// whereItIs says where a copy of a secret is.
func whereItIs(s, at *Secret) string {
	if at.Facts.Account != s.Facts.Account {
		return "the copy in account " + at.Facts.Account + ", " + at.Facts.Region
	}
	return "the replica in " + at.Facts.Region
}

// String is which version it is, for people; "" for the current one.
func (v *way) String() string {
	switch {
	case v.current:
		return ""
	case len(v.stages) > 0:
		return "the version with label " + strings.Join(v.stages, ", ")
	}
	return "version " + v.version + ", which has no label"
}
