package core

import (
	"iter"
	"slices"
)

// trailIndex finds the entries of a history by what most searches ask for. Rendering an entry is most of the work of a
// search, so each is rendered for it a single time, and only where somebody searches.
type trailIndex struct {
	next      int              // the number of the first entry that is not in it yet
	pruned    int              // numbers below it are in it no more
	names     map[string][]int // numbers of entries by the name of their event, oldest first
	resources map[string][]int // and by each of their resources
}

// isIndexed reports that an attribute of LookupEvents is one that the index has.
func isIndexed(attribute string) bool {
	return attribute == "EventName" || attribute == "ResourceName"
}

// candidates yields the entries that can match a search, newest first.
func (t *trailStore) candidates(a *AWS, in lookupInput) iter.Seq[entry] {
	if len(in.LookupAttributes) == 0 || !isIndexed(in.LookupAttributes[0].AttributeKey) {
		return func(yield func(entry) bool) {
			for _, e := range slices.Backward(t.history) {
				if !yield(e) {
					return
				}
			}
		}
	}
	t.catchUp(a)
	of := t.index.names
	if in.LookupAttributes[0].AttributeKey == "ResourceName" {
		of = t.index.resources
	}
	return func(yield func(entry) bool) {
		for _, number := range slices.Backward(of[in.LookupAttributes[0].AttributeValue]) {
			if number < t.forgotten || !yield(t.history[number-t.forgotten]) {
				return
			}
		}
	}
}

// catchUp takes the entries into the index that came since the last search.
func (t *trailStore) catchUp(a *AWS) {
	x := &t.index
	if x.names == nil {
		x.names, x.resources = map[string][]int{}, map[string][]int{}
	}
	if t.forgotten-x.pruned >= max(len(t.history)/4, 1) {
		x.prune(t.forgotten)
	}
	for x.next = max(x.next, t.forgotten); x.next < t.forgotten+len(t.history); x.next++ {
		record := a.render(t.history[x.next-t.forgotten])
		x.names[text(record["eventName"])] = append(x.names[text(record["eventName"])], x.next)
		for _, name := range resourceNames(record) {
			if all := x.resources[name]; len(all) == 0 || all[len(all)-1] != x.next { // it may name one twice
				x.resources[name] = append(all, x.next)
			}
		}
	}
}

// prune drops the numbers below one.
func (x *trailIndex) prune(below int) {
	for _, of := range []map[string][]int{x.names, x.resources} {
		for name, numbers := range of {
			at, _ := slices.BinarySearch(numbers, below)
			if at == len(numbers) {
				delete(of, name)
			} else if at > 0 {
				of[name] = slices.Clone(numbers[at:])
			}
		}
	}
	x.pruned = below
}
