package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Step is one thing that somebody does on the way to a secret.
type Step struct {
	As       string // who does it: the principal itself, or a role or user that it came to act as
	Action   string
	Resource string // ARN
	Certain  bool
}

// Path is a way to a secret that a principal does not open as things are: the shortest that is certain or, where none is, the
// shortest that may be. The last thing, to read it, is no step.
type Path struct {
	Principal string // ARN, or everybody of a population in words
	Outside   bool   // a population, or a principal outside the snapshot
	Secret    string // ARN
	Steps     []Step
	Reads     string // who reads it in the end
	Certain   bool
}

// Reach lists the secrets that a principal (role, user, session or root) does not certainly open itself and comes to open step by
// step, the shortest ways first: it acts as roles and users (sts:AssumeRole, iam:PassRole to a service that runs its code,
// credentials), gives rights to those that it acts as, and changes what locks a secret (its policy, its key's policy, grants, its
// key, replicas, the code that rotates it), or the labels by which policies decide: tags of secrets, keys, roles, users and sessions, and
// aliases of keys. It brings back what opens nothing as it is: a key that is off, a secret whose deletion is scheduled. What it could have others do for it, who are not in its hands, is not among them.
func (a *Access) Reach(principalARN string) ([]Path, error) {
	a.reaching.Lock()
	defer a.reaching.Unlock()
	if a.world == nil {
		open := *a.allOpenings()
		open.locks = nil
		for _, l := range a.openings.locks { // which are changed in a world
			own := *l
			open.locks = append(open.locks, &own)
		}
		a.world = a.worldOf(a.all(), &open)
	}
	return a.reach(principalARN, a.world)
}

// ReachersOf lists who comes to open a secret in steps, as Reach does; those outside the snapshot by a role whose trust policy may
// let them in, or by what the policies of the secret and of its keys may let them change.
func (a *Access) ReachersOf(secretARN string) ([]Path, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, err
	}
	a.reaching.Lock()
	defer a.reaching.Unlock()
	best := map[string]Path{} // of each principal, to whichever copy
	for _, at := range a.copiesOf(s) {
		found, err := a.reachersOf(at)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if known, seen := best[p.Principal]; !seen || p.Certain && !known.Certain || p.Certain == known.Certain && len(p.Steps) < len(known.Steps) {
				best[p.Principal] = p
			}
		}
	}
	var out []Path
	for _, name := range slices.Sorted(maps.Keys(best)) {
		out = append(out, best[name])
	}
	sortPaths(out)
	return out, nil
}

func (a *Access) reachersOf(s *Secret) ([]Path, error) {
	w := a.newWorld([]int{a.secrets[s.Facts.ARN]})
	var out []Path
	for i := range a.snapshot.Principals {
		found, err := a.reach(a.snapshot.Principals[i].ARN, w)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	outside, err := a.fromOutside(w, out)
	if err != nil {
		return nil, err
	}
	return append(out, outside...), nil
}

func sortPaths(paths []Path) {
	slices.SortStableFunc(paths, func(x, y Path) int {
		return cmp.Or(-compareBools(x.Certain, y.Certain), cmp.Compare(len(x.Steps), len(y.Steps)))
	})
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

func (a *Access) reach(principalARN string, w *world) ([]Path, error) {
	id := identity{of: start}
	if n, found := a.allMovers().number[principalARN]; found {
		id.of = n
	}
	first, err := a.askers(principalARN)
	if err != nil {
		return nil, err
	}
	found := a.find(principalARN, id, first, w)
	if err := w.throughUnread(principalARN, first, found); err != nil {
		return nil, err
	}
	var out []Path
	for _, p := range found {
		if p != nil && len(p.Steps) > 0 {
			out = append(out, *p)
		}
	}
	sortPaths(out)
	return out, nil
}

func (a *Access) allMovers() *movers {
	if a.movers == nil {
		a.movers = a.newMovers()
	}
	return a.movers
}

// find is the shortest way to each secret of a world, by what was read; nil where there is none.
func (a *Access) find(name string, id identity, first []*asker, w *world) []*Path {
	found := make([]*Path, len(w.at))
	for _, need := range []int8{2, 1} {
		s := search{movers: a.allMovers(), world: w, need: need, name: name, first: first, held: map[identity]bool{}, as: map[int32][]*holding{},
			given: map[int32]gain{}, pending: map[int32][]pending{}, taggers: map[int32]*pending{}, waiting: map[int32][]pending{}}
		s.run(id, found)
	}
	return found
}

// changers are whom the policies of a secret and of its keys could let change, from outside the snapshot, what locks the secret.
func (a *Access) changers(w *world) []string {
	s := &a.snapshot.Secrets[w.at[0]]
	d := a.secretPolicy(s)
	if s.Facts.CopyOf != "" && s.Policy != "" {
		d = a.documents.read(s.Facts.ARN, s.Policy)
	}
	out := a.outsiders(s)
	for l := firstRight; l < numberOfLocks; l++ {
		for _, action := range changes[l] {
			if d != nil && d.Err() == nil && strings.HasPrefix(action, "secretsmanager:") {
				out = append(out, a.outsidersOf(d, action)...)
			}
			for i := range w.keys.Targets() {
				if strings.HasPrefix(action, "kms:") {
					out = append(out, a.outsidersOf(w.keys.Target(i).Policy, action)...)
				}
			}
		}
	}
	for i := range w.keys.Targets() { // a grantee may grant, too
		for _, g := range w.keys.Target(i).Grants {
			p, err := policy.ParsePrincipal(g.Grantee)
			if err == nil && p.Kind != policy.KindService && a.whyUnread(PartPrincipals, p.Account) != "" {
				out = append(out, g.Grantee)
			}
		}
	}
	return once(slices.DeleteFunc(out, func(name string) bool { return a.isService(name) || a.within(name) }))
}

// within reports whether a name is of people of an account whose principals are all in the snapshot, who are asked for themselves.
func (a *Access) within(name string) bool {
	w := a.populationAsker(name)
	if w == nil {
		p, err := policy.ParsePrincipal(name)
		return err != nil || a.whyUnread(PartPrincipals, p.Account) == ""
	}
	return w.principal.Account != "" && a.whyUnread(PartPrincipals, w.principal.Account) == ""
}

// fromOutside are those outside the snapshot who may take a role that opens the secret, or comes to, or change what locks it.
func (a *Access) fromOutside(w *world, inside []Path) ([]Path, error) {
	ways := map[string]Path{}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		id := identity{of: int32(i)}
		if answers := w.standing(id, a.allMovers().askers(id, nil)).of(opensBoth); answers != nil && !w.gone[0] {
			ways[p.ARN] = Path{Secret: a.snapshot.Secrets[w.at[0]].Facts.ARN, Reads: p.ARN}
		}
	}
	for _, p := range inside {
		if _, opens := ways[p.Principal]; !opens {
			ways[p.Principal] = p
		}
	}
	accounts := []string{a.snapshot.Secrets[w.at[0]].Facts.Account}
	for i := range w.keys.Targets() {
		accounts = append(accounts, w.keys.Target(i).Account)
	}
	for of := range ways { // whoever else is in its account may come to act as it
		accounts = append(accounts, arn.Of(of).Account)
	}
	best := map[string]Path{}
	for _, name := range once(slices.Concat(a.changers(w), a.unreadIn(accounts...))) {
		found, err := a.reach(name, w)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			p.Outside = true
			best[name] = p
		}
	}
	trusted, err := w.trustedUnread()
	if err != nil {
		return nil, err
	}
	for _, p := range trusted {
		p.Outside = true
		best[p.Principal] = p
	}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		way, opens := ways[p.ARN]
		if p.Kind == User || !opens {
			continue
		}
		trust := a.documents.read("trust policy of "+p.ARN, p.Trust)
		for _, action := range []string{assumeRole, assumeRoleWithSAML, assumeRoleWithWebIdentity} {
			for _, name := range a.takers(trust, action) {
				found := Path{Principal: name, Outside: true, Secret: way.Secret, Reads: way.Reads,
					Steps: join([]Step{{As: name, Action: action, Resource: p.ARN}}, way.Steps)}
				if known, seen := best[name]; !seen || len(found.Steps) < len(known.Steps) {
					best[name] = found
				}
			}
		}
	}
	var out []Path
	for _, p := range best {
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y Path) int { return cmp.Compare(x.Principal, y.Principal) })
	return out, nil
}
