package inventory

import (
	"slices"

	"github.com/doublelock/doublelock/shared/policy"
)

// Openings are the secrets that a principal can open, by ARN and in the order of the snapshot.
type Openings struct {
	Principal string
	Open      []string // both locks
	Unknown   []string // could be: what was not read, or not given, would decide
	Unread    []Unread // secrets that are not in the snapshot at all
}

// Can lists what a principal (role, user, session or root) can read, in whichever version. Opens says why, for one secret.
func (a *Access) Can(principalARN string) (Openings, error) {
	all := a.allOpenings()
	answers := make([]int8, len(a.snapshot.Secrets))
	askers, err := a.askers(principalARN)
	if err != nil {
		return Openings{}, err
	}
	for _, w := range askers {
		all.ask(w, answers, nil)
	}
	out := Openings{Principal: principalARN}
	for i, answer := range answers {
		switch arn := a.snapshot.Secrets[i].Facts.ARN; answer {
		case 2:
			out.Open = append(out.Open, arn)
		case 1:
			out.Unknown = append(out.Unknown, arn)
		}
	}
	out.Unread = a.readsUnread(principalARN, askers)
	if a.accountsMissing() && slices.ContainsFunc(askers, a.readsOfMissing) {
		out.Unread = append(out.Unread, a.missingAccounts())
	}
	return out, nil
}

// openings is everything that is asked of all secrets at once.
type openings struct {
	secrets *policy.Index
	keys    *policy.Index
	locks   []*locks
	uses    [][]keyUse // of each secret, the keys of all its versions
	first   []int      // of each secret's keys, where they begin among the targets of keys
	certain []bool     // of each secret, that no other key opens a version
}

func (a *Access) allOpenings() *openings {
	a.bulk.Do(func() { a.openings = a.index(a.all(), false) })
	return a.openings
}

// all are the secrets of the snapshot.
func (a *Access) all() []int {
	out := make([]int, len(a.snapshot.Secrets))
	for i := range out {
		out[i] = i
	}
	return out
}

// index makes them ready to be asked about: all versions that a location keeps, or the current ones alone.
func (a *Access) index(of []int, current bool) *openings {
	o := &openings{}
	var secrets, keys []policy.Target
	for _, i := range of {
		s := &a.snapshot.Secrets[i]
		l := a.locks(s)
		if current {
			l.ways = l.ways[:1]
		}
		uses, certain := a.usesOf(l)
		o.locks, o.uses, o.certain = append(o.locks, l), append(o.uses, uses), append(o.certain, certain)
		o.first = append(o.first, len(keys))
		secrets = append(secrets, l.target)
		for j := range uses {
			keys = append(keys, uses[j].target)
		}
	}
	o.secrets, o.keys = policy.NewIndex(secrets), policy.NewIndex(keys)
	return o
}

// usesOf are the keys that open some version, each once: with the version's id where it opens one alone, else with some id.
func (a *Access) usesOf(l *locks) (uses []keyUse, certain bool) {
	certain = true
	versions := map[string]int{}
	for i := range l.ways {
		certain = certain && l.ways[i].certain && len(l.ways[i].keys) > 0
		for j := range l.ways[i].keys {
			u := &l.ways[i].keys[j]
			if versions[u.key]++; versions[u.key] == 1 {
				uses = append(uses, *u)
			}
		}
	}
	for i := range uses {
		if versions[uses[i].key] > 1 {
			uses[i].target = uses[i].ofSomeVersion()
		}
	}
	return uses, certain
}

// ask raises the answers to what one principal can open: 1 may be, 2 certainly; and, where they are asked for, those of the first
// lock alone.
func (o *openings) ask(w *asker, answers, firsts []int8) {
	request := policy.Request{Principal: w.principal, Action: readSecret, Open: true, Unknown: w.unknown, Absent: w.absent}
	secret := o.secrets.Ask(request, w.policies)
	request.Action = decrypt
	key := o.keys.Ask(request, w.policies)
	for i := range secret.Candidates() {
		l := o.locks[i]
		if l.closed != "" || answers[i] == 2 && firsts == nil {
			continue
		}
		first := secret.Answer(i)
		if firsts != nil {
			firsts[i] = max(firsts[i], w.certainty(first))
		}
		if denied(first) || answers[i] == 2 {
			continue
		}
		chosen := first == policy.Unknown && secret.RestsOn(choices...)
		second, vague := o.key(key, i, w)
		answer := both(first, second)
		if answer == policy.Unknown && (chosen || vague) { // rare enough to be asked at length
			answer = l.any(w).Answer
		}
		answers[i] = max(answers[i], w.certainty(answer))
	}
}

// key is the second lock of any version, without the reasons; vague where it rests on which version it is.
func (o *openings) key(q *policy.Query, i int, w *asker) (best policy.Answer, vague bool) {
	if len(o.uses[i]) == 0 {
		return policy.Unknown, false
	}
	best = policy.ImplicitlyDenied
	for j := range o.uses[i] {
		answer := o.use(q, o.first[i]+j, &o.uses[i][j], w)
		vague = vague || answer == policy.Unknown && q.RestsOn(secretVersion)
		if better(answer, best) {
			best = answer
		}
	}
	if denied(best) && !o.certain[i] {
		return policy.Unknown, false
	}
	return best, vague
}

func (o *openings) use(q *policy.Query, target int, u *keyUse, w *asker) policy.Answer {
	if u.closed != "" {
		return policy.ImplicitlyDenied
	}
	answer := q.Answer(target)
	switch {
	case denied(answer) && (u.grants != "" || u.shared != ""): // rare enough to be asked at length
		return u.decide(w, decrypt).Answer
	case answer == policy.Allowed && u.doubt != "":
		return policy.Unknown
	}
	return answer
}
