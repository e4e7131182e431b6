package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

// asker is a principal with all policies of its own.
type asker struct {
	principal policy.Principal
	policies  policy.Policies
	unknown   []string // condition keys, as in policy.Request
	absent    []string
	unread    string // why its identity policies are not known; "" when they are
	as        string // of what somebody acts as without taking a role, which: a named session; "" for the principal itself
	only      string // why it opens nothing for certain; "" where it may
}

// asker finds a principal by ARN (role, user, session, root) or service name, or a population that Readers named. One of an account whose principals were
// not read has unknown policies.
func (a *Access) asker(arn string) (*asker, error) {
	if w := a.populationAsker(arn); w != nil {
		return w, nil
	}
	p, err := policy.ParsePrincipal(arn)
	if err != nil {
		return nil, err
	}
	w := &asker{principal: p}
	switch p.Kind {
	case policy.KindService, policy.KindAnonymous, policy.KindFederated:
		return w, nil
	}
	a.addOrganization(w)
	switch p.Kind {
	case policy.KindRoot:
		return w, nil
	case policy.KindFederatedUser: // neither whose credentials they are is told, nor the session policy, which has to allow as well
		w.unread = "which user's credentials " + arn + " has is not known"
		w.policies.Identity, w.policies.Session = []*policy.Document{missing("policies of a user", w.unread)}, []*policy.Document{missing("session policy", w.unread)}
		return w, nil
	}
	if of := a.behind(p); of != nil {
		a.attach(w, of)
		return w, nil
	}
	if w.unread = a.whyUnread(PartPrincipals, p.Account); w.unread == "" {
		return nil, fmt.Errorf("find principal %s: %w", arn, ErrNotInSnapshot)
	}
	w.policies.Identity = []*policy.Document{missing("policies of "+arn, w.unread)}
	if p.ServiceLinked() && p.Kind == policy.KindSession { // by the name of its role alone, which the snapshot does not hold
		w.only = "whether it is a session of a service-linked role, which no SCP and RCP restricts, is not known: its ARN does not say its role's path"
	}
	return w, nil
}

// behind is the role or user that a principal is, or is a session of.
func (a *Access) behind(p policy.Principal) *Principal {
	if found := a.principals[p.ARN]; found != nil {
		return found
	}
	if p.Kind != policy.KindSession {
		return nil
	}
	if found := a.principals[p.Role]; found != nil {
		return found
	}
	for i := range a.snapshot.Principals { // the role has a path, which the session's ARN leaves out
		of := &a.snapshot.Principals[i]
		if of.Kind == Role && of.Account == p.Account && strings.HasSuffix(of.ARN, "/"+p.Name) {
			return of
		}
	}
	return nil
}

// attach adds what the account attaches to the role or user.
func (a *Access) attach(w *asker, of *Principal) {
	p := &w.principal
	p.Tags = of.Tags
	p.UniqueID = of.UniqueID
	if of.Kind == Role {
		p.Providers = providersOf(a.documents.read("trust policy of "+of.ARN, of.Trust))
	}
	if p.Kind == policy.KindSession {
		p.Role, p.PathSure = of.ARN, true // whether it is a service's own role, its path says
	}
	if of.Kind == Role && takesTags(a.documents.read("trust policy of "+of.ARN, of.Trust)) {
		w.unknown = append(w.unknown, principalTags)
	} else {
		w.absent = append(w.absent, principalTags)
	}
	w.policies.Identity = a.attached(of.ARN, of.Inline, of.Managed)
	for _, name := range of.Groups {
		g := a.groups[of.Account+"/"+name]
		if g == nil {
			w.policies.Identity = append(w.policies.Identity, missing("policies of group "+name, "not in the snapshot"))
			continue
		}
		w.policies.Identity = append(w.policies.Identity, a.attached("group "+name, g.Inline, g.Managed)...)
	}
	if of.Boundary != "" {
		w.policies.Boundary = []*policy.Document{a.managed(of.Boundary)}
	}
}

func (a *Access) attached(owner string, inline map[string]string, managed []string) []*policy.Document {
	documents := []*policy.Document{}
	for _, name := range slices.Sorted(maps.Keys(inline)) {
		documents = append(documents, a.documents.read(name+" of "+owner, inline[name]))
	}
	for _, arn := range managed {
		documents = append(documents, a.managed(arn))
	}
	return documents
}

func (a *Access) managed(arn string) *policy.Document {
	text, found := a.snapshot.Managed[arn]
	if !found {
		return missing(arn, "not in the snapshot")
	}
	return a.documents.read(arn, text)
}

// takesTags reports whether sessions of a role may carry tags of their own, which override the role's.
func takesTags(trust *policy.Document) bool {
	if trust.Err() != nil {
		return true
	}
	return slices.ContainsFunc(trust.Statements, func(s policy.Statement) bool {
		return s.Effect == policy.Allow && (s.NotActions != nil || slices.ContainsFunc(s.Actions, func(action string) bool {
			return strings.EqualFold(action, tagSession) || strings.ContainsAny(action, "*?")
		}))
	})
}

// orgPolicies are the organization policies that reach an account.
type orgPolicies struct {
	scps, rcps [][]*policy.Document
	path       string // o-…/r-…/ou-…/
	management bool
	levels     []string // targets of scps
}

// addOrganization adds what the organization of the principal's account says.
func (a *Access) addOrganization(w *asker) {
	org := a.orgs[w.principal.Account]
	if org == nil {
		if a.organized() && !a.noControls {
			w.policies.SCPs = unreadLevel("service control policies", "account "+w.principal.Account+" is not in the snapshot")
		}
		return
	}
	w.policies.SCPs, w.policies.Levels, w.policies.ManagementPrincipal = org.scps, org.levels, org.management
	w.principal.OrganizationID = a.snapshot.Organization.ID
	w.principal.OrganizationPath = org.path
	if !a.organized() {
		w.absent = append(w.absent, "aws:PrincipalOrgID", "aws:PrincipalOrgPaths")
	}
}

func (a *Access) organized() bool {
	return a.snapshot.Organization.ID != "" || a.unread[Unread{Part: PartOrganization}] != ""
}

// ControlsUnread says why the SCPs and RCPs above an account were not read; "" where they were.
func (a *Access) ControlsUnread(account string) string {
	return cmp.Or(a.unread[Unread{Part: PartOrganization}], a.whyUnread(PartControls, account))
}

func (a *Access) readControls(account string) *orgPolicies {
	of := a.accounts[account]
	org := &orgPolicies{management: account == a.snapshot.Organization.ManagementAccount}
	if id := a.snapshot.Organization.ID; id != "" {
		org.path = strings.Join(append([]string{id}, of.Path...), "/") + "/"
	}
	if why := a.ControlsUnread(account); why != "" {
		if a.noControls {
			return org
		}
		org.scps = unreadLevel("service control policies of "+account, why)
		org.rcps = unreadLevel("resource control policies of "+account, why)
		return org
	}
	org.scps, org.rcps = a.levels(of.SCPs), a.levels(of.RCPs)
	for _, level := range of.SCPs {
		org.levels = append(org.levels, level.Target)
	}
	return org
}

func (a *Access) levels(levels []Level) [][]*policy.Document {
	var out [][]*policy.Document
	for _, level := range levels {
		documents := []*policy.Document{}
		for _, id := range level.Policies {
			control, found := a.snapshot.Controls[id]
			if !found {
				documents = append(documents, missing(id, "not in the snapshot"))
				continue
			}
			documents = append(documents, a.documents.read(control.Name+" ("+id+")", control.Document))
		}
		out = append(out, documents)
	}
	return out
}

func unreadLevel(name, why string) [][]*policy.Document {
	return [][]*policy.Document{{missing(name, why)}}
}
