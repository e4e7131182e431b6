package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

// outsiders are whom the secret's own policy could let in from outside the snapshot: principals that it names, and populations.
// Their own policies are not known, so they are unknown at best; services have none.
//
// There are no unsigned requests among them: Secrets Manager takes none. A unique id that AWS shows in a policy is that of a
// principal that was deleted, which nobody is. Source: IAM User Guide, "AWS JSON policy elements: Principal".
func (a *Access) outsiders(s *Secret) []string {
	d := a.secretPolicy(s)
	if d == nil || d.Err() == nil {
		return a.outsidersOf(d, readSecret)
	}
	out := a.remember(a.anybodyBut("anybody whom the policy may let in"))
	if s.Facts.CopyOf != "" && s.Policy != "" && s.PolicyUnread == "" { // beside the one that is not read
		out = append(out, a.outsidersOf(a.documents.read(s.Facts.ARN, s.Policy), readSecret)...)
	}
	return out
}

// outsidersOf are whom a resource's policy could let do something.
func (a *Access) outsidersOf(d *policy.Document, action string) []string {
	switch {
	case d == nil:
		return nil
	case d.Err() != nil:
		return a.remember(a.anybodyBut("anybody whom the policy of " + d.Name + " may let in"))
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
		if statement.NamesEverybody() {
			add(a.remember(a.people(statement, action)...)...)
			add(a.remember(a.services(statement, action)...)...)
			continue
		}
		for _, name := range statement.Principal.AWS {
			p, err := policy.ParsePrincipal(name)
			switch {
			case err == nil && p.Kind == policy.KindFederatedUser:
				add(name) // whoever of the account may call GetFederationToken
			case err != nil || a.whyUnread(PartPrincipals, p.Account) == "":
			case p.Kind == policy.KindRoot:
				add(a.remember(named("anybody in account "+p.Account, a.somebodyOf(p.Account), statement.Conditions))...)
			default:
				add(name)
			}
		}
		for _, id := range statement.Principal.CanonicalUser { // of which account it is, nothing says
			add(a.remember(named("anybody in the account with canonical user id "+id, policy.Principal{NotAccounts: a.insiders()}, statement.Conditions))...)
		}
		add(statement.Principal.Service...)
		for _, provider := range statement.Principal.Federated {
			add(a.remember(a.signedIn(provider, statement.Conditions))...)
		}
	}
	return out
}

// takers are whom a trust policy could let take the role from outside the snapshot. Services are not among them: what they run with
// a role is of whoever passed it.
func (a *Access) takers(trust *policy.Document, action string) []string {
	var out []string
	if action == assumeRole {
		out = slices.DeleteFunc(a.outsidersOf(trust, action), a.isService)
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
				out = append(out, a.remember(a.signedIn(provider, s.Conditions))...)
			}
		}
	}
	return out
}

// isService reports whether a name is that of services, one or any.
func (a *Access) isService(name string) bool {
	if w := a.populationAsker(name); w != nil {
		return w.principal.Kind == policy.KindService
	}
	p, err := policy.ParsePrincipal(name)
	return err == nil && p.Kind == policy.KindService
}
