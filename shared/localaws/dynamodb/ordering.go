package dynamodb

import (
	"hash/fnv"
	"slices"
	"strings"
)

// stored is an item in a table.
type stored struct {
	key  string // encoded primary key
	item item
}

// ordering keeps the items of a table or index in order: by partition, within it by sort key, then by primary key.
type ordering struct {
	hash, sort string // attribute names; sort may be ""
	by         map[string][]*stored
	order      []partition // sorted unless stale
	stale      bool
}

// partition is a partition key at its position in a scan.
type partition struct {
	hash uint64
	key  string
}

func newOrdering(hash string) *ordering { return &ordering{hash: hash, by: map[string][]*stored{}} }

func encodeKey(v value) string { return v.kind + ":" + v.text }

func partitionOf(key string) partition {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	return partition{h.Sum64(), key}
}

func (p partition) compare(other partition) int {
	switch {
	case p.hash < other.hash:
		return -1
	case p.hash > other.hash:
		return 1
	}
	return strings.Compare(p.key, other.key)
}

// holds reports whether an item has the key attributes of the ordering.
func (s *ordering) holds(i item) bool {
	_, hash := i[s.hash]
	_, sort := i[s.sort]
	return hash && (sort || s.sort == "")
}

func (s *ordering) compare(x, y *stored) int {
	if s.sort != "" {
		if order, _ := x.item[s.sort].compare(y.item[s.sort]); order != 0 {
			return order
		}
	}
	return strings.Compare(x.key, y.key)
}

func (s *ordering) insert(it *stored) {
	key := encodeKey(it.item[s.hash])
	list, ok := s.by[key]
	if !ok {
		s.order, s.stale = append(s.order, partitionOf(key)), true
	}
	at, _ := slices.BinarySearchFunc(list, it, s.compare)
	s.by[key] = slices.Insert(list, at, it)
}

// remove leaves an empty partition in the order; it stays in the order, and scans pass it by.
func (s *ordering) remove(it *stored) {
	key := encodeKey(it.item[s.hash])
	list := s.by[key]
	if at, ok := slices.BinarySearchFunc(list, it, s.compare); ok {
		s.by[key] = slices.Delete(list, at, at+1)
	}
}

func (s *ordering) count() int {
	n := 0
	for _, list := range s.by {
		n += len(list)
	}
	return n
}

// partitions are all partition keys in scanning order.
func (s *ordering) partitions() []partition {
	if s.stale {
		slices.SortFunc(s.order, partition.compare)
		s.stale = false
	}
	return s.order
}

// after yields the items of a partition that come after a start (nil: all), forward or backward.
func (s *ordering) after(list []*stored, start *stored, forward bool) func(func(*stored) bool) {
	return func(yield func(*stored) bool) {
		from, step := 0, 1
		if !forward {
			from, step = len(list)-1, -1
		}
		if start != nil {
			at, found := slices.BinarySearchFunc(list, start, s.compare)
			switch {
			case !forward:
				from = at - 1
			case found:
				from = at + 1
			default:
				from = at
			}
		}
		for i := from; i >= 0 && i < len(list); i += step {
			if !yield(list[i]) {
				return
			}
		}
	}
}

// scan yields all items after a start, or those of one segment of several.
func (s *ordering) scan(start *stored, segment, segments int) func(func(*stored) bool) {
	return func(yield func(*stored) bool) {
		all := s.partitions()
		from := 0
		if start != nil {
			from, _ = slices.BinarySearchFunc(all, partitionOf(encodeKey(start.item[s.hash])), partition.compare)
		}
		for n, p := range all[from:] {
			if segments > 1 && p.hash%uint64(segments) != uint64(segment) { //nolint:gosec // both are checked to be positive
				continue
			}
			begin := start
			if start == nil || n > 0 || p.key != encodeKey(start.item[s.hash]) {
				begin = nil
			}
			for it := range s.after(s.by[p.key], begin, true) {
				if !yield(it) {
					return
				}
			}
		}
	}
}
