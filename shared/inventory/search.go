package inventory

import (
	"cmp"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
)

// holding is an identity that somebody came to act as.
type holding struct {
	id       identity
	steps    []Step
	name     string
	account  string
	standing *standing
}

// pending is a right to give rights to whoever comes to be acted as.
type pending struct {
	by *holding
	v  move
}

// search looks for the identities that a principal comes to act as, those that take fewest steps first, and what each opens.
type search struct {
	movers *movers
	world  *world
	need   int8 // of each answer: 2 follows only what is certain
	name   string
	first  []*asker

	held    map[identity]bool
	order   []*holding // as they were found
	as      map[int32][]*holding
	given   map[int32]gain // rights that somebody who is held may give
	pending map[int32][]pending
	taggers map[int32]*pending  // who may give a role or user other tags, the first
	waiting map[int32][]pending // what is to be done to it once it has them
	queue   [][]*holding        // by how many steps they take

	best   []*Path
	length int              // of the steps that whoever is held now took
	lacks  []bool           // of each secret, that it has no path yet of which no shorter one can come
	left   int              // how many do
	near   map[string][]int // those, by account, as far as somebody asked
	others map[string][]int // those of other accounts that people of an account may touch as things are
	far    []int            // and those that somebody of any account could open by what was changed
	isFar  []bool
	found  bool // a path since the lists were made
	rights [numberOfLocks][]*holding
}

// run fills in the secrets that have no path yet. A path without steps is one that is open already.
func (s *search) run(id identity, found []*Path) {
	s.best, s.isFar, s.lacks, s.near, s.others = found, make([]bool, len(found)), make([]bool, len(found)), map[string][]int{}, map[string][]int{}
	for i := range found {
		if found[i] == nil {
			s.lacks[i] = true
			s.left++
		}
	}
	s.push(&holding{id: id, name: s.name})
	for ; s.length < len(s.queue) && s.left > 0; s.length++ {
		for at := 0; at < len(s.queue[s.length]); at++ {
			if h := s.queue[s.length][at]; !s.held[h.id] {
				s.hold(h)
			}
			if s.found {
				s.settle()
			}
		}
		s.settle()
	}
}

// settle takes away the secrets of which no shorter way can come.
func (s *search) settle() {
	done := func(i int) bool {
		if s.lacks[i] && s.best[i] != nil && len(s.best[i].Steps) <= s.length {
			s.lacks[i] = false
			s.left--
		}
		return !s.lacks[i]
	}
	s.far = slices.DeleteFunc(s.far, done)
	for _, lists := range []map[string][]int{s.near, s.others} {
		for account, list := range lists {
			lists[account] = slices.DeleteFunc(list, done)
		}
	}
	s.found = false
}

// in are the secrets of an account that have no path yet.
func (s *search) in(account string) []int { return s.lacking(s.near, account, s.world.in[account]) }

// touches are those of others that people of an account may touch.
func (s *search) touches(account string) []int {
	return s.lacking(s.others, account, s.world.touches(account))
}

func (s *search) lacking(lists map[string][]int, account string, all []int) []int {
	list, made := lists[account]
	if !made {
		for _, i := range all {
			if s.lacks[i] {
				list = append(list, i)
			}
		}
		lists[account] = list
	}
	return list
}

func (s *search) push(h *holding) {
	for len(s.queue) <= len(h.steps) {
		s.queue = append(s.queue, nil)
	}
	s.queue[len(h.steps)] = append(s.queue[len(h.steps)], h)
}

func (s *search) hold(h *holding) {
	askers := s.movers.askers(h.id, s.first)
	if len(askers) == 0 {
		return // whatever it is called in the snapshot, it is no principal
	}
	h.standing = s.world.standing(h.id, askers)
	h.account = askers[0].principal.Account
	s.held[h.id], s.order = true, append(s.order, h)
	s.as[h.id.of] = append(s.as[h.id.of], h)
	s.open(h)
	for _, v := range s.movers.moves(h.id, askers) {
		switch p := (pending{h, v}); {
		case s.need == 2 && (!v.certain || v.gain == otherTags): // what other tags open is never certain
		case v.retag && s.taggers[v.to] == nil:
			s.waiting[v.to] = append(s.waiting[v.to], p)
		default:
			s.follow(p)
		}
		if v.gain == otherTags && !v.retag && rights[v.right].action != writeTrust && s.need < 2 && s.taggers[v.to] == nil {
			s.taggers[v.to] = &pending{h, v}
			for _, p := range s.waiting[v.to] {
				s.follow(p)
			}
		}
	}
	for _, p := range s.pending[h.id.of] {
		s.give(p, h)
	}
}

// follow is what becomes of a move, once whom it is about has the tags that it takes.
func (s *search) follow(p pending) {
	h, v := p.by, p.v
	if v.retag {
		tagger := s.taggers[v.to]
		by := *h
		by.steps = join(tagger.by.steps, h.steps, s.movers.step(tagger.by.name, tagger.v))
		h = &by
	}
	switch {
	case v.gain == 0:
		if to := (identity{of: v.to}); !s.held[to] {
			s.push(&holding{id: to, steps: join(h.steps, nil, s.movers.step(h.name, v)), name: s.movers.access.snapshot.Principals[v.to].ARN})
		}
	case v.gain == otherTags && !s.movers.ownTags:
	case s.given[v.to]&v.gain == 0: // whoever was held before gives it in no more steps
		if !v.retag {
			s.given[v.to] |= v.gain
		}
		s.pending[v.to] = append(s.pending[v.to], pending{h, v})
		for _, y := range s.as[v.to] {
			s.give(pending{h, v}, y)
		}
	}
}

// give is what becomes of somebody who is acted as and given rights.
func (s *search) give(p pending, to *holding) {
	id := identity{of: to.id.of, gains: to.id.gains | p.v.gain}
	if !s.held[id] {
		s.push(&holding{id: id, steps: join(p.by.steps, to.steps, s.movers.step(p.by.name, p.v)), name: to.name})
	}
}

// join is one list of steps after another, without what is done twice.
func join(first, second []Step, more ...Step) []Step {
	out := make([]Step, 0, len(first)+len(second)+len(more))
	for _, list := range [][]Step{first, second, more} {
		for _, step := range list {
			if !slices.Contains(out, step) {
				out = append(out, step)
			}
		}
	}
	return out
}

// open tries what an identity opens, alone and with the rights of those before it, and what those open with its rights. Most have
// nothing to do with the secrets that are left.
func (s *search) open(h *holding) {
	if len(s.in(h.account))+len(s.touches(h.account))+len(s.far) == 0 {
		return
	}
	brought := false
	for l := firstRight; l < numberOfLocks; l++ {
		if s.bring(h, l) {
			brought = true
		}
	}
	if !brought {
		s.try(h)
		return
	}
	for _, each := range s.order {
		s.try(each)
	}
}

// bring notes the secrets on which an identity has a right that nobody before it had.
func (s *search) bring(h *holding, l lock) bool {
	answers := h.standing.of(l)
	if answers == nil {
		return false
	}
	if s.rights[l] == nil {
		s.rights[l] = make([]*holding, len(s.world.at))
	}
	brought := false
	for _, account := range h.standing.where[l] {
		for _, i := range s.in(account) {
			if answers[i] < s.need || s.rights[l][i] != nil || !s.keeps(h, l, i) {
				continue
			}
			s.rights[l][i], brought = h, true
			if account != h.account || l == writesPolicy || s.world.foreign(i) { // whoever it lets in may be of any account
				s.opened(i)
			}
		}
	}
	return brought
}

// opened makes a secret one that somebody of another account could open.
func (s *search) opened(i int) {
	if !s.isFar[i] {
		s.isFar[i], s.far = true, append(s.far, i)
	}
}

// keeps reports whether somebody who sets another key of a secret, or replicates it, has the key that it needs for that. Somebody
// of another account sets a key of its own without it, and the versions to come are under that.
// Source: Secrets Manager API Reference, UpdateSecret, KmsKeyId.
func (s *search) keeps(h *holding, l lock, i int) bool {
	if l != updates && l != replicates || l == updates && s.need < 2 && h.account != s.world.accounts[i] {
		return true
	}
	keys := h.standing.of(opensKey)
	return keys != nil && keys[i] >= s.need
}

// try finds what an identity opens, by whatever was changed before.
func (s *search) try(h *holding) {
	for _, i := range s.in(h.account) {
		s.tryOne(h, i)
	}
	for _, i := range s.touches(h.account) {
		s.tryOne(h, i)
	}
	for _, i := range s.far {
		if s.world.accounts[i] != h.account {
			s.tryOne(h, i)
		}
	}
}

func (s *search) tryOne(h *holding, i int) {
	if s.best[i] != nil && len(s.best[i].Steps) <= len(h.steps) {
		return
	}
	for _, way := range s.ways(h, i) {
		s.consider(h, i, way...)
	}
}

// ways are the rights that somebody before the holding, or itself, has to use for the holding to open a secret; none for what opens as
// it is.
func (s *search) ways(h *holding, i int) [][]lock {
	may := func(l lock) bool { return s.rights[l] != nil && s.rights[l][i] != nil }
	var first []lock // what comes before all else
	if s.world.gone[i] {
		if !may(restores) {
			return nil
		}
		first = []lock{restores}
	}
	if s.has(h, opensBoth, i) {
		return [][]lock{first}
	}
	var out [][]lock
	add := func(rights ...lock) { out = append(out, slices.Concat(first, rights)) }
	if may(recodes) && s.rights[recodes][i] == h {
		add(recodes)
	}
	if firsts := s.firsts(h, i, may); len(firsts) > 0 {
		seconds := s.seconds(h, i, may)
		for _, x := range firsts {
			for _, y := range seconds {
				if rights := slices.Concat(x, y); len(rights) > 0 {
					add(rights...)
				}
			}
		}
	}
	if s.need < 2 && may(replicates) && s.has(h, opensElsewhere, i) && s.has(h, opensManaged, i) {
		add(replicates)
	}
	return out
}

// firsts are the ways to open the first lock: as it is, and by rights.
func (s *search) firsts(h *holding, i int, may func(lock) bool) [][]lock {
	var out [][]lock
	if s.has(h, opensSecret, i) {
		out = append(out, nil)
	}
	if may(writesPolicy) && s.has(h, opensAnyPolicy, i) {
		out = append(out, []lock{writesPolicy})
	}
	if may(deletesPolicy) && s.has(h, opensNoPolicy, i) {
		out = append(out, []lock{deletesPolicy})
	}
	for _, l := range retagging {
		if may(l) && s.has(h, opensTagged, i) {
			out = append(out, []lock{l})
		}
	}
	return out
}

// seconds are those to open the second one.
func (s *search) seconds(h *holding, i int, may func(lock) bool) [][]lock {
	var out [][]lock
	granted := func() bool { return s.need < 2 || !h.bounded() }
	if s.has(h, opensKey, i) {
		out = append(out, nil)
	}
	if may(writesKeyPolicy) && s.has(h, opensAnyKey, i) {
		out = append(out, []lock{writesKeyPolicy})
	}
	if may(grants) && s.has(h, opensAnyKey, i) && granted() {
		out = append(out, []lock{grants})
	}
	if may(updates) && (s.has(h, opensManaged, i) || s.need < 2 && h.account != s.world.accounts[i]) { // else a key of its own
		out = append(out, []lock{updates})
	}
	for _, l := range retaggingKey {
		if may(l) && s.has(h, opensKeyTagged, i) {
			out = append(out, []lock{l})
		}
	}
	for _, l := range realiasing {
		if may(l) && s.has(h, opensKeyAliased, i) {
			out = append(out, []lock{l})
		}
	}
	if s.need < 2 && s.world.moving != nil { // and whoever writes the next version writes it under that key
		for _, moves := range [][]lock{{movesNamed}, {dropsNamed, makesNamed}} {
			switch all := !slices.ContainsFunc(moves, func(l lock) bool { return !may(l) }); {
			case all && s.has(h, opensOtherKey, i):
				out = append(out, moves)
			case all && may(createsKey): // whose policy it writes
				out = append(out, slices.Concat([]lock{createsKey}, moves))
			}
		}
	}
	if s.world.shut == nil {
		return out
	}
	need := s.world.shut.needs[i]
	if len(need) == 0 || slices.ContainsFunc(need, func(l lock) bool { return !may(l) }) {
		return out
	}
	if s.has(h, opensEnabled, i) {
		out = append(out, need)
	}
	if may(writesKeyPolicy) && s.has(h, opensAnyEnabled, i) {
		out = append(out, slices.Concat(need, []lock{writesKeyPolicy}))
	}
	if may(grants) && s.has(h, opensAnyEnabled, i) && granted() {
		out = append(out, slices.Concat(need, []lock{grants}))
	}
	return out
}

func (s *search) has(h *holding, l lock, i int) bool {
	answers := h.standing.of(l)
	return answers != nil && answers[i] >= s.need
}

// consider keeps a way to a secret where it is the shortest so far.
func (s *search) consider(h *holding, i int, rights ...lock) {
	least := len(h.steps)
	for _, l := range rights {
		least = max(least, len(s.rights[l][i].steps))
	}
	if s.best[i] != nil && len(s.best[i].Steps) <= least+len(rights) {
		return
	}
	steps := h.steps
	for _, l := range rights {
		by := s.rights[l][i]
		steps = join(by.steps, steps, s.change(by, l, i)...)
	}
	if s.best[i] == nil || len(steps) < len(s.best[i].Steps) {
		s.best[i] = &Path{Principal: s.name, Secret: s.world.access.snapshot.Secrets[s.world.at[i]].Facts.ARN, Steps: steps, Reads: h.name, Certain: s.need == 2}
		s.found = s.found || len(steps) <= s.length
	}
}

// bounded reports whether a grant to the identity may not be enough, since its boundary has to allow, too.
func (h *holding) bounded() bool {
	return slices.ContainsFunc(h.standing.askers, func(w *asker) bool { return len(w.policies.Boundary) > 0 })
}

// change is the step that a right is, with the one that gives it. keys are those of the secret that it may be about: all where none is given.
func (s *search) change(by *holding, l lock, i int, keys ...int) []Step {
	secret := &s.world.access.snapshot.Secrets[s.world.at[i]]
	step := Step{As: by.name, Action: changes[l][0], Resource: secret.Facts.ARN, Certain: by.standing.of(l)[i] == 2}
	about := i // of what the right is, in the answers about it
	switch l {
	case writesKeyPolicy, grants, enables, cancels, imports, connects, tagsKey, untagsKey, createsAlias, updatesAlias, deletesAlias:
		of := keys
		if of == nil {
			of = s.world.keysOf[i]
		}
		if l == enables || l == cancels || l == imports || l == connects {
			of = slices.DeleteFunc(slices.Clone(of), func(k int) bool { return !slices.Contains(back(s.world.shut.states[k]), l) })
		}
		about = slices.MaxFunc(of, func(x, y int) int { return cmp.Compare(by.standing.keys[l][x], by.standing.keys[l][y]) })
		step.Resource, keys = s.world.keys.Target(about).ARN, []int{about}
	case recodes:
		step.Resource = secret.Facts.RotationLambdaARN
	case movesNamed, dropsNamed, makesNamed:
		step.Resource = aliasOf(secret)
	case createsKey:
		at := arn.Of(aliasOf(secret))
		at.Resource = "key/*"
		step.Resource = at.String()
	}
	if before := by.standing.before[l]; before != nil && before[about] != 0 {
		return append(s.change(by, before[about], i, keys...), step)
	}
	return []Step{step}
}
