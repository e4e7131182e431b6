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
	only      string // why it opens nothing for certain; "" where its own policies, which nobody knows, say enough
}

// people are the populations of users, roles and sessions that a statement for all principals may let in: those of the organizations
// or accounts that its conditions ask for, or the whole world. Every other condition stays in the name.
func (a *Access) people(s *policy.Statement, action string) []population {
	if excludes(s, action, policy.KindSomebody) {
		return nil
	}
	var organizations, accounts, paths []string
	byOrganization, byAccount := -1, -1 // the conditions that the name of the population says whole
	for i, c := range s.Conditions {
		if !affirms(c) {
			continue
		}
		switch strings.ToLower(c.Key) {
		case "aws:principalorgid":
			if plain(c.Values) && byOrganization < 0 {
				organizations, byOrganization = c.Values, i
			}
		case "aws:principalorgpaths":
			ids := each(c.Values, func(path string) string { id, _, _ := strings.Cut(path, "/"); return id })
			if plain(ids) && organizations == nil {
				organizations = ids
			}
			if paths == nil {
				paths = c.Values
			}
		case "aws:principalaccount", "kms:calleraccount":
			if plain(c.Values) && byAccount < 0 {
				accounts, byAccount = c.Values, i
			}
		case "aws:principalarn":
			ids := each(c.Values, func(of string) string { return arn.Of(of).Account })
			if plain(ids) && accounts == nil {
				accounts = ids
			}
		}
	}
	foreign := slices.DeleteFunc(slices.Clone(organizations), func(id string) bool { return a.isOwn(id) })
	own := len(foreign) < len(organizations)
	rest := func(but int) []policy.Condition {
		if but < 0 {
			return s.Conditions
		}
		return slices.Delete(slices.Clone(s.Conditions), but, but+1)
	}
	var out []population
	switch {
	case accounts != nil:
		for _, id := range once(accounts) {
			if a.whyUnread(PartPrincipals, id) != "" && (organizations == nil || len(foreign) > 0 || a.mayBeOwn(id)) {
				out = append(out, named("anybody in account "+id, a.somebodyOf(id), rest(byAccount)))
			}
		}
	case organizations != nil:
		for _, id := range once(foreign) {
			out = append(out, named("anybody in organization "+id, policy.Principal{OrganizationID: id, NotAccounts: a.insiders()}, rest(byOrganization)))
		}
		if own {
			out = append(out, a.unreadOfOwn(paths, rest(byOrganization))...)
		}
	default:
		anybody := policy.Principal{NotAccounts: a.insiders()}
		if id := a.snapshot.Organization.ID; a.isOwn(id) && len(a.unreadOfOwn(nil, nil)) == 0 {
			anybody.NotOrganizations = []string{id}
		}
		out = append(out, named("anybody in any AWS account", anybody, rest(-1)))
	}
	return out
}

// services are the services of AWS, acting for themselves, that a statement for all principals may let in: those that its conditions
// name, or any. A service acts for whoever uses it, whom aws:SourceArn and its like may narrow.
// Source: IAM User Guide, "AWS global condition context keys": aws:PrincipalIsAWSService, aws:PrincipalServiceName, aws:SourceArn,
// aws:SourceAccount, aws:SourceOrgID.
func (a *Access) services(s *policy.Statement, action string) []population {
	if excludes(s, action, policy.KindService) {
		return nil
	}
	var rest []policy.Condition
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if affirms(c) && key == "aws:principalisawsservice" {
			continue // which any service is
		}
		if affirms(c) && key == "aws:principalservicename" && plain(c.Values) {
			return each(c.Values, func(name string) population {
				return population{name: name, principal: policy.Principal{Kind: policy.KindService, Name: name}}
			})
		}
		rest = append(rest, c)
	}
	return []population{{name: "any AWS service" + under(", where", rest), principal: policy.Principal{Kind: policy.KindService, NotAccounts: a.insiders()},
		only: "which services read it, and for whom, is not known"}}
}

// excludes reports whether a statement asks for something that requests of a kind of principal never have.
func excludes(s *policy.Statement, action string, kind policy.PrincipalKind) bool {
	return slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool {
		switch {
		case !affirms(c):
			return false
		case strings.EqualFold(c.Key, "aws:PrincipalIsAWSService"):
			wanted := "false"
			if kind == policy.KindService {
				wanted = "true"
			}
			return !slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, wanted) || strings.Contains(v, "$") })
		}
		return policy.KeyOf(c.Key, action, kind) == policy.Never || kind == policy.KindService && ofAccounts(c)
	})
}

// ofAccounts reports whether a condition asks for principals of accounts, which services are not.
func ofAccounts(c policy.Condition) bool {
	switch strings.ToLower(c.Key) {
	case "aws:principalaccount", "kms:calleraccount":
		return plain(c.Values)
	case "aws:principalarn":
		return !slices.ContainsFunc(c.Values, func(of string) bool { service := arn.Of(of).Service; return service != "iam" && service != "sts" })
	}
	return false
}

// signedIn is everybody with a session of a role to which an identity provider signed it in. A policy may name the provider alone.
// Source: IAM User Guide, "AWS JSON policy elements: Principal", SAML and OIDC federated session principals.
//
// What the roles' own policies give is asked of the roles, so that the sessions count as of no account that is known.
func (a *Access) signedIn(provider string, conditions []policy.Condition) population {
	p := policy.Principal{Providers: []string{provider}}
	if of := arn.Of(provider).Account; of != "" && a.whyUnread(PartPrincipals, of) != "" {
		p.Account = of
	}
	return named("anybody whom "+provider+" signs in", p, conditions)
}

// anybodyBut is everybody of whom the snapshot does not hold all.
func (a *Access) anybodyBut(name string) population {
	return named(name, policy.Principal{NotAccounts: a.insiders()}, nil)
}

// affirms reports whether a condition holds only where its key has one of its values.
func affirms(c policy.Condition) bool {
	operator := strings.ToLower(c.Operator)
	return !strings.Contains(operator, "not") && !strings.HasSuffix(operator, "ifexists") && !strings.HasPrefix(operator, "forallvalues:") && operator != "null"
}

// plain reports whether values are names, and neither patterns nor variables.
func plain(values []string) bool {
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return v == "" || strings.ContainsAny(v, "*?$") })
}

func once(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
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
	p.Name = who + under(", whose", conditions)
	return population{name: p.Name, principal: p}
}

// under is a list of conditions in words.
func under(first string, conditions []policy.Condition) string {
	var out strings.Builder
	for i, c := range conditions {
		fmt.Fprintf(&out, "%s %s %s %s", []string{first, " and"}[min(i, 1)], c.Key, words(c.Operator), strings.Join(c.Values, " or "))
	}
	return out.String()
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

// remember keeps populations, so that they can be asked about by name.
func (a *Access) remember(list ...population) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, p := range list {
		if p.principal.Name == "" || p.principal.Kind == policy.KindSomebody { // a service with a name is found by it
			a.populations[p.name] = p
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
	w := &asker{principal: p.principal, only: p.only}
	if p.principal.Kind == policy.KindSomebody {
		w.unread = "of principals outside the snapshot"
		w.policies.Identity = []*policy.Document{missing("their own", w.unread)}
	}
	return w
}
