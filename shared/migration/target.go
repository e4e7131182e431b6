package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// target is the key a secret moves to, and why.
type target struct {
	key     inventory.Key
	why     string
	problem string // why there is none; the key may still be named
}

// targetFor chooses the key for a secret in a Region: the one that the configuration names for its account, Region and
// tags. For a secret that is shared with other accounts the key must open to them too; where the named one does not,
// another approved key of the Region that does is taken.
func (f *Facts) targetFor(s inventory.Secret, region string) target {
	id := f.KeyFor(s.Facts.Account, region, s.Facts.Tags)
	t := target{why: "named for account, Region and tags: " + id}
	found, ok := f.resolve(id, s.Facts.Account, region)
	if !ok {
		t.problem = NoKey(id, s.Facts.Account, region)
		return t
	}
	t.key = *found
	if t.problem = f.unfit(t.key.Facts, s.Facts, region); t.problem != "" {
		return t
	}
	closed := f.closedTo(s, t.key)
	if len(closed) == 0 {
		return t
	}
	for i := range f.Access.Snapshot().Keys {
		k := f.Access.Snapshot().Keys[i]
		if f.unfit(k.Facts, s.Facts, region) == "" && len(f.closedTo(s, k)) == 0 {
			return target{key: k, why: fmt.Sprintf("shared with other accounts, to which %s is closed", id)}
		}
	}
	t.problem = fmt.Sprintf("the secret is shared with %s, and neither %s nor another approved key of %s opens to them: add a statement for them to the key policy",
		strings.Join(closed, ", "), id, region)
	return t
}

// resolve finds a key by ARN, id, alias or alias ARN.
func (f *Facts) resolve(id, account, region string) (*inventory.Key, bool) {
	keys := f.Access.Snapshot().Keys
	alias := id
	if of := arn.Of(id); strings.HasPrefix(of.Resource, "alias/") {
		alias, region, account = of.Resource, of.Region, of.Account
	}
	for i := range keys {
		k := &keys[i]
		here := k.Facts.Account == account && k.Facts.Region == region
		if k.Facts.ARN == id || (here && (k.Facts.ID == id || slices.Contains(k.Facts.Aliases, alias))) {
			return k, true
		}
	}
	return nil, false
}

func (f *Facts) unfit(k guard.Key, s guard.Secret, region string) string {
	return Unfit(k.ARN, k, s, region, f.Approved)
}

// NoKey says that there is no key of a name to move to.
func NoKey(name, account, region string) string {
	return fmt.Sprintf("there is no key %s in %s %s: create it with the member stack, or name another under keys.use", name, account, region)
}

// Unfit says why no secret, or copy of one in a Region, should be put under a key that people call by name; "" is fit.
func Unfit(name string, k guard.Key, s guard.Secret, region string, approved guard.Approved) string {
	if why := Unusable(name, k, region); why != "" {
		return why
	}
	if approved.Allows(k, s.Account) != guard.Pass {
		switch by, doubt := approved.SelfApproved(k); {
		case doubt != nil && doubt.Awaited():
			return fmt.Sprintf("the key %s is %s: give the event of that call an hour, or have an approver write it again, or name its ARN under keys.approved", name, doubt.Words())
		case doubt != nil:
			return fmt.Sprintf("the key %s is %s: an approver has to write it again, or name its ARN under keys.approved", name, doubt.Words())
		case by != "":
			return fmt.Sprintf("the key %s is %s: name its account or ARN under keys.approved, or attach the SCP doublelock-approval there", name, by.Words())
		}
		return fmt.Sprintf("the key %s is not among the approved ones", name)
	}
	return ""
}

// Unusable says why Secrets Manager would not, or should not, take a key for a secret in a Region; "" is usable.
func Unusable(name string, k guard.Key, region string) string {
	switch {
	case k.Manager != guard.ManagerCustomer:
		return fmt.Sprintf("the key %s is not a customer managed key", name)
	case !k.Symmetric():
		return fmt.Sprintf("the key %s is a key of spec %s for %s, and Secrets Manager takes symmetric encryption keys only: make one of spec SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT", name, k.Spec, k.Usage)
	case !k.State.Usable():
		return fmt.Sprintf("the key %s is in state %s", name, k.State)
	case k.Region != region:
		return fmt.Sprintf("the key %s is in %s, and the key of a secret must be in its own Region", name, k.Region)
	}
	return ""
}

// closedTo lists the principals of other accounts whom the secret's policy lets in, and the key does not.
func (f *Facts) closedTo(s inventory.Secret, k inventory.Key) []string {
	if s.Policy == "" {
		return nil
	}
	readers, _, err := f.Access.Readers(s.Facts.ARN)
	if err != nil {
		return nil // Assess reports it
	}
	outside := map[string]policy.Answer{}
	for _, r := range readers {
		if r.Account != "" && r.Account != s.Facts.Account && r.SecretLock.Answer == policy.Allowed {
			outside[r.Principal] = r.SecretLock.Answer
		}
	}
	for _, seen := range f.Seen {
		if of := accountOf(seen.Principal); of != "" && of != s.Facts.Account && seen.of(s.Facts.ARN, s.Facts.Name, s.Facts.Account, s.Facts.Region) {
			outside[seen.Principal] = policy.Allowed
		}
	}
	var closed []string
	for principal := range outside {
		d, err := f.Access.DecryptsWith(principal, s.Facts.ARN, k)
		if err == nil && denied(d.Answer) {
			closed = append(closed, principal)
		}
	}
	slices.Sort(closed)
	return closed
}
