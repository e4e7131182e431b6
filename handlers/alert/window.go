package alert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// How much one owner gets by one outlet. Nothing is left out: what does not go at once goes in the next roll-up.
const (
	atOnce  = 4                // messages of an hour that go as they come
	every   = 10 * time.Minute // between two roll-ups
	perHour = 12               // messages of an hour; what is critical is counted, and goes whatever the count
	hour    = time.Hour
)

// window is what one owner got by one outlet this hour, and what waits. It is kept in the table: several functions send.
type window struct {
	Begun   time.Time `json:"begun,omitzero"` // what was kept before is of a window that is lost, and may have been sent
	From    time.Time `json:"from"`           // when the hour began
	Sent    int       `json:"sent"`           // messages since
	Due     time.Time `json:"due,omitzero"`
	Pending *pending  `json:"pending,omitempty"`
	Round   int       `json:"round,omitempty"` // turns that were taken
	Done    int       `json:"done,omitempty"`  // the last of them that sent everything
}

// pending is a roll-up that is being sent, and who is at it. The message with these notices may have been sent, where whoever
// did died or got no answer.
type pending struct {
	By    string      `json:"by"`
	IDs   []string    `json:"ids,omitempty"` // of what waits
	Until time.Time   `json:"until"`
	Phase store.Phase `json:"phase,omitempty"`
	Step  int64       `json:"step,omitempty"` // of the turn, one higher with each of its writes: by it others see that somebody is at it
}

// to is the next step of a turn.
func (p *pending) to(next store.Phase, until time.Time) {
	p.Phase, p.Until = next, until
	p.Step++
}

// free reports that the turn can be taken over. unchanged is how long this process saw it at its step.
func (p pending) free(unchanged time.Duration, now time.Time) bool {
	underWay := p.Phase.UnderWay()
	if p.Phase == "" && len(p.IDs) == 0 { // of an earlier version, which wrote what it sends and no phase
		underWay = 0
	}
	return store.MayTakeOver(underWay, unchanged, p.Until, now)
}

// in is the window at a time: a new hour has a new count.
func (w window) in(now time.Time) window {
	if now.Sub(w.From) >= hour {
		w.From, w.Sent = now, 0
	}
	return w
}

// sane reports that a window can be one of this hour or an earlier one, with a clock that goes wrong by less than an hour. By
// any other an owner would get nothing for as long as it says.
func (w window) sane(now time.Time) bool {
	late := now.Add(2 * hour)
	return w.Sent >= 0 && w.From.Before(late) && w.Due.Before(late) && (w.Pending == nil || w.Pending.Until.Before(late))
}

// goes counts a message and says whether it goes at once. One that does not waits for the next roll-up.
func (w *window) goes(critical bool, now time.Time) bool {
	*w = w.in(now)
	switch {
	case critical, w.Due.IsZero() && w.Sent < atOnce:
		w.Sent++
		return true
	case w.Due.IsZero():
		w.Due = now.Add(every)
	}
	return false
}

// waits reports that nothing is to be sent now, whatever waits. unchanged is how long this process saw whoever is at it at the
// same step.
func (w window) waits(unchanged time.Duration, now time.Time) bool {
	if w.Pending != nil && !w.Pending.free(unchanged, now) {
		return true // somebody is at it
	}
	return !w.doubtful() && now.Before(w.Due)
}

// doubtful reports that a message of a roll-up may have been sent.
func (w window) doubtful() bool { return w.Pending != nil && len(w.Pending.IDs) > 0 }

// read leaves out what was decided to be kept after the turn was taken: the next one has it. What was decided before the last
// turn that sent everything was among that, or its write arrived late, maybe a second time; and what was decided by a window
// that is lost may have been sent by it. Of both nobody knows whether they were sent.
func (w window) read(waiting []held) []held {
	var mine []held
	for _, one := range waiting {
		lost := one.At.Before(w.Begun) || one.Round > w.Round
		if one.Round == w.Round && !lost {
			continue
		}
		one.Repeat = one.Repeat || lost || one.Round < w.Done
		mine = append(mine, one)
	}
	return mine
}

// due says whether a roll-up of so many messages goes now. One that would take its owner over the hour's count waits for
// the next hour, unless no hour has room for it.
func (w window) due(waiting []held, parts int, now time.Time) bool {
	when := w.Due
	if when.IsZero() { // it was kept while the last one was sent
		when = slices.MinFunc(waiting, func(a, b held) int { return a.At.Compare(b.At) }).At.Add(every)
	}
	return w.doubtful() || !now.Before(when) && (w.Sent+parts <= perHour || w.Sent <= atOnce && parts > perHour-atOnce)
}

// rounds bounds how often a window is written again because somebody else was faster.
const rounds = 20

// change moves the window of an owner at an outlet, and answers what it became. move answers false to leave it as it is.
func (r *RollUps) change(ctx context.Context, outlet, route string, move func(*window) bool) (window, error) {
	for range rounds {
		var w window
		revision, err := r.Windows.LoadAnew(ctx, outlet, route, &w)
		if err != nil {
			return window{}, fmt.Errorf("load window of %s: %w", route, err)
		}
		if now := r.Now().UTC(); revision == 0 || !w.sane(now) {
			w = window{Begun: now}
		}
		if !move(&w) {
			return w, nil
		}
		err = r.Windows.Save(ctx, store.Document{Kind: store.KindRollUp, Group: outlet, ID: route, Revision: revision},
			func(stored json.RawMessage) (json.RawMessage, error) { return store.Merge(stored, w) })
		if !errors.Is(err, guard.ErrConflict) {
			return w, err
		}
	}
	return window{}, fmt.Errorf("write window of %s: %w %d times", route, guard.ErrConflict, rounds)
}

// turn is the right of one process to send the roll-up of an owner at an outlet.
type turn struct {
	r  *RollUps
	to address
	by string

	round int // from 1
}

// take asks for the turn: nil where nothing is to be sent now, or somebody else is at it.
func (r *RollUps) take(ctx context.Context, to address) (*turn, window, error) {
	now, ours := r.Now().UTC(), false
	mine := &turn{r: r, to: to, by: rand.Text()}
	w, err := r.change(ctx, to.Outlet, to.Route, func(w *window) bool {
		if ours = !w.waits(r.unchanged(to, w.Pending), now); !ours {
			return false
		}
		*w = w.in(now)
		next := pending{By: mine.by, Phase: store.PhaseTaken, Until: now.Add(lease)}
		if w.Pending != nil {
			next.IDs = w.Pending.IDs
		}
		w.Pending = &next
		w.Round++
		mine.round = w.Round
		return true
	})
	if err != nil || !ours {
		return nil, w, err
	}
	return mine, w, nil
}

// unchanged is how long this process has seen a turn as it is.
func (r *RollUps) unchanged(to address, p *pending) time.Duration {
	if p == nil {
		return 0
	}
	return r.seen.Unchanged(to.id()+"|"+p.By, p.Step, store.Elapsed())
}

// errTaken is the answer to a process that was so slow that somebody else took its turn.
var errTaken = fmt.Errorf("somebody else sends the roll-up: %w: %w", guard.ErrConflict, store.ErrLost)

func (t *turn) move(ctx context.Context, move func(*window, time.Time)) error {
	now, mine := t.r.Now().UTC(), false
	_, err := t.r.change(ctx, t.to.Outlet, t.to.Route, func(w *window) bool {
		if mine = w.Pending != nil && w.Pending.By == t.by; mine {
			move(w, now)
		}
		return mine
	})
	if err == nil && !mine {
		return errTaken
	}
	return err
}

// begin writes down what a message has in it that goes out now.
func (t *turn) begin(ctx context.Context, ids []string) error {
	return t.move(ctx, func(w *window, now time.Time) {
		w.Pending.IDs = ids
		w.Pending.to(store.PhaseBegun, now.Add(store.UnderWay))
	})
}

// sent counts a message, and forgets what it had in it.
func (t *turn) sent(ctx context.Context) error {
	return t.move(ctx, func(w *window, now time.Time) {
		w.Pending.IDs, w.Sent = nil, w.Sent+1
		w.Pending.to(store.PhaseTaken, now.Add(lease))
	})
}

// failed gives the turn back. Where it is not known whether the message was sent, or an earlier one like it was, the next one with
// what is in it is a repeat.
func (t *turn) failed(ctx context.Context, nothing, repeat bool) error {
	err := t.move(ctx, func(w *window, now time.Time) {
		switch {
		case !nothing:
			w.Pending.to(store.PhaseDoubted, now.Add(store.LongestCall))
			t.r.unchanged(t.to, w.Pending) // is watched from now on
		case repeat:
			w.Pending.to(store.PhaseTaken, time.Time{})
		default:
			w.Pending = nil
		}
	})
	if errors.Is(err, store.ErrLost) {
		return nil // whoever has it sends what waits
	}
	return err
}

// end gives the turn back, with everything sent or nothing.
func (t *turn) end(ctx context.Context, sent bool) error {
	return t.move(ctx, func(w *window, _ time.Time) {
		if sent {
			w.Due, w.Done = time.Time{}, t.round
		}
		if w.Pending.to(store.PhaseTaken, time.Time{}); !w.doubtful() {
			w.Pending = nil
		}
	})
}
