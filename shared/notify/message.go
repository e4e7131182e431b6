package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
)

// Message is all that goes to one owner at once.
type Message struct {
	Route   string // whom it goes to: Owner.Route
	Stories []Story
	Digest  bool   // a reminder of what is still open, not news
	Note    string // one sentence on what the message leaves out; "" is nothing
	Part    int    // of a message that is too long for one: from 1 to Parts
	Parts   int    // 0 and 1: it is whole
}

// Story is what happened to one resource, most urgent notice first.
type Story struct {
	Owner   Owner
	Notices []guard.Notice
	Keys    Keys // to use when fixing
	Repeat  bool // an earlier delivery was cut off, so its reader may know this already
}

// Lead is the notice a story is headed by.
func (s Story) Lead() guard.Notice { return s.Notices[0] }

// Item is a notice on its way to a person.
type Item struct {
	Notice guard.Notice
	Repeat bool
}

// KeyFor names the key to put what a notice is about under, in a Region: an ARN or alias.
type KeyFor func(n guard.Notice, region string) string

// regions are the Regions in which a fix may set a key.
func regions(n guard.Notice) []string {
	in := []string{n.Region}
	if n.Finding != nil {
		in = append(in, replicaRegions(n)...)
	}
	return in
}

// Compose makes one message per owner out of notices, with that owner's resources only. One resource can be in two
// messages: its findings are its owner's, a blind spot on it is the fallback's. The same items in any order give the
// same messages. keyFor names the key to use in a Region when fixing.
func Compose(items []Item, d Directory, keyFor KeyFor) []Message {
	stories := map[string]*Story{}
	for _, item := range latest(items) {
		n := item.Notice
		owner := d.Resolve(n)
		s, ok := stories[n.Resource+"|"+owner.Route]
		if !ok {
			s = &Story{Owner: owner, Keys: Keys{}}
			stories[n.Resource+"|"+owner.Route] = s
		}
		s.Notices = append(s.Notices, n)
		for _, region := range regions(n) {
			s.Keys[region] = keyFor(n, region)
		}
		s.Repeat = s.Repeat || item.Repeat
	}
	routes := map[string]*Message{}
	for _, name := range sortedNames(stories) {
		s := stories[name]
		slices.SortStableFunc(s.Notices, moreUrgent)
		m, ok := routes[s.Owner.Route]
		if !ok {
			m = &Message{Route: s.Owner.Route}
			routes[s.Owner.Route] = m
		}
		m.Stories = append(m.Stories, *s)
	}
	messages := make([]Message, 0, len(routes))
	for _, route := range sortedNames(routes) {
		m := routes[route]
		slices.SortStableFunc(m.Stories, func(a, b Story) int { return moreUrgent(a.Lead(), b.Lead()) })
		messages = append(messages, *m)
	}
	return messages
}

// latest keeps the last word on each finding, so that nobody is alarmed by a finding that is resolved in the same batch.
// Its items are in the order in which they happened.
func latest(items []Item) []Item {
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b Item) int {
		return cmp.Or(a.Notice.At.Compare(b.Notice.At), cmp.Compare(a.Notice.ID, b.Notice.ID))
	})
	last := map[string]int{}
	for i, item := range sorted {
		last[about(item.Notice)] = i
	}
	kept := make([]Item, 0, len(last))
	for i, item := range sorted {
		if last[about(item.Notice)] == i {
			kept = append(kept, item)
		}
	}
	return kept
}

// Covers reports whether a notice is in the message: itself, or by a later word on the same finding.
func (m Message) Covers(n guard.Notice) bool {
	return slices.ContainsFunc(m.Stories, func(s Story) bool {
		return slices.ContainsFunc(s.Notices, func(in guard.Notice) bool { return about(in) == about(n) })
	})
}

// about is what a notice has the word on: a finding as it opens and resolves, or an occurrence of its own.
func about(n guard.Notice) string {
	if n.Finding != nil && (n.Kind == guard.NoticeOpened || n.Kind == guard.NoticeResolved) {
		return n.Finding.ID()
	}
	return n.ID
}

func moreUrgent(a, b guard.Notice) int {
	return cmp.Or(
		cmp.Compare(urgency(b), urgency(a)),
		cmp.Compare(rank(SeverityOf(b)), rank(SeverityOf(a))),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.ID, b.ID),
	)
}

func urgency(n guard.Notice) int {
	switch n.Kind {
	case guard.NoticeIncident, guard.NoticeTampered, guard.NoticeReaderLost:
		return 5
	case guard.NoticeFailed, guard.NoticeRolledBack, guard.NoticeAttention:
		return 4
	case guard.NoticeDeniedRead:
		return 3
	case guard.NoticeRekeyed, guard.NoticeUnproven, guard.NoticeSealDue, guard.NoticeKeyRestored:
		return 2
	case guard.NoticeResolved:
		return 0
	default:
		return 1
	}
}

func rank(s guard.Severity) int {
	return slices.Index([]guard.Severity{
		guard.SeverityLow, guard.SeverityMedium, guard.SeverityHigh, guard.SeverityCritical,
	}, s)
}

// SeverityOf says how urgent a notice is. What leaves nothing to do is low, whatever it was.
func SeverityOf(n guard.Notice) guard.Severity {
	switch {
	case n.Kind == guard.NoticeIncident && n.Blast != nil && n.Blast.Counts().Judged()+n.Blast.Counts().Unknown == 0 && (n.Blast.Index == nil || n.Blast.Index.Complete(n.At)):
		return guard.SeverityHigh // nothing that is read stops; else secrets may be under the key that nobody knows of
	case closingOf(n) != notClosed:
		return guard.SeverityLow
	case n.Kind == guard.NoticeIncident || n.Kind == guard.NoticeTampered || n.Kind == guard.NoticeReaderLost:
		return guard.SeverityCritical
	case n.Kind == guard.NoticeFailed || n.Kind == guard.NoticeKeyRestored || n.Kind == guard.NoticeDeniedRead || n.Kind == guard.NoticeRolledBack || n.Kind == guard.NoticeAttention:
		return guard.SeverityHigh
	case n.Kind == guard.NoticeSealDue, n.Kind == guard.NoticeRekeyed, n.Kind == guard.NoticeUnproven:
		return guard.SeverityMedium // the last step is the owner's, or may come to be
	case n.Finding != nil && n.Finding.Severity != "" && rank(n.Finding.Severity) < 0:
		return guard.SeverityHigh // a newer version's: nobody here knows how urgent
	case n.Finding != nil && n.Finding.Severity != "":
		return n.Finding.Severity
	default:
		return guard.SeverityLow
	}
}

// Severity is that of the most severe notice.
func (m Message) Severity() guard.Severity {
	top := guard.SeverityLow
	for _, s := range m.Stories {
		for _, n := range s.Notices {
			if severity := SeverityOf(n); rank(severity) > rank(top) {
				top = severity
			}
		}
	}
	return top
}

// Controls lists the controls the message is about, sorted.
func (m Message) Controls() []string {
	set := map[string]bool{}
	for _, s := range m.Stories {
		for _, n := range s.Notices {
			if n.Finding != nil {
				set[string(n.Finding.Control)] = true
			}
		}
	}
	return sortedNames(set)
}

// Accounts lists the accounts the message is about, sorted.
func (m Message) Accounts() []string {
	set := map[string]bool{}
	for _, s := range m.Stories {
		set[s.Lead().Account] = true
	}
	return sortedNames(set)
}

// Thread is the same for everything that is said about one finding, so that chat keeps it together; a message about
// several resources goes to its owner's own thread. 32 hexadecimal digits.
func (m Message) Thread() string {
	about := "digest|" + m.Route
	if len(m.Stories) == 1 {
		lead := m.Stories[0].Lead()
		about = lead.Resource
		if lead.Finding != nil {
			about = lead.Finding.ID()
		}
	}
	sum := sha256.Sum256([]byte(about))
	return hex.EncodeToString(sum[:16])
}

// ShortID is the id of a notice, or of several, as messages carry it: 32 hexadecimal digits, the same for the same text.
func ShortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// DedupeKey names one delivery of a notice in one channel. Whoever sends remembers it, so that a repeat is not sent.
func DedupeKey(channel string, n guard.Notice) string { return channel + "|" + n.ID }
