package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Right is an action, as a policy names it, that a principal may use, and of which Powers and Reach do not say what follows.
type Right struct {
	As     string // who has it: the principal itself, or a role that it may take
	Action string // as the policy names it: a pattern, or "everything but" some
	Policy string // that allows it
}

// Elsewhere is what a principal may do that neither Reach nor Powers follows.
type Elsewhere struct {
	// Unproved are the rights of which nothing shows that they leave alone who opens what: they make code run that has another
	// role, make principals, change tags that policies ask for, or are not known at all.
	Unproved []Right
	// Data are those that write data, or call what others run. They change nobody's rights; what the others' code does with it
	// is not asked.
	Data []Right
	// Unseen is what the snapshot does not hold and could let the principal in: copies of other secrets, roles of its account.
	Unseen []string
	// Unread is where it may open secrets that nobody read.
	Unread []Unread
}

// Elsewhere lists what else a principal (role, user, session or root), and each role that it may take, may do.
//
// Whatever its policies allow counts as unproved, until its action is one that the tables below name. So a service that AWS adds
// next year is unproved, too. A right that its boundary, its organization or a statement of its own denies for certain is none.
// Copies of the secrets of but, ARNs, are not asked for.
func (a *Access) Elsewhere(principalARN string, but []string) (Elsewhere, error) {
	chains, err := a.chains(principalARN)
	if err != nil {
		return Elsewhere{}, err
	}
	out := Elsewhere{Unseen: a.unseenCopies(but)}
	for _, c := range slices.Concat([]Chain{{Roles: []string{principalARN}}}, chains) {
		who := c.Roles[len(c.Roles)-1]
		if err := a.addElsewhere(&out, who); err != nil {
			return Elsewhere{}, err
		}
		askers, err := a.askers(who)
		if err != nil {
			return Elsewhere{}, err
		}
		out.Unread = append(out.Unread, a.readsUnread(who, askers)...)
	}
	return out, a.addSignedIn(&out, principalARN, but)
}

// addSignedIn adds the roles that anybody takes who has a token of an identity provider, and comes to open more with.
func (a *Access) addSignedIn(out *Elsewhere, principalARN string, but []string) error {
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		if p.Kind == User || p.ARN == principalARN || !a.documents.read("trust policy of "+p.ARN, p.Trust).SignsAnybodyIn() {
			continue
		}
		can, err := a.Can(p.ARN)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(slices.Concat(can.Open, can.Unknown), func(secret string) bool { return !slices.Contains(but, secret) }) {
			out.Unseen = append(out.Unseen, "whom an identity provider signs in, of whom anybody may take "+p.ARN+" and open more,")
		}
	}
	return nil
}

// UnprovedPrincipals are the roles and users of the snapshot that have a right of which it is not known what follows from it, in
// its order.
func (a *Access) UnprovedPrincipals() ([]string, error) {
	var names []string
	for i := range a.snapshot.Principals {
		var found Elsewhere
		if err := a.addElsewhere(&found, a.snapshot.Principals[i].ARN); err != nil {
			return nil, err
		}
		if len(found.Unproved) > 0 {
			names = append(names, a.snapshot.Principals[i].ARN)
		}
	}
	return names, nil
}

// unseenCopies are the copies of secrets, but some, that the snapshot names and does not hold: it was taken of other Regions.
func (a *Access) unseenCopies(but []string) []string {
	var out []string
	for i := range a.snapshot.Secrets {
		s := &a.snapshot.Secrets[i]
		if slices.Contains(but, s.Facts.ARN) {
			continue
		}
		for _, copied := range a.unheldCopies(s) {
			out = append(out, "the copy "+copied.String())
		}
	}
	return out
}

func (a *Access) addElsewhere(out *Elsewhere, principalARN string) error {
	add := func(to *[]Right, r Right) {
		if !slices.ContainsFunc(*to, func(have Right) bool { return have.As == r.As && have.Action == r.Action }) {
			*to = append(*to, r)
		}
	}
	askers, err := a.askers(principalARN)
	if err != nil {
		return err
	}
	unseen := func(what string) {
		if !slices.Contains(out.Unseen, what) {
			out.Unseen = append(out.Unseen, what)
		}
	}
	for _, w := range askers {
		if why := a.whyUnread(PartPrincipals, w.principal.Account); why != "" && w.principal.Account != "" {
			unseen("any role of account " + w.principal.Account + " that trusts it")
		}
		if a.accountsMissing() && a.readsOfMissing(w) {
			unseen("any secret of the accounts of " + a.snapshot.Organization.ID + " that were not read")
		}
		if w.principal.Kind == policy.KindRoot {
			add(&out.Unproved, Right{principalARN, "*", "root of the account"})
			continue
		}
		for _, d := range w.policies.Identity {
			if d.Err() != nil {
				add(&out.Unproved, Right{principalARN, "*", d.Name + ", which could not be read"})
				continue
			}
			for i := range d.Statements {
				s := &d.Statements[i]
				if s.Effect != policy.Allow {
					continue
				}
				for _, action := range actionsOf(s) {
					to := &out.Unproved
					switch a.consequence(action, s) {
					case followed:
						continue
					case data:
						to = &out.Data
					}
					if !a.certainlyNot(w, action) {
						add(to, Right{principalARN, action, d.Name})
					}
				}
			}
		}
	}
	return nil
}

// actionsOf are the actions that a statement names; all but some are one of them.
func actionsOf(s *policy.Statement) []string {
	if s.Actions == nil {
		return []string{"everything but " + strings.Join(s.NotActions, ", ")}
	}
	return s.Actions
}

// certainlyNot reports whether a right is denied whatever it is used for: one action by the engine, a pattern where no boundary
// leaves any of it that matters.
func (a *Access) certainlyNot(w *asker, action string) bool {
	if !strings.ContainsAny(action, "*? ") {
		return denied(a.mayAnywhere(w, action)) && !a.mayAbroad(w, action, func(account string) bool { return account == w.principal.Account })
	}
	if len(w.policies.Boundary) == 0 {
		return false
	}
	for _, d := range w.policies.Boundary {
		if d.Err() != nil {
			return false
		}
		for i := range d.Statements {
			s := &d.Statements[i]
			if s.Effect != policy.Allow {
				continue
			}
			if slices.ContainsFunc(actionsOf(s), func(of string) bool { return a.consequence(of, s) != followed }) {
				return false
			}
		}
	}
	return true
}

// consequence is what is known of what follows from an action.
type consequence int

const (
	unproved consequence = iota
	data
	followed // nothing follows from it, or Powers and Reach say what
)

func (a *Access) consequence(action string, s *policy.Statement) consequence {
	action = strings.ToLower(action)
	service, _, named := strings.Cut(action, ":")
	list, listed := everyAction[service]
	switch {
	case !named || strings.ContainsAny(service, "*? "):
		return unproved
	case listed:
		worst, is := followed, false
		for _, each := range list {
			if arn.Match(action, strings.ToLower(service+":"+each.name)) {
				worst, is = min(worst, a.follows(each, s)), true
			}
		}
		if !is {
			return unproved // AWS has added it since
		}
		return worst
	case handsOutCredentials(action), !policy.IsService(service):
		return unproved
	case within(action, reading), within(action, powerful):
		return followed
	case within(action, writing):
		return data
	}
	return unproved
}

// follows is the consequence of one action of a service whose actions are all listed.
func (a *Access) follows(of listedAction, s *policy.Statement) consequence {
	switch of.by {
	case byStores:
		if slices.ContainsFunc(a.snapshot.Keys, func(k Key) bool {
			closed, doubt := stateOf(k.Facts)
			return (closed != "" || doubt != "") && (k.Facts.Store != "" || back(k.Facts.State) == nil || k.Facts.State == guard.KeyUnavailable)
		}) {
			return unproved
		}
	case bySource:
		if a.decidesBy("aws:sourceidentity") {
			return unproved
		}
	case byTaking, byTags:
		if of.by == byTags && !a.decidesBy(byTag...) {
			return followed
		}
		if s.Resources == nil || slices.ContainsFunc(s.Resources, a.beyond) {
			return unproved
		}
	case byItself:
		return unproved
	}
	return followed
}

// beyond reports whether a resource pattern may be a role of an account whose principals are not in the snapshot, from where
// somebody may come back.
func (a *Access) beyond(pattern string) bool {
	account := "*"
	if arn.Is(pattern) {
		account = arn.Of(pattern).Account
	}
	if !strings.ContainsAny(account, "*?$") {
		return a.holdsUnread(account) || a.whyUnread(PartPrincipals, account) != "" && a.letsOutsidersIn()
	}
	return a.letsOutsidersIn() || a.accountsMissing() || slices.ContainsFunc(a.snapshot.Unread, func(u Unread) bool { return u.Part == PartPrincipals })
}

// holdsUnread reports whether an account may be of the organization and its principals are not in the snapshot: one of them may open
// what is there.
func (a *Access) holdsUnread(account string) bool {
	return a.mayBeOwn(account) && a.whyUnread(PartPrincipals, account) != ""
}

// letsOutsidersIn reports whether something in the snapshot may be opened or taken from outside it.
func (a *Access) letsOutsidersIn() bool {
	a.bulkOutside.Do(func() {
		for i := range a.snapshot.Secrets {
			s := &a.snapshot.Secrets[i]
			if d := a.secretPolicy(s); d != nil && d.Err() != nil || len(a.outsiders(s)) > 0 {
				a.outside = true
				return
			}
		}
		for i := range a.snapshot.Principals {
			p := &a.snapshot.Principals[i]
			if p.Kind == User {
				continue
			}
			trust := a.documents.read("trust policy of "+p.ARN, p.Trust)
			if trust.Err() != nil || len(a.takers(trust, assumeRole)) > 0 {
				a.outside = true
				return
			}
		}
	})
	return a.outside
}

// decidesBy reports whether any policy of the snapshot decides by one of some condition keys, or could not be read. Keys are in
// lower case; one that ends with "/" is a family.
func (a *Access) decidesBy(keys ...string) bool {
	a.bulkKeys.Do(a.findConditionKeys)
	for asked := range a.keysAsked {
		if slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(asked, key) }) {
			return true
		}
	}
	return a.keysUnread
}

// findConditionKeys collects those that the policies of the snapshot ask for: as a condition, or as a variable.
func (a *Access) findConditionKeys() {
	a.keysAsked = map[string]bool{}
	look := func(d *policy.Document) {
		if d == nil {
			return
		}
		a.keysUnread = a.keysUnread || d.Err() != nil
		for _, key := range d.ConditionKeys() {
			a.keysAsked[strings.ToLower(key)] = true
		}
		a.dates = append(a.dates, d.Dates()...)
	}
	for _, text := range a.snapshot.Managed {
		look(a.documents.read("managed policy", text))
	}
	for _, c := range a.snapshot.Controls {
		look(a.documents.read(c.Name, c.Document))
	}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		for _, text := range p.Inline {
			look(a.documents.read("inline policy", text))
		}
		if p.Kind != User {
			look(a.documents.read("trust policy of "+p.ARN, p.Trust))
		}
	}
	for _, g := range a.snapshot.Groups {
		for _, text := range g.Inline {
			look(a.documents.read("inline policy", text))
		}
	}
	for i := range a.snapshot.Secrets {
		look(a.secretPolicy(&a.snapshot.Secrets[i]))
	}
	for i := range a.snapshot.Keys {
		look(a.keyPolicy(&a.snapshot.Keys[i]))
	}
}
