package migration

import (
	"cmp"
	"slices"

	"github.com/doublelock/doublelock/shared/store"
)

// InOrder sorts entries of a secret's journal as they were written: by time, and within one instant a change before the
// look that ends it, and going back last. The table sorts those of one instant by their ID, which says nothing of order.
func InOrder(entries []store.JournalEntry) []store.JournalEntry {
	out := slices.Clone(entries)
	slices.SortStableFunc(out, func(a, b store.JournalEntry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(stageInInstant(a), stageInInstant(b)))
	})
	return out
}

func stageInInstant(e store.JournalEntry) int {
	switch Action(e.Action) {
	case doVerify:
		return 1
	case doRollback:
		return 2
	}
	return 0
}
