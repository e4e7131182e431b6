package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// claim is the body of a delivery's item.
type claim struct {
	Sent   bool        `json:"sent"`
	Until  time.Time   `json:"until"` // until when it is somebody's, by the clock of who wrote it
	By     string      `json:"by,omitempty"`
	Phase  store.Phase `json:"phase,omitempty"`
	Repeat bool        `json:"repeat,omitempty"` // an earlier delivery may have been made
}

func claimKey(id string) item {
	return item{AttributeKey: text("delivery#" + id), AttributeSort: text("claim")}
}

// Claim asks for the right to deliver something once. The right lasts as long as the lease; who delivered must say so
// with Delivered, who could not must Release, who does not know must Doubt. One who does none of them (a crash) loses it when the
// lease ends, and after Begin when nothing of it can be under way.
func (t *Table) Claim(ctx context.Context, id, by string, lease time.Duration) (store.Claim, error) {
	var have claim
	was, anew, err := t.orAnew(ctx, claimKey(id), &have)
	if err != nil {
		return "", session.Fail(err, "claim delivery %s", id)
	}
	now := t.c.Options().Now().UTC()
	switch {
	case have.Sent:
		return store.ClaimDone, nil
	case was.revision > 0 && !t.free(id, was, have, now):
		return store.ClaimBusy, nil
	}
	want := claim{Until: now.Add(lease), By: by, Phase: store.PhaseTaken, Repeat: have.Repeat}
	want.Repeat = want.Repeat || anew || was.revision > 0 && have.Phase != store.PhaseTaken // of one that could not be read nobody knows whether it was delivered
	err = t.over(ctx, claimKey(id), was, want, want.Until.Add(remembered))
	switch {
	case errors.Is(err, guard.ErrConflict):
		return store.ClaimBusy, nil
	case err != nil:
		return "", fmt.Errorf("claim delivery %s: %w", id, err)
	case want.Repeat:
		return store.ClaimAgain, nil
	default:
		return store.ClaimNew, nil
	}
}

// free reports that a claim can be taken over.
func (t *Table) free(id string, was row, have claim, now time.Time) bool {
	underWay, seen := have.Phase.UnderWay(), time.Duration(0)
	if underWay > 0 {
		seen = t.seen.Unchanged(id, was.revision, store.Elapsed())
	}
	return store.MayTakeOver(underWay, seen, have.Until, now)
}

// Begin writes down that a delivery is made now.
func (t *Table) Begin(ctx context.Context, id, by string) error {
	_, err := t.step(ctx, id, by, claim{Phase: store.PhaseBegun, By: by, Until: t.c.Options().Now().UTC().Add(store.UnderWay)})
	return session.Fail(err, "begin delivery %s", id)
}

// Doubt gives back a claim whose delivery may have been made. One that was delivered, or that somebody else took meanwhile, stays
// as it is.
func (t *Table) Doubt(ctx context.Context, id, by string) error {
	revision, err := t.step(ctx, id, by, claim{Phase: store.PhaseDoubted, Until: t.c.Options().Now().UTC().Add(store.LongestCall)})
	if err == nil {
		t.seen.Unchanged(id, revision, store.Elapsed())
	}
	return session.Fail(unlessLost(err), "doubt delivery %s", id)
}

// Release gives a claim back, so that the next who asks gets it as it was. One that was delivered stays, and so does that of who
// asked meanwhile. The item stays, too: a write that was slow would find a new one at the revision that it knows.
func (t *Table) Release(ctx context.Context, id, by string) error {
	_, err := t.step(ctx, id, by, claim{Phase: store.PhaseTaken})
	return session.Fail(unlessLost(err), "release delivery %s", id)
}

// unlessLost leaves out that a claim is somebody else's, or nobody knows whose: who asks next gets that as a repeat.
func unlessLost(err error) error {
	if _, is := errors.AsType[*store.Unreadable](err); is || errors.Is(err, store.ErrLost) {
		return nil
	}
	return err
}

// stepRounds bounds how often a claim is written again because another version wrote beside it.
const stepRounds = 5

// step writes what becomes of a claim that is by's, and answers the revision of the item then. store.ErrLost: it is not.
func (t *Table) step(ctx context.Context, id, by string, next claim) (revision int64, err error) {
	for range stepRounds {
		var have claim
		was, err := t.orAside(ctx, claimKey(id), &have)
		if err != nil {
			return 0, err
		}
		if was.revision == 0 || have.Sent || have.By != by {
			return 0, store.ErrLost
		}
		next.Repeat = have.Repeat
		err = t.over(ctx, claimKey(id), was, next, t.c.Options().Now().Add(store.UnderWay+remembered))
		if !errors.Is(err, guard.ErrConflict) {
			return was.revision + 1, err
		}
	}
	return 0, store.ErrLost
}

// Delivered ends a claim for good, and remembers it for ttl: what was delivered is delivered, whatever the claim says.
func (t *Table) Delivered(ctx context.Context, id string, ttl time.Duration) error {
	var err error
	for range stepRounds {
		var have claim
		was, _, failed := t.orAnew(ctx, claimKey(id), &have)
		if failed != nil {
			return session.Fail(failed, "remember delivery %s", id)
		}
		err = t.over(ctx, claimKey(id), was, claim{Sent: true}, t.c.Options().Now().Add(ttl))
		if !errors.Is(err, guard.ErrConflict) {
			break
		}
	}
	return session.Fail(err, "remember delivery %s", id)
}

// remembered is how long a claim is kept after its lease has ended: as long as its delivery may be asked for again.
const remembered = 14 * 24 * time.Hour

// counter is the body of a counter's item.
type counter struct {
	Taken uint32 `json:"taken"`
}

// takeRounds bounds how often Take starts over because somebody else took at the same moment.
const takeRounds = 10

// Take takes one of limit from a counter, and answers false when none is left. The counter is forgotten some time
// after until: names carry the hour or day that they count. Of one that cannot be read nothing may be taken: it is set aside,
// stays where it is, and is answered as a *store.Unreadable.
func (t *Table) Take(ctx context.Context, name string, limit int, until time.Time) (bool, error) {
	key := counterKey(name)
	for round := range takeRounds {
		if err := session.Pause(ctx, round); err != nil {
			return false, err
		}
		var have counter
		was, err := t.orAside(ctx, key, &have)
		if err != nil {
			return false, session.Fail(err, "count %s", name)
		}
		if int(have.Taken) >= limit {
			return false, nil
		}
		err = t.over(ctx, key, was, counter{Taken: have.Taken + 1}, until.Add(24*time.Hour))
		if !errors.Is(err, guard.ErrConflict) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("count %s: %w %d times", name, guard.ErrConflict, takeRounds)
}

func counterKey(name string) item {
	return item{AttributeKey: text("counter#" + name), AttributeSort: text("count")}
}

// Taken is how many were taken from a counter; 0 where nobody counted.
func (t *Table) Taken(ctx context.Context, name string) (int, error) {
	var have counter
	if _, err := t.orAside(ctx, counterKey(name), &have); err != nil {
		return 0, session.Fail(err, "read counter %s", name)
	}
	return int(have.Taken), nil
}

// getInto reads what is written under a condition: the zero row is one that is not there.
func (t *Table) getInto(ctx context.Context, key item, into any) (row, error) {
	r, err := t.get(ctx, key)
	switch {
	case err != nil || r.it == nil:
		return r, err
	case r.revision == 0:
		return r, unreadable(r.it, "it has no revision")
	}
	return r, r.decode(into)
}

// orAside is getInto. What cannot be read is copied into quarantine, and stays where it is.
func (t *Table) orAside(ctx context.Context, key item, into any) (row, error) {
	was, err := t.getInto(ctx, key, into)
	bad, err := t.aside(ctx, was.it, err)
	if bad != nil && err == nil {
		err = bad
	}
	return was, err
}

// orAnew is getInto. What cannot be read is moved into quarantine and makes room for another; anew says so. What a newer
// version alone may read is left alone.
func (t *Table) orAnew(ctx context.Context, key item, into any) (was row, anew bool, err error) {
	was, err = t.getInto(ctx, key, into)
	if bad, is := errors.AsType[*store.Unreadable](err); is && !bad.Newer {
		return row{}, true, t.displace(ctx, was.it, *bad)
	}
	return was, false, err
}

// over writes an item if it is still as it was read, and else answers guard.ErrConflict.
func (t *Table) over(ctx context.Context, key item, was row, v any, expires time.Time) error {
	body, err := store.Merge([]byte(was.body), v)
	if err != nil {
		return err
	}
	it := item{AttributeKey: key[AttributeKey], AttributeSort: key[AttributeSort], AttributeExpires: number(expires.Unix())}
	return session.Fail(t.versioned(ctx, write{it: it, body: string(body), was: was}), "write item")
}
