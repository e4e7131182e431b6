package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// The ledger keeps who used which secret, so that CloudTrail is asked for what is new alone (docs/decisions/0026). It has a document
// for each name or ARN by which callers asked for a secret, with counters by day and the times of which CloudTrail was read to the end,
// and one for each location, with the times of which that is so for all of its secrets.

// LedgerKind is what the ledger is kept as, grouped by location.
const LedgerKind = "uses"

// KeepLedger is how long a document of the ledger is kept after its last write: longer than CloudTrail is asked for.
const KeepLedger = 100 * 24 * time.Hour

const (
	everySecret  = "*"              // the document of the location; no secret has this name
	settles      = 15 * time.Minute // until CloudTrail shows a call (user guide, "Viewing events with CloudTrail Event history")
	mostCounters = 1000             // of one document; beyond them is not known who used the secret
	ledgerSaves  = 10 * time.Second // for what was read, when the time for reading is up
)

// ledger is one document.
type ledger struct {
	Read spans  `json:"read,omitempty"` // read to the end
	Over spans  `json:"over,omitempty"` // and more principals used it in these than are kept
	Uses []used `json:"uses,omitempty"`

	Forwarded forwarded `json:"forwarded,omitzero"` // of the document of a location
}

// used counts the uses by one principal, of one kind and version.
type used struct {
	Principal string         `json:"principal"` // as migration.Sighting has it
	Does      migration.Does `json:"does"`
	Version   string         `json:"version,omitempty"`
	Account   string         `json:"account,omitempty"` // of the secret
	Last      time.Time      `json:"last"`
	Days      map[string]int `json:"days"` // by date in UTC
}

// Identity tells the counters of a document apart.
func (u used) Identity() string { return u.Principal + " " + string(u.Does) + " " + u.Version }

// add counts what was found in a span, which was read to its end; what was counted already is left out. What is too old to be asked
// for is forgotten.
func (l *ledger) add(found []migration.Sighting, of span) {
	over := false
	for _, f := range found {
		if !of.has(f.Last) || l.Read.has(f.Last) {
			continue
		}
		u := l.counter(f)
		if u == nil {
			over = true
			continue
		}
		u.count(f.Last, max(f.Count, 1))
	}
	if l.Read = l.Read.with(of); over {
		l.Over = l.Over.with(of)
	}
	l.forget(of.To.Add(-KeepLedger))
}

// counter is where a use is counted, nil where the document is full.
func (l *ledger) counter(f migration.Sighting) *used {
	u := used{Principal: f.Principal, Does: f.Does, Version: f.Version, Account: f.Account, Days: map[string]int{}}
	at := slices.IndexFunc(l.Uses, func(have used) bool { return have.Identity() == u.Identity() })
	if at < 0 && len(l.Uses) == mostCounters {
		return nil
	}
	if at < 0 {
		at, l.Uses = len(l.Uses), append(l.Uses, u)
	}
	return &l.Uses[at]
}

// count adds uses of a day, of which the last was at a time.
func (u *used) count(at time.Time, n int) {
	u.Days[dayOf(at)] += n
	if at.After(u.Last) {
		u.Last = at.UTC()
	}
}

func dayOf(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// forget takes out what is older.
func (l *ledger) forget(oldest time.Time) {
	for i := range l.Uses {
		maps.DeleteFunc(l.Uses[i].Days, func(day string, _ int) bool { return day < dayOf(oldest) })
	}
	l.Uses = slices.DeleteFunc(l.Uses, func(u used) bool { return len(u.Days) == 0 })
	l.Read, l.Over = l.Read.since(oldest), l.Over.since(oldest)
}

// sightings are what is known of the uses since a time of what callers call id. Whoever was counted on the day of that time is among them:
// of a use that was forwarded the ledger has the first of its day.
func (l ledger) sightings(id, region string, since time.Time) []migration.Sighting {
	var out []migration.Sighting
	for _, u := range l.Uses {
		if dayOf(u.Last) < dayOf(since) {
			continue
		}
		s := migration.Sighting{Secret: id, Principal: u.Principal, Account: u.Account, Region: region, Does: u.Does, Version: u.Version, Last: u.Last}
		for day, n := range u.Days {
			if day >= dayOf(since) {
				s.Count += n
			}
		}
		out = append(out, s)
	}
	return out
}

// span is a time from From on and before To, in whole seconds, as CloudTrail has them.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (s span) has(at time.Time) bool { return !at.Before(s.From) && at.Before(s.To) }

func (s span) empty() bool { return !s.From.Before(s.To) }

// spans are sorted, and none touches another.
type spans []span

func (s spans) has(at time.Time) bool {
	return slices.ContainsFunc(s, func(one span) bool { return one.has(at) })
}

// without is what was found outside of them: it is evidence, too, and not counted yet.
func (s spans) without(found []migration.Sighting) []migration.Sighting {
	return slices.DeleteFunc(found, func(f migration.Sighting) bool { return s.has(f.Last) })
}

// with is the union.
func (s spans) with(more ...span) spans {
	all := slices.DeleteFunc(slices.Concat(s, more), span.empty)
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	var out spans
	for _, one := range all {
		if last := len(out) - 1; last >= 0 && !one.From.After(out[last].To) {
			if one.To.After(out[last].To) {
				out[last].To = one.To
			}
			continue
		}
		out = append(out, one)
	}
	return out
}

// missing is what of a span they do not have, the newest first.
func (s spans) missing(of span) spans {
	var out spans
	for _, have := range slices.Backward(s) {
		if gap := (span{From: have.To, To: of.To}); have.From.Before(of.To) {
			if gap.From.Before(of.From) {
				gap.From = of.From
			}
			if !gap.empty() {
				out = append(out, gap)
			}
			of.To = have.From
		}
	}
	if !of.empty() {
		out = append(out, of)
	}
	return out
}

// since is what of them is not before a time.
func (s spans) since(oldest time.Time) spans {
	return slices.DeleteFunc(slices.Clone(s), func(one span) bool { return one.To.Before(oldest) })
}

// gaps are what of a span is not certain, the newest first.
func (l ledger) gaps(of span) []migration.Gap {
	unread := l.Read.missing(of)
	for _, over := range l.Over {
		unread = append(unread, span{later(over.From, of.From), earlier(over.To, of.To)})
	}
	var out []migration.Gap
	for _, gap := range slices.Backward(spans(nil).with(unread...)) {
		out = append(out, migration.Gap{From: gap.From, To: gap.To})
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// document is one as it was loaded.
type document struct {
	ledger
	id       string
	revision int64
	unkept   bool // nothing is known of it, and nothing is kept
}

func groupOf(at migration.Location) string { return at.Account + "/" + at.Region }

// load reads a document. Where that cannot be (whoever may plan need not be one who may read the table), CloudTrail is asked for all.
// The counters of one that cannot be read may be lost, so what was read for the whole location vouches for no secret any more.
func (r Reads) load(ctx context.Context, at migration.Location, id string) document {
	if r.Ledger != nil {
		if doc, err := r.stored(ctx, at, id); err == nil {
			return doc
		}
	}
	return document{id: id, unkept: true}
}

func (r Reads) stored(ctx context.Context, at migration.Location, id string) (document, error) {
	doc, err := r.Ledger.Load(ctx, groupOf(at), id)
	out := document{id: id, revision: doc.Revision}
	if err == nil && doc.Revision > 0 {
		if why := store.Decode(doc.Body, &out.ledger); why != "" {
			bad := &store.Unreadable{Kind: LedgerKind, Group: groupOf(at), ID: id, Reason: why}
			err = cmp.Or(r.Ledger.SetAside(ctx, *bad), error(bad))
		}
	}
	if _, unreadable := errors.AsType[*store.Unreadable](err); unreadable && id != everySecret {
		r.distrust(ctx, at)
	}
	return out, err
}

// distrust is tried again by whoever finds the same.
func (r Reads) distrust(ctx context.Context, at migration.Location) {
	if whole := r.load(ctx, at, everySecret); !whole.unkept && (len(whole.Read) > 0 || !whole.Forwarded.Pulse.IsZero()) {
		whole.ledger = ledger{}
		_ = r.save(ctx, at, whole)
	}
}

// keep adds to a document as it is stored what was found in a span. It goes on after the time for reading is up: what was read once
// is not read again.
func (r Reads) keep(ctx context.Context, at migration.Location, id string, found []migration.Sighting, of span) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerSaves)
	defer cancel()
	for {
		doc := r.load(ctx, at, id)
		if doc.unkept {
			return errUnkept
		}
		doc.add(found, of)
		if err := r.save(ctx, at, doc); !errors.Is(err, guard.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
}

var errUnkept = errors.New("this document of the ledger is not kept")

func (r Reads) save(ctx context.Context, at migration.Location, doc document) error {
	return r.Ledger.Save(ctx, store.Document{Kind: LedgerKind, Group: groupOf(at), ID: doc.id, Revision: doc.revision}, func(stored json.RawMessage) (json.RawMessage, error) {
		return store.Merge(stored, doc.ledger)
	})
}

// list reads the documents of a location by what callers called the secrets; false: they cannot be read.
func (r Reads) list(ctx context.Context, at migration.Location) (all map[string]*ledger, readable bool) {
	all = map[string]*ledger{}
	if r.Ledger == nil {
		return all, false
	}
	whole := true
	err := r.Ledger.List(ctx, groupOf(at), func(doc store.Document, bad *store.Unreadable) error {
		var l ledger
		if bad != nil || store.Decode(doc.Body, &l) != "" {
			whole = false
			return nil //nolint:nilerr // a list that cannot be read is the answer
		}
		all[doc.ID] = &l
		return nil
	})
	if err != nil {
		return map[string]*ledger{}, false
	}
	if !whole {
		r.distrust(ctx, at)
	}
	return all, whole
}
