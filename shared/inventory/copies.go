package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// ReadersOfCopies is Readers for whichever copy each principal opens most easily: the current version of the secret or of a
// replica, or one that has another label, or none. Copy says which. The people of an
// account of it that was not read are one reader. Whom a copy lets in that the snapshot does not hold is unknown.
func (a *Access) ReadersOfCopies(secretARN string) (readers []Reader, unread []Unread, err error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, nil, err
	}
	best := map[string]Reader{}
	for _, at := range a.copiesOf(s) {
		l := a.locks(at)
		for _, name := range slices.Concat(a.candidates(at), a.unreadIn(at.Facts.Account)) {
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
	for _, copied := range a.unheldCopies(s) {
		const why = "the copy is not in the snapshot, nor whom its policy and its key let in"
		readers = append(readers, Reader{Principal: "anybody who opens the copy " + copied.String(), Outside: true, Secret: copied.String(), Answer: policy.Unknown,
			SecretLock: doubtful(why), KeyLock: doubtful(why)})
		unread = append(unread, Unread{Part: PartSecrets, Account: copied.Account, Region: copied.Region, Why: "the copy " + copied.String() + " is not in the snapshot"})
	}
	slices.SortFunc(readers, func(x, y Reader) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Principal, y.Principal))
	})
	return readers, unread, nil
}

// RootsOf are the root users of the secret's account and of the snapshot's who open the secret or one of its copies, or may: no IAM policy of
// their account restricts them; what locks the secret does, and so do the organization's policies. They are no rows of Readers, and those of other
// accounts are among the people of the account. Source: IAM User Guide, "AWS account root user".
func (a *Access) RootsOf(secretARN string) ([]Reader, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, err
	}
	best := map[string]Reader{}
	for _, at := range a.copiesOf(s) {
		l, of := a.locks(at), arn.Of(at.Facts.ARN).Partition
		for _, account := range once(append(a.insiders(), at.Facts.Account)) {
			r, err := a.explain(of.Root(account), l.any)
			if err != nil {
				return nil, err
			}
			if at != s {
				r.Copy = strings.TrimSuffix(whereItIs(s, at)+", "+r.Copy, ", ")
			}
			if known, seen := best[account]; rank(r) <= rank(Reader{Answer: policy.Unknown}) && (!seen || rank(r) < rank(known)) {
				best[account] = r
			}
		}
	}
	var out []Reader
	for _, account := range slices.Sorted(maps.Keys(best)) {
		out = append(out, best[account])
	}
	return out, nil
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

// unheldCopies are the replicas of a primary, and its copies in other accounts, that it names and the snapshot does not hold.
func (a *Access) unheldCopies(s *Secret) []arn.ARN {
	if s.Facts.IsReplica() {
		return nil
	}
	var out []arn.ARN
	add := func(copied arn.ARN) {
		if _, held := a.secrets[copied.String()]; !held {
			out = append(out, copied)
		}
	}
	for _, r := range s.Facts.Replicas {
		add(arn.Of(s.Facts.ARN).In(r.Region))
	}
	for _, c := range s.Facts.Elsewhere.Copies {
		add(arn.Of(c.ARN))
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

// asked is what a reader asks for to get the version, such as AWSPREVIOUS; "" is the current one.
func (v *way) asked() string {
	switch {
	case v.current:
		return ""
	case len(v.stages) > 0:
		return v.stages[0]
	}
	return v.version
}
