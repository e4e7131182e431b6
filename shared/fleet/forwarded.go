package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Members may forward successful reads (migration.readerLedger). What arrives is noted by principal and day, and says nothing of who else
// read. That everything arrived of a time is said by pulses at both of its ends: our own looks at the rule that forwards, which come by the
// way of the reads.

// quiet is how far apart two pulses may be, and how old the last: a heartbeat sends one each quarter of an hour, and two may be lost.
const quiet = 40 * time.Minute

// forwarded is what is known of the way of the reads of a location.
type forwarded struct {
	Proved spans     `json:"proved,omitempty"` // it was open
	Pulse  time.Time `json:"pulse,omitzero"`   // the last one
	Broken time.Time `json:"broken,omitzero"`  // when a look found it broken last
}

// add takes a pulse, which may be one that came before, or late: a time of which one end is not known is not proved.
func (f *forwarded) add(pulse time.Time) {
	if !pulse.After(f.Pulse) {
		return
	}
	if f.Pulse.After(f.Broken) && pulse.Sub(f.Pulse) <= quiet {
		f.Proved = f.Proved.with(span{f.Pulse, pulse})
	}
	f.Pulse = pulse
}

// breakAt takes back what was proved since the look before: the way may have been broken right after that.
func (f *forwarded) breakAt(at time.Time) {
	if at.After(f.Broken) {
		f.Broken = at
	}
	var before spans
	for _, one := range f.Proved {
		before = before.with(span{one.From, earlier(one.To, at.Add(-quiet))})
	}
	f.Proved = before
}

// open is the time since the last pulse, where that is young enough: empty where reads are not known to arrive. What was read in it may
// be on its way, as with CloudTrail what was read in the last minutes.
func (f forwarded) open(now time.Time) span {
	last := len(f.Proved) - 1
	if last < 0 || !f.Proved[last].To.Equal(f.Pulse) || now.Sub(f.Pulse) > quiet {
		return span{}
	}
	return span{f.Pulse, now.Truncate(time.Second).Add(time.Second)}
}

// certain is of which times all uses of a location are known.
func (l ledger) certain() spans { return l.Read.with(l.Forwarded.Proved...) }

// note counts uses, each principal once a day however often the event comes, and reports whether that changed anything. Last is the first
// that was noted of its day: a table is written once a day for a principal that reads each second.
func (l *ledger) note(found []migration.Sighting) (changed bool) {
	for _, f := range found {
		u := l.counter(f)
		switch {
		case u == nil:
			start := f.Last.UTC().Truncate(24 * time.Hour)
			full := l.Over.with(span{start, start.Add(24 * time.Hour)})
			changed = changed || !l.Over.has(f.Last)
			l.Over = full
			continue
		case u.Days[dayOf(f.Last)] > 0:
			continue
		}
		u.count(f.Last, 1)
		changed = true
	}
	return changed
}

// Note keeps uses of one name or ARN in a location. It writes nothing that is kept already. Where it answers a *store.Unreadable, nothing
// vouches for the uses of the location any more, until pulses prove it anew.
func (r Reads) Note(ctx context.Context, at migration.Location, id string, found []migration.Sighting) error {
	return r.change(ctx, at, id, func(l *ledger) bool {
		changed := l.note(found)
		if changed {
			l.forget(r.Now().Add(-KeepLedger))
		}
		return changed
	})
}

// Pulse keeps that an event of ours arrived by the way of the reads.
func (r Reads) Pulse(ctx context.Context, at migration.Location, sent time.Time) error {
	return r.change(ctx, at, everySecret, func(l *ledger) bool {
		was := l.Forwarded.Pulse
		l.Forwarded.add(sent.UTC())
		return !was.Equal(l.Forwarded.Pulse)
	})
}

// Break keeps that the way of the reads was found broken. Where no reads were forwarded, there is nothing to keep.
func (r Reads) Break(ctx context.Context, at migration.Location, found time.Time) error {
	return r.change(ctx, at, everySecret, func(l *ledger) bool {
		if l.Forwarded.Pulse.IsZero() || !found.After(l.Forwarded.Broken) {
			return false
		}
		l.Forwarded.breakAt(found.UTC())
		return true
	})
}

// change writes a document again as long as somebody else wrote since it was read.
func (r Reads) change(ctx context.Context, at migration.Location, id string, by func(*ledger) (changed bool)) error {
	for {
		doc, err := r.stored(ctx, at, id)
		if err != nil || !by(&doc.ledger) {
			return err
		}
		if err := r.save(ctx, at, doc); !errors.Is(err, guard.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
}
