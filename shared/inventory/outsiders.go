package inventory

import (
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// The names of roles that stand for many. No account has the number of the first.
const (
	strangerAccount = "000000000000"
	strangerRole    = "any-account" // of an account that has nothing to do with the organization: what opens to it opens to everybody
	anyRole         = "any-role"    // whichever role of an account outside the snapshot
)

// stranger is a role of an account that has nothing to do with the organization, in the partition of a secret.
func stranger(s *Secret) string {
	return arn.Of(s.Facts.ARN).Partition.Role(strangerAccount, strangerRole)
}

// Name is the principal for people: where it stands for many, it says so.
func (r Reader) Name() string {
	switch a := arn.Of(r.Principal); {
	case a.Account == strangerAccount && a.Resource == "role/"+strangerRole:
		return "anybody in any AWS account"
	case a.Resource == "role/"+anyRole:
		return "anybody in account " + r.Account
	}
	return r.Principal
}

// outsiders are the principals outside the snapshot whom the secret's own policy could let in. Their own policies are
// not known, so they are unknown at best; services have none.
func (a *Access) outsiders(s *Secret) []string {
	d := a.secretPolicy(s)
	if d == nil || d.Err() != nil {
		return nil
	}
	var out []string
	add := func(name string) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, statement := range d.Statements {
		if statement.Effect != policy.Allow {
			continue
		}
		if statement.Principal == nil || statement.Principal.All {
			add(stranger(s))
			continue
		}
		for _, name := range statement.Principal.AWS {
			add(a.outsider(s, name))
		}
		for _, service := range statement.Principal.Service {
			add(service)
		}
	}
	return out
}

// outsider is the principal that stands for a name in a policy; "" when the snapshot holds it already.
func (a *Access) outsider(s *Secret, name string) string {
	if name == "*" {
		return stranger(s)
	}
	p, err := policy.ParsePrincipal(name)
	if err != nil || a.whyUnread(PartPrincipals, p.Account) == "" {
		return ""
	}
	if p.Kind == policy.KindRoot {
		return arn.Of(s.Facts.ARN).Partition.Role(p.Account, anyRole)
	}
	return name
}

// blind lists what could not be read and could hide a reader of the secret.
func (a *Access) blind(s *Secret) []Unread {
	var out []Unread
	if why := a.whyUnread(PartPrincipals, s.Facts.Account); why != "" {
		out = append(out, Unread{Part: PartPrincipals, Account: s.Facts.Account, Why: why})
	}
	if s.PolicyUnread == "" && s.Policy == "" {
		return out // no other account gets in
	}
	for _, account := range a.snapshot.Accounts {
		if account.ID == s.Facts.Account {
			continue
		}
		if why := a.whyUnread(PartPrincipals, account.ID); why != "" {
			out = append(out, Unread{Part: PartPrincipals, Account: account.ID, Why: why})
		}
	}
	return out
}
