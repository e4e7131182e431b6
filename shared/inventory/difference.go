package inventory

import (
	"fmt"
	"maps"
	"slices"
)

// Difference is somebody who holds more, or less, of a secret's locks in one snapshot than in another.
type Difference struct {
	Principal string // as in Reader
	Secret    string // ARN
	Gains     bool   // its key, perhaps or certainly; else it no longer opens the secret for certain
}

// Difference finds somebody who gets the key of one of some secrets by a change of the snapshot, or no longer opens its current version for certain; nil
// where nobody does. Each principal of the snapshot, and those outside it that one of the secrets' policies names, is asked about all of them
// at once. The key lock counts alone for those who gain: somebody may give them the other one.
func (a *Access) Difference(after *Access, secretARNs []string) (*Difference, error) {
	was, err := a.nowOf(secretARNs)
	if err != nil {
		return nil, err
	}
	is, err := after.nowOf(secretARNs)
	if err != nil {
		return nil, err
	}
	for _, name := range once(slices.AppendSeq(slices.Collect(maps.Keys(was.candidates)), maps.Keys(is.candidates))) {
		opened, had, err := was.of(name)
		if err != nil {
			return nil, err
		}
		opens, has, err := is.of(name)
		if err != nil {
			return nil, err
		}
		for i := range secretARNs {
			if gains := has[i] > had[i]; gains || opened[i] == 2 && opens[i] < 2 {
				return &Difference{Principal: name, Secret: secretARNs[i], Gains: gains}, nil
			}
		}
	}
	return nil, nil
}

// now is the current versions of some secrets, and who is worth asking about them.
type now struct {
	access     *Access
	open       *openings
	candidates map[string]bool
}

func (a *Access) nowOf(secretARNs []string) (*now, error) {
	n := &now{access: a, candidates: map[string]bool{}}
	var at []int
	for _, id := range secretARNs {
		i, found := a.secrets[id]
		if !found {
			return nil, fmt.Errorf("find secret %s: %w", id, ErrNotInSnapshot)
		}
		at = append(at, i)
		for _, name := range a.outsiders(&a.snapshot.Secrets[i]) {
			n.candidates[name] = true
		}
	}
	for i := range a.snapshot.Principals {
		n.candidates[a.snapshot.Principals[i].ARN] = true
	}
	n.open = a.index(at, true)
	return n, nil
}

// of is what somebody opens, and of what it could use the key: 0 not, 1 perhaps, 2 certainly. Whom a policy lets in only after a change is
// nobody before it.
func (n *now) of(name string) (opens, keys []int8, err error) {
	opens, keys = make([]int8, len(n.open.locks)), make([]int8, len(n.open.locks))
	if !n.candidates[name] {
		return opens, keys, nil
	}
	askers, err := n.access.askers(name)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range askers {
		n.open.ask(w, opens, nil)
		q := w.about(n.open.keys, decrypt)
		for i := range keys {
			best, _ := n.open.key(q, i, w)
			keys[i] = max(keys[i], w.certainty(best))
		}
	}
	return opens, keys, nil
}
