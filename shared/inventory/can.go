package inventory

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/policy"
)

// Openings are the secrets that a principal can open, by ARN and in the order of the snapshot.
type Openings struct {
	Principal string
	Open      []string // both locks
	Unknown   []string // could be: what was not read, or not given, would decide
	Unread    []Unread // secrets that are not in the snapshot at all
}

// Can lists what a principal (role, user, session or root) can read. Explain says why, for one secret.
func (a *Access) Can(principalARN string) (Openings, error) {
	a.bulk.Do(func() { a.openings = a.index() })
	answers := make([]int8, len(a.snapshot.Secrets))
	for _, arn := range a.variants(principalARN) {
		w, err := a.asker(arn)
		if err != nil {
			return Openings{}, fmt.Errorf("ask for %s: %w", principalARN, err)
		}
		a.openings.ask(w, answers)
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
	for _, u := range a.snapshot.Unread {
		if u.Part == PartSecrets || u.Part == PartOrganization {
			out.Unread = append(out.Unread, u)
		}
	}
	return out, nil
}

// openings is everything that is asked of all secrets at once.
type openings struct {
	secrets *policy.Index
	keys    *policy.Index
	locks   []*locks
	first   []int // of each secret's keys, where they begin among the targets of keys
}

func (a *Access) index() *openings {
	o := &openings{}
	var secrets, keys []policy.Target
	for i := range a.snapshot.Secrets {
		l := a.locks(&a.snapshot.Secrets[i])
		o.locks = append(o.locks, l)
		o.first = append(o.first, len(keys))
		secrets = append(secrets, l.target)
		for j := range l.keys {
			keys = append(keys, l.keys[j].target)
		}
	}
	o.secrets, o.keys = policy.NewIndex(secrets), policy.NewIndex(keys)
	return o
}

// ask raises the answers to what one principal can open: 1 may be, 2 certainly.
func (o *openings) ask(w *asker, answers []int8) {
	secret := o.secrets.Ask(w.principal, w.policies, readSecret, w.unknown)
	key := o.keys.Ask(w.principal, w.policies, decrypt, w.unknown)
	for i := range secret.Candidates() {
		l := o.locks[i]
		if l.closed != "" || answers[i] == 2 {
			continue
		}
		first := secret.Answer(i)
		if denied(first) {
			continue
		}
		answers[i] = max(answers[i], int8(openness(both(first, o.key(key, i, w)))))
	}
}

// key is decideKey without the reasons.
func (o *openings) key(q *policy.Query, i int, w *asker) policy.Answer {
	l := o.locks[i]
	if len(l.keys) == 0 {
		return policy.Unknown
	}
	best := policy.ImplicitlyDenied
	for j := range l.keys {
		if answer := o.use(q, o.first[i]+j, &l.keys[j], w); better(answer, best) {
			best = answer
		}
	}
	if denied(best) && !l.certain {
		return policy.Unknown
	}
	return best
}

func (o *openings) use(q *policy.Query, target int, u *keyUse, w *asker) policy.Answer {
	if u.closed != "" {
		return policy.ImplicitlyDenied
	}
	answer := q.Answer(target)
	switch {
	case denied(answer) && u.grants != "": // rare enough to be asked at length
		return u.decide(w).Answer
	case answer == policy.Allowed && u.doubt != "":
		return policy.Unknown
	}
	return answer
}
