package messaging

import "iter"

// backlog keeps messages in the order in which they came. Taking one out leaves a gap that is closed later, so that
// it costs the same however many wait.
type backlog struct {
	list []*message
	gaps int
}

func (b *backlog) size() int { return len(b.list) - b.gaps }

func (b *backlog) add(m *message) {
	b.tidy()
	b.list = append(b.list, m)
}

func (b *backlog) remove(m *message) {
	if !m.gone {
		m.gone = true
		b.gaps++
	}
}

// removeIf takes out what the test says.
func (b *backlog) removeIf(test func(*message) bool) {
	for m := range b.all() {
		if test(m) {
			b.remove(m)
		}
	}
}

// all yields the messages in order. Messages may be removed meanwhile.
func (b *backlog) all() iter.Seq[*message] {
	return func(yield func(*message) bool) {
		for _, m := range b.list {
			if !m.gone && !yield(m) {
				return
			}
		}
	}
}

// tidy closes the gaps at the front, and all when they are the greater part.
func (b *backlog) tidy() {
	for len(b.list) > 0 && b.list[0].gone {
		b.list, b.gaps = b.list[1:], b.gaps-1
	}
	if b.gaps <= len(b.list)/2 {
		return
	}
	kept := make([]*message, 0, b.size())
	for m := range b.all() {
		kept = append(kept, m)
	}
	b.list, b.gaps = kept, 0
}
