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
	Sent  bool      `json:"sent"`
	Until time.Time `json:"until"` // when the lease of one who has not sent yet ends
}

func claimKey(id string) item {
	return item{AttributeKey: text("delivery#" + id), AttributeSort: text("claim")}
}

// Claim asks for the right to deliver something once. The right lasts as long as the lease; who delivered must say so
// with Delivered, who could not must Release. One who does neither (a crash) loses it when the lease ends.
func (t *Table) Claim(ctx context.Context, id string, lease time.Duration) (store.Claim, error) {
	now := t.c.Options().Now().UTC()
	var have claim
	was, anew, err := t.orAnew(ctx, claimKey(id), &have)
	if err != nil {
		return "", session.Fail(err, "claim delivery %s", id)
	}
	switch {
	case have.Sent:
		return store.ClaimDone, nil
	case was.revision > 0 && now.Before(have.Until):
		return store.ClaimBusy, nil
	}
	want := claim{Until: now.Add(lease)}
	err = t.over(ctx, claimKey(id), was, want, want.Until.Add(remembered))
	switch {
	case errors.Is(err, guard.ErrConflict):
		return store.ClaimBusy, nil
	case err != nil:
		return "", fmt.Errorf("claim delivery %s: %w", id, err)
	case was.revision > 0, anew: // of one that could not be read nobody knows whether it was delivered
		return store.ClaimAgain, nil
	default:
		return store.ClaimNew, nil
	}
}

// Delivered ends a claim for good, and remembers it for ttl.
func (t *Table) Delivered(ctx context.Context, id string, ttl time.Duration) error {
	var have claim
	was, _, err := t.orAnew(ctx, claimKey(id), &have) // what was delivered is delivered, whatever the claim said
	if err != nil {
		return session.Fail(err, "remember delivery %s", id)
	}
	body, err := store.Merge([]byte(was.body), claim{Sent: true})
	if err != nil {
		return fmt.Errorf("remember delivery %s: %w", id, err)
	}
	it := claimKey(id)
	it[attributeRevision] = number(was.revision + 1)
	it[AttributeExpires] = number(t.c.Options().Now().Add(ttl).Unix())
	return session.Fail(t.write(ctx, write{it: it, body: string(body), was: was}, "", nil), "remember delivery %s", id)
}

// Doubt ends the lease of a claim whose delivery may have been made, so that the next who asks gets it as a repeat. One that
// was delivered, or that somebody else took meanwhile, stays as it is.
func (t *Table) Doubt(ctx context.Context, id string) error {
	var have claim
	was, err := t.orAside(ctx, claimKey(id), &have)
	if _, is := errors.AsType[*store.Unreadable](err); is {
		return nil // the next who asks gets it as a repeat
	}
	if err != nil || was.revision == 0 || have.Sent {
		return session.Fail(err, "doubt delivery %s", id)
	}
	now := t.c.Options().Now().UTC()
	err = t.over(ctx, claimKey(id), was, claim{Until: now}, now.Add(remembered))
	if errors.Is(err, guard.ErrConflict) {
		return nil
	}
	return session.Fail(err, "doubt delivery %s", id)
}

// remembered is how long a claim is kept after its lease has ended: as long as its delivery may be asked for again.
const remembered = 14 * 24 * time.Hour

// Release gives a claim back, so that the next who asks gets it as new. One that was delivered stays, and so does that of who
// asked meanwhile: a delete that arrives late, or is repeated because its answer was lost, would take theirs.
func (t *Table) Release(ctx context.Context, id string) error {
	var have claim
	was, err := t.orAside(ctx, claimKey(id), &have)
	if _, is := errors.AsType[*store.Unreadable](err); is {
		return nil // as Doubt
	}
	if err == nil && was.revision > 0 && !have.Sent {
		err = t.removeIfSame(ctx, was.it)
	}
	return session.Fail(err, "release delivery %s", id)
}

// counter is the body of a counter's item.
type counter struct {
	Taken int `json:"taken"`
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
		if have.Taken >= limit {
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
	return have.Taken, nil
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
