package inventory

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// world is some secrets, as they are and as they would be once somebody had changed what locks them.
type world struct {
	access *Access
	at     []int // in the snapshot's secrets
	open   *openings

	anyPolicy *policy.Index // each secret with a policy that lets anybody in
	noPolicy  *policy.Index // without one
	elsewhere *policy.Index // its replica in another Region
	anyKey    *policy.Index // the uses of keys, as in open, with a key policy that lets anybody in
	managed   *policy.Index // the AWS managed key, which whoever updates a secret may set

	keys    *policy.Index // customer managed keys, as they are to be changed
	stores  *policy.Index // of each of them, the custom key store that it may be in: IAM alone decides who connects it
	keysOf  [][]int       // of each secret, in keys
	rotates *policy.Index // rotation functions
	rotated [][]int       // the secrets of each

	gone    []bool      // of each secret, that its deletion is scheduled: it has to be restored first
	shut    *shut       // what keys that are off would open; nil where none is
	tagged  *relabelled // what other tags would open; nil where no policy decides by them
	aliased *relabelled // what other aliases of keys would open; nil likewise

	moving *moving // what other keys behind the aliases that secrets name would open; nil where none names one

	stops   []stop // accounts that were not read
	stopped bool   // they were looked for

	letIn     []namedAccounts  // of each secret, the other accounts that its policy and those of its keys let in, or what they are asked about
	touched   map[string][]int // of each account that was asked for, the secrets of others that its people may read or change
	accounts  []string
	in        map[string][]int // the secrets of each account
	standings map[identity]*standing
	spare     []int8 // zeros
}

func (a *Access) newWorld(at []int) *world { return a.worldOf(at, a.index(at, false)) }

// worldOf is a world of what is indexed. The locks of secrets that are to be restored first are changed.
func (a *Access) worldOf(at []int, open *openings) *world {
	w := &world{access: a, at: at, open: open, standings: map[identity]*standing{}, touched: map[string][]int{}, in: map[string][]int{}}
	number := map[string]int{}
	functions := map[string]int{}
	var elsewhere, managed, keys, stores, rotates []policy.Target
	var changeable []bool // of the uses of keys
	var states []guard.KeyState
	for i, n := range at {
		s := &a.snapshot.Secrets[n]
		w.gone = append(w.gone, w.open.locks[i].closed != "")
		w.open.locks[i].closed = ""
		t := w.open.locks[i].target
		w.accounts = append(w.accounts, t.Account)
		w.in[t.Account] = append(w.in[t.Account], i)
		elsewhere = append(elsewhere, a.replicated(s, t))
		own := a.managedUse(s, Key{Facts: guard.Key{Manager: guard.ManagerAWS}}, "")
		managed = append(managed, own.target)
		var of []int
		for j := range w.open.uses[i] {
			u := &w.open.uses[i][j]
			k := a.keys[u.key]
			changeable = append(changeable, k != nil && !u.target.AWSManagedKey)
			if k != nil && !u.target.AWSManagedKey {
				grants, those := a.handedOn(*k, u)
				if _, seen := number[u.key+those]; !seen {
					number[u.key+those] = len(keys)
					t := a.keyTarget(k)
					t.Grants = grants
					keys, stores, states = append(keys, t), append(stores, a.target("*", k.Facts.Account)), append(states, k.Facts.State)
				}
				of = append(of, number[u.key+those])
			}
		}
		w.keysOf = append(w.keysOf, of)
		if function := s.Facts.RotationLambdaARN; function != "" {
			if _, seen := functions[function]; !seen {
				functions[function] = len(rotates)
				rotates, w.rotated = append(rotates, a.target(function, arn.Of(function).Account)), append(w.rotated, nil)
			}
			w.rotated[functions[function]] = append(w.rotated[functions[function]], i)
		}
	}
	w.anyPolicy = open.secrets.With(func(_ int, t *policy.Target) { t.Policy = anybody })
	w.noPolicy = open.secrets.With(func(_ int, t *policy.Target) { t.Policy = nil })
	w.anyKey = open.keys.With(func(i int, t *policy.Target) {
		if changeable[i] {
			t.Policy, t.Grants = anybody, nil
		}
	})
	w.elsewhere, w.managed, w.keys, w.rotates = policy.NewIndex(elsewhere), policy.NewIndex(managed), policy.NewIndex(keys), policy.NewIndex(rotates)
	w.stores = policy.NewIndex(stores)
	w.shut = w.newShut(states)
	w.tagged, w.aliased, w.moving = w.newTagged(), w.newAliased(), w.newMoving()
	w.findLetIn()
	return w
}

// replicated is a secret as it would be in another Region: which one, whoever replicates it chooses.
func (a *Access) replicated(s *Secret, t policy.Target) policy.Target {
	region := "us-east-1"
	if account := a.accounts[s.Facts.Account]; account != nil {
		for _, other := range account.Regions {
			if other != s.Facts.Region {
				region = other
			}
		}
	}
	t.ARN = arn.Of(t.ARN).In(region).String()
	t.Context = maps.Clone(t.Context)
	t.Context["aws:RequestedRegion"] = []string{region}
	return t
}

// lock is what is asked about each secret of a world: for a right, whether somebody has it, else whether a lock opens.
type lock uint8

const (
	opensBoth   lock = iota // as it is
	opensSecret             // the first lock alone
	opensKey                // the second
	opensAnyPolicy
	opensNoPolicy
	opensElsewhere
	opensAnyKey
	opensManaged
	opensEnabled    // the second lock, once the key is on again
	opensAnyEnabled // and its policy lets anybody in
	opensTagged     // the first lock, with other tags
	opensKeyTagged  // the second one
	opensKeyAliased // the second one, with other aliases of the key
	opensOtherKey   // another key, to which the alias that the secret names could be moved

	writesPolicy
	deletesPolicy
	writesKeyPolicy
	grants
	updates
	replicates
	recodes
	restores
	enables
	cancels
	imports
	connects
	tags
	untags
	tagsKey
	untagsKey
	createsAlias
	updatesAlias
	deletesAlias
	movesNamed // the alias that the secret names: at once, or by a new one of its name
	dropsNamed
	makesNamed
	createsKey
	numberOfLocks
)

const firstRight = writesPolicy

// changes are the actions of the rights; each is one step.
// Source: as for powers; Secrets Manager API Reference, UpdateSecret and ReplicateSecretToRegions, required permissions: both need
// the key of the secret.
var changes = map[lock][]string{
	writesPolicy:    {"secretsmanager:PutResourcePolicy"},
	deletesPolicy:   {"secretsmanager:DeleteResourcePolicy"},
	writesKeyPolicy: {"kms:PutKeyPolicy"},
	grants:          {"kms:CreateGrant"},
	updates:         {"secretsmanager:UpdateSecret"},
	replicates:      {"secretsmanager:ReplicateSecretToRegions"},
	recodes:         {"lambda:UpdateFunctionCode"},
	restores:        {"secretsmanager:RestoreSecret"},
	enables:         {"kms:EnableKey"},
	cancels:         {"kms:CancelKeyDeletion"},
	imports:         {"kms:ImportKeyMaterial"},
	connects:        {"kms:ConnectCustomKeyStore"},
	tags:            {"secretsmanager:TagResource"},
	untags:          {"secretsmanager:UntagResource"},
	tagsKey:         {"kms:TagResource"},
	untagsKey:       {"kms:UntagResource"},
	createsAlias:    {"kms:CreateAlias"},
	updatesAlias:    {"kms:UpdateAlias"},
	deletesAlias:    {"kms:DeleteAlias"},
	movesNamed:      {"kms:UpdateAlias"},
	dropsNamed:      {"kms:DeleteAlias"},
	makesNamed:      {"kms:CreateAlias"},
	createsKey:      {"kms:CreateKey"},
}

// The rights that change the labels by which policies decide about a secret or key.
var (
	retagging    = []lock{tags, untags}
	retaggingKey = []lock{tagsKey, untagsKey}
	realiasing   = []lock{createsAlias, updatesAlias, deletesAlias}
)

// standing is how one identity stands before all secrets of a world: 0 closed, 1 perhaps, 2 certainly.
type standing struct {
	world   *world
	askers  []*asker
	answers [numberOfLocks][]int8
	asked   [numberOfLocks]bool
	keys    [numberOfLocks][]int8   // for the rights to change keys: of each key
	before  [numberOfLocks][]lock   // of rights on secrets or keys: the right to change the labels that it takes first; 0 for none
	where   [numberOfLocks][]string // the accounts whose secrets are not all closed
}

func (w *world) standing(id identity, askers []*asker) *standing {
	if found := w.standings[id]; found != nil && id.of != start {
		return found
	}
	s := &standing{world: w, askers: askers}
	if id.of != start {
		w.standings[id] = s
	}
	return s
}

// of are the answers about all secrets; nil where all are closed.
func (s *standing) of(l lock) []int8 {
	if s.asked[l] {
		return s.answers[l]
	}
	if !s.world.matters(l) {
		s.asked[l] = true
		return nil
	}
	if l == opensSecret {
		s.of(opensBoth) // which asks for both
		return s.answers[l]
	}
	answers := s.world.zeros()
	if l == opensBoth {
		first := s.world.zeros()
		for _, w := range s.askers {
			s.world.open.ask(w, answers, first)
		}
		s.keep(opensSecret, first)
	} else {
		for _, w := range s.askers {
			s.ask(w, l, answers)
		}
	}
	s.keep(l, answers)
	return s.answers[l]
}

func (s *standing) keep(l lock, answers []int8) {
	s.asked[l] = true
	for i, answer := range answers {
		if answer == 0 {
			continue
		}
		s.answers[l] = answers
		if account := s.world.accounts[i]; !slices.Contains(s.where[l], account) {
			s.where[l] = append(s.where[l], account)
		}
	}
	if s.answers[l] == nil {
		s.world.spare = answers
	}
}

// zeros are answers that nobody uses yet: most are thrown away, since most principals open and change nothing.
func (w *world) zeros() []int8 {
	if out := w.spare; out != nil {
		w.spare = nil
		return out
	}
	return make([]int8, len(w.at))
}

func (s *standing) ask(who *asker, l lock, answers []int8) {
	w := s.world
	switch l {
	case opensAnyPolicy:
		w.each(who, w.anyPolicy, readSecret, answers)
	case opensNoPolicy:
		w.each(who, w.noPolicy, readSecret, answers)
	case opensElsewhere:
		w.each(who, w.elsewhere, readSecret, answers)
	case opensManaged:
		w.each(who, w.managed, decrypt, answers)
	case opensKey:
		q := who.about(w.open.keys, decrypt)
		for i := range answers {
			best, _ := w.open.key(q, i, who)
			answers[i] = max(answers[i], who.certainty(best))
		}
	case opensAnyKey:
		w.anyKeys(who, answers, false)
	case opensEnabled:
		w.shut.opens(w, who, answers)
	case opensAnyEnabled:
		w.anyKeys(who, answers, true)
	case opensTagged:
		w.each(who, w.tagged.secrets, readSecret, answers)
		atMost(answers, 1)
	case opensKeyTagged:
		w.tagged.opens(w, who, answers)
	case opensKeyAliased:
		w.aliased.opens(w, who, answers)
	case opensOtherKey:
		w.moving.opens(w, who, answers)
	case movesNamed, dropsNamed, makesNamed, createsKey:
		w.moving.rights(w, who, l, answers)
	case enables, cancels, imports, connects:
		s.askKeys(who, l)
		w.shut.rights(w, s.keys[l], l, answers)
	case tags, untags:
		w.each(who, w.open.secrets, changes[l][0], answers)
		atMost(answers, 1) // whether other tags open it is not known
	case writesKeyPolicy, grants, tagsKey, untagsKey, createsAlias, updatesAlias, deletesAlias:
		s.askKeys(who, l)
		found := s.keys[l]
		for i, of := range w.keysOf {
			for _, k := range of {
				answers[i] = max(answers[i], found[k])
			}
		}
	case recodes:
		q := who.about(w.rotates, changes[l][0])
		for i := range q.Candidates() {
			if !denied(q.Answer(i)) {
				for _, secret := range w.rotated[i] {
					answers[secret] = max(answers[secret], 1) // whether the function's role still reads it is not in the snapshot
				}
			}
		}
	default: // on the secret itself
		w.each(who, w.open.secrets, changes[l][0], answers)
		if w.tagged != nil {
			s.askRelabelled(who, l, w.tagged.secrets, answers, retagging, s.of)
		}
	}
}

// askKeys are the answers about a right to change keys.
func (s *standing) askKeys(who *asker, l lock) {
	w := s.world
	index := w.keys
	if l == connects {
		index = w.stores
	}
	q := who.about(index, changes[l][0])
	if s.keys[l] == nil {
		s.keys[l] = make([]int8, w.keys.Targets())
	}
	for i := range q.Candidates() {
		if l != writesKeyPolicy && l != grants && w.access.abroad(who, w.keys.Target(i).Account) {
			continue
		}
		answer := who.certainty(q.Answer(i))
		if answer > 0 && slices.Contains(realiasing, l) && !w.access.mayNameAlias(who, changes[l][0], w.keys.Target(i).ARN) {
			continue
		}
		s.keys[l][i] = max(s.keys[l][i], answer)
	}
	if l == connects || slices.Contains(retaggingKey, l) { // which are about no key, or come first
		return
	}
	onKeys := func(right lock) []int8 { return s.keys[right] }
	if w.tagged != nil {
		s.askRelabelled(who, l, w.tagged.keys, s.keys[l], retaggingKey, onKeys)
	}
	if w.aliased != nil && !slices.Contains(realiasing, l) {
		s.askRelabelled(who, l, w.aliased.keys, s.keys[l], realiasing, onKeys)
	}
}

func atMost(answers []int8, most int8) {
	for i := range answers {
		answers[i] = min(answers[i], most)
	}
}

func (w *world) each(who *asker, index *policy.Index, action string, answers []int8) {
	q := who.about(index, action)
	for i := range q.Candidates() {
		answers[i] = max(answers[i], who.certainty(q.Answer(i)))
	}
}

// anyKeys is the second lock once a key policy lets anybody in: of the keys that are on or, once they are on again, of the others.
func (w *world) anyKeys(who *asker, answers []int8, off bool) {
	q := who.about(w.anyKey, decrypt)
	for i := range answers {
		for j := range w.open.uses[i] {
			u := &w.open.uses[i][j]
			if off != (u.closed != "") || len(w.keysOf[i]) == 0 {
				continue
			}
			answer := who.certainty(q.Answer(w.open.first[i] + j))
			if u.doubt != "" {
				answer = min(answer, 1)
			}
			answers[i] = max(answers[i], answer)
		}
	}
}
