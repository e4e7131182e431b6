package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// stop is an account whose principals were not read, on the way to the secrets of a world: whoever may take a role there may come to
// open what somebody there may open.
type stop struct {
	account string
	name    string  // of its people
	paths   []*Path // to each secret of the world; nil where nobody there comes to it by what was read
	any     []*Path // with those by roles of other such accounts
}

// unreadStops are the accounts that were not read. What their roles may do is not known, so that each may take a role in each other one.
func (w *world) unreadStops() ([]stop, error) {
	if w.stopped {
		return w.stops, nil
	}
	a := w.access
	var out []stop
	for _, account := range a.snapshot.Accounts {
		if a.whyUnread(PartPrincipals, account.ID) == "" {
			continue
		}
		for _, name := range a.unreadIn(account.ID) {
			found, err := w.comesTo(name)
			if err != nil {
				return nil, err
			}
			out = append(out, stop{account: account.ID, name: name, paths: found})
		}
	}
	for n := range out {
		out[n].any = slices.Clone(out[n].paths)
	}
	for i := range w.at {
		var nearest *stop
		for n := range out {
			if p := out[n].paths[i]; p != nil && (nearest == nil || len(p.Steps) < len(nearest.paths[i].Steps)) {
				nearest = &out[n]
			}
		}
		for n := range out {
			if nearest != nil && out[n].any[i] == nil {
				out[n].any[i] = after(nearest.paths[i], out[n].name, a.anyRole(nearest.account))
			}
		}
	}
	w.stops, w.stopped = out, true
	return out, nil
}

// comesTo are the ways of the people of an account to each secret; those without steps open it as it is, perhaps.
func (w *world) comesTo(name string) ([]*Path, error) {
	askers, err := w.access.askers(name)
	if err != nil {
		return nil, err
	}
	out := make([]*Path, len(w.at))
	for i, answer := range w.standing(identity{of: start}, askers).of(opensBoth) {
		if answer > 0 && !w.gone[i] {
			out[i] = &Path{Principal: name, Secret: w.access.snapshot.Secrets[w.at[i]].Facts.ARN, Reads: name}
		}
	}
	for i, p := range w.access.find(name, identity{of: start}, askers, w) {
		if out[i] == nil && p != nil {
			out[i] = p
		}
	}
	return out, nil
}

// after is the way of somebody who takes a role that was not read.
func after(path *Path, name, role string) *Path {
	p := *path
	p.Steps = join([]Step{{As: name, Action: assumeRole, Resource: role}}, p.Steps)
	p.Principal, p.Certain = name, false
	return &p
}

// trustedUnread are those whom the trust policies of roles that were not read may let in, who may be anybody, with their ways to the first
// secret of the world.
func (w *world) trustedUnread() ([]Path, error) {
	stops, err := w.unreadStops()
	if err != nil {
		return nil, err
	}
	var out []Path
	all := ""
	for _, s := range stops {
		if s.paths[0] == nil {
			continue
		}
		account, roles := "account "+s.account, w.access.anyRole(s.account)
		if len(stops) > mostAccounts { // one stands for all
			account, roles = "an account", w.access.anyRole("*")
		}
		name := "anybody whom a role of " + account + " that was not read lets in"
		if name != all {
			out = append(out, *after(s.paths[0], w.access.remember(w.access.anybodyBut(name))[0], roles))
		}
		all = name
	}
	return out, nil
}

// throughUnread adds the ways of a principal by roles that were not read, where it has no other.
func (w *world) throughUnread(name string, askers []*asker, found []*Path) error {
	stops, err := w.unreadStops()
	if err != nil {
		return err
	}
	for n := range stops {
		s := &stops[n]
		if s.name == name {
			continue
		}
		role := ""
		for i := range found {
			if found[i] != nil || s.any[i] == nil {
				continue
			}
			if role == "" {
				if role = w.access.takesIn(askers, s.account); role == "" {
					break
				}
			}
			found[i] = after(s.any[i], name, role)
		}
	}
	return nil
}

// takesIn is the pattern of the roles of an account that somebody's policies may allow it to take; "" for none. What the roles' trust
// policies say is not known.
func (a *Access) takesIn(askers []*asker, account string) string {
	for _, w := range askers {
		patterns := []string{}
		if w.principal.Account == account || w.unread != "" { // a trust policy of the same account is enough
			patterns = append(patterns, a.anyRole(account))
		}
		for _, d := range w.policies.Identity {
			if d.Err() != nil {
				patterns = append(patterns, a.anyRole(account))
			}
			for i := range d.Statements {
				s := &d.Statements[i]
				switch {
				case s.Effect != policy.Allow || !s.About(assumeRole):
				case s.Resources == nil:
					patterns = append(patterns, a.anyRole(account))
				default:
					patterns = append(patterns, s.Resources...)
				}
			}
		}
		for _, pattern := range patterns {
			role := arn.Of(pattern)
			switch {
			case !arn.Is(pattern) || role.Resource == "":
				pattern = a.anyRole(account)
			case role.Account == account:
			case strings.ContainsAny(role.Account, "*?$"):
				pattern = role.Partition.New("iam", "", account, role.Resource).String()
			default:
				continue
			}
			t := policy.Target{ARN: arn.Example(pattern), Account: account, Kind: policy.ResourceTrust, Policy: missing("the trust policy of a role", a.whyUnread(PartPrincipals, account))}
			a.addResourceOrganization(&t)
			if !denied(ask(w, &t, assumeRole).Answer) {
				return pattern
			}
		}
	}
	return ""
}

// anyRole is the pattern of all roles of an account.
func (a *Access) anyRole(account string) string { return a.partition().Role(account, "*") }
