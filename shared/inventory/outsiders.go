package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// population is everybody outside the snapshot of whom some facts are known. Its name says which, and under which conditions a
// policy lets it in.
type population struct {
	name      string
	principal policy.Principal
}

// outsiders are whom the secret's own policy could let in from outside the snapshot: principals that it names, and populations.
// Their own policies are not known, so they are unknown at best; services have none.
//
// There are no unsigned requests among them: Secrets Manager takes none. A unique id that AWS shows in a policy is that of a
// principal that was deleted, which nobody is. Source: IAM User Guide, "AWS JSON policy elements: Principal".
func (a *Access) outsiders(s *Secret) []string {
	d := a.secretPolicy(s)
	if s.Facts.CopyOf != "" && s.Policy != "" && s.PolicyUnread == "" { // beside the one that is not read
		d = a.documents.read(s.Facts.ARN, s.Policy)
	}
	return a.outsidersOf(d, readSecret)
}

// outsidersOf are whom a resource's policy could let do something.
func (a *Access) outsidersOf(d *policy.Document, action string) []string {
	if d == nil || d.Err() != nil {
		return nil
	}
	var out []string
	add := func(names ...string) {
		for _, name := range names {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	for i := range d.Statements {
		statement := &d.Statements[i]
		if statement.Effect != policy.Allow || !statement.About(action) {
			continue
		}
		if letsEverybodyIn(statement) {
			add(a.remember(a.everybody(statement))...)
			continue
		}
		for _, name := range statement.Principal.AWS {
			p, err := policy.ParsePrincipal(name)
			switch {
			case err == nil && p.Kind == policy.KindFederatedUser:
				add(name) // whoever of the account may call GetFederationToken
			case err != nil || a.whyUnread(PartPrincipals, p.Account) == "":
			case p.Kind == policy.KindRoot:
				add(a.remember([]population{named("anybody in account "+p.Account, policy.Principal{Account: p.Account}, statement.Conditions)})...)
			default:
				add(name)
			}
		}
		add(statement.Principal.Service...)
	}
	return out
}

// takers are whom a trust policy could let take the role from outside the snapshot. Services are not among them: what they run with
// a role is of whoever passed it.
func (a *Access) takers(trust *policy.Document, action string) []string {
	var out []string
	if action == assumeRole {
		out = slices.DeleteFunc(a.outsidersOf(trust, action), func(name string) bool {
			p, err := policy.ParsePrincipal(name)
			return err == nil && p.Kind == policy.KindService
		})
	}
	if trust == nil || trust.Err() != nil {
		return out
	}
	for i := range trust.Statements {
		s := &trust.Statements[i]
		if s.Effect != policy.Allow || !s.About(action) || s.Principal == nil || action == assumeRole {
			continue
		}
		for _, provider := range s.Principal.Federated {
			if saml := strings.Contains(provider, ":saml-provider/"); saml == (action == assumeRoleWithSAML) {
				out = append(out, named("anybody whom "+provider+" signs in", policy.Principal{}, s.Conditions).name)
			}
		}
	}
	return out
}

// letsEverybodyIn reports whether a statement names all principals, or all but some.
func letsEverybodyIn(s *policy.Statement) bool {
	return s.Principal == nil || s.Principal.All || slices.Contains(s.Principal.AWS, "*")
}

// everybody are the populations that a statement for all principals may let in: those of the organizations, accounts or services
// that its conditions ask for, or the whole world.
func (a *Access) everybody(s *policy.Statement) []population {
	var organizations, accounts, services []string
	var rest []policy.Condition
	narrowed := false
	for _, c := range s.Conditions {
		into := &organizations
		values, key := c.Values, strings.ToLower(c.Key)
		switch {
		case !affirms(c):
			into = nil
		case key == "aws:principalorgid":
		case key == "aws:principalorgpaths":
			values = each(values, func(path string) string { id, _, _ := strings.Cut(path, "/"); return id })
		case key == "aws:principalaccount", key == "kms:calleraccount":
			into = &accounts
		case key == "aws:principalarn":
			into, values = &accounts, each(values, func(of string) string { return arn.Of(of).Account })
			rest = append(rest, c) // it asks for more than the account
		case key == "aws:principalservicename":
			into = &services
		default:
			into = nil
		}
		if into == nil || slices.ContainsFunc(values, func(v string) bool { return v == "" || strings.ContainsAny(v, "*?$") }) {
			if !slices.ContainsFunc(rest, func(r policy.Condition) bool { return r.Key == c.Key && r.Operator == c.Operator }) {
				rest = append(rest, c)
			}
			continue
		}
		narrowed = true
		*into = append(*into, values...)
	}
	var out []population
	switch {
	case len(organizations) > 0:
		for _, id := range organizations {
			if id != a.snapshot.Organization.ID || a.unread[Unread{Part: PartOrganization}] != "" {
				out = append(out, named("anybody in organization "+id, policy.Principal{OrganizationID: id, NotAccounts: a.insiders()}, rest))
			}
		}
	case len(accounts) > 0:
		for _, id := range accounts {
			if a.whyUnread(PartPrincipals, id) != "" {
				out = append(out, named("anybody in account "+id, policy.Principal{Account: id}, rest))
			}
		}
	case len(services) > 0:
		for _, name := range services {
			out = append(out, population{name: name, principal: policy.Principal{Kind: policy.KindService, Name: name}})
		}
	case !narrowed:
		anybody := policy.Principal{NotAccounts: a.insiders()}
		if id := a.snapshot.Organization.ID; id != "" && a.unread[Unread{Part: PartOrganization}] == "" {
			anybody.NotOrganizations = []string{id}
		}
		out = append(out, named("anybody in any AWS account", anybody, rest))
	}
	return out
}

// affirms reports whether a condition holds only where its key has one of its values.
func affirms(c policy.Condition) bool {
	operator := strings.ToLower(c.Operator)
	return !strings.Contains(operator, "not") && !strings.HasSuffix(operator, "ifexists") && !strings.HasPrefix(operator, "forallvalues:") && operator != "null"
}

func each[From, To any](values []From, change func(From) To) []To {
	out := make([]To, len(values))
	for i, v := range values {
		out[i] = change(v)
	}
	return out
}

// named is a population of people, with the conditions under which a statement lets it in.
func named(who string, p policy.Principal, conditions []policy.Condition) population {
	p.Kind = policy.KindSomebody
	for i, c := range conditions {
		who += fmt.Sprintf("%s %s %s %s", []string{", whose", " and"}[min(i, 1)], c.Key, words(c.Operator), strings.Join(c.Values, " or "))
	}
	p.Name = who
	return population{name: who, principal: p}
}

// words is an operator for people: the name of which AWS's documentation says what it means.
func words(operator string) string {
	switch operator {
	case "StringEquals", "ArnEquals":
		return "is"
	case "StringLike", "ArnLike":
		return "is like"
	case "StringNotEquals", "ArnNotEquals":
		return "is not"
	case "StringNotLike", "ArnNotLike":
		return "is not like"
	}
	return "fits " + operator
}

// insiders are the accounts whose principals were read.
func (a *Access) insiders() []string {
	var out []string
	for _, account := range a.snapshot.Accounts {
		if a.whyUnread(PartPrincipals, account.ID) == "" {
			out = append(out, account.ID)
		}
	}
	return out
}

// remember keeps populations, so that they can be asked about by name.
func (a *Access) remember(list []population) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, p := range list {
		if p.principal.Kind == policy.KindSomebody {
			a.populations[p.name] = p.principal
		}
		names = append(names, p.name)
	}
	return names
}

// populationAsker is a population with policies that nobody knows; nil for no population.
func (a *Access) populationAsker(name string) *asker {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, found := a.populations[name]
	if !found {
		return nil
	}
	w := &asker{principal: p, unread: "of principals outside the snapshot"}
	w.policies.Identity = []*policy.Document{missing("their own", w.unread)}
	return w
}

// blind lists what could not be read and could hide a reader of the secret.
func (a *Access) blind(s *Secret) []Unread {
	var out []Unread
	if why := a.whyUnread(PartPrincipals, s.Facts.Account); why != "" {
		out = append(out, Unread{Part: PartPrincipals, Account: s.Facts.Account, Why: why})
	}
	if s.Facts.CopyOf != "" {
		out = append(out, Unread{Part: PartSecrets, Account: s.Facts.Account, Region: s.Facts.Region, Why: ownPolicyUnread})
	} else if s.PolicyUnread == "" && s.Policy == "" {
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
