package detect

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
)

// An incident describes the secrets under the key anew, since the event of a secret's own change may have been lost: mostLooks of
// them, for as long as lookingFor, or a third of what is left to the function. Of the others it says when they were looked at last.
const (
	mostLooks  = 200
	lookingFor = 15 * time.Second
)

// looks is what is left of that to one event, however many keys it is about.
type looks struct {
	left  int
	until time.Time
}

func (h *Handler) looksOfOneEvent(ctx context.Context) *looks {
	now := time.Now()
	l := &looks{mostLooks, now.Add(lookingFor)}
	if end, set := ctx.Deadline(); set && end.Sub(now)/3 < lookingFor {
		l.until = now.Add(end.Sub(now) / 3)
	}
	return l
}

// anew are the entries as their secrets are now, as far as that could be looked at; the others are as they were. Those whose
// secret is not what the index says are moved: their records are to be put right.
func (h *Handler) anew(ctx context.Context, list entries, l *looks) (now []guard.Entry, moved map[string]bool) {
	ctx, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	for _, e := range list { // each alias is asked a single time where it leads
		if e.Held.Alias != "" {
			h.Keys.Invalidate(e.Held.Alias)
		}
	}
	var left []guard.Entry
	now, moved = list.plain(), map[string]bool{}
	slices.SortStableFunc(now, func(a, b guard.Entry) int { return a.GoneAt.Compare(b.GoneAt) }) // those that nobody can read now come last
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(8)
	for i := range now[:min(len(now), l.left)] {
		l.left--
		group.Go(func() error {
			before := now[i]
			is, others := h.asItIs(ctx, before)
			mu.Lock()
			defer mu.Unlock()
			now[i], left = is, append(left, others...)
			moved[before.Secret] = !reflect.DeepEqual(now[i].Held, before.Held)
			return nil
		})
	}
	_ = group.Wait() // no look answers an error
	return slices.DeleteFunc(append(now, left...), func(e guard.Entry) bool { return e.Secret == "" }), moved
}

// asItIs is an entry as its secret is now, and what is left of it: without a name where it is gone, and as it was where that cannot be
// known.
func (h *Handler) asItIs(ctx context.Context, e guard.Entry) (guard.Entry, []guard.Entry) {
	s, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: e.Account, Region: e.Region, ID: e.Secret})
	gone := errors.Is(err, guard.ErrGone)
	if err == nil && s.IsReplica() {
		return h.asReplica(ctx, e, s)
	}
	if err == nil && s.ARN != e.Secret {
		return e, nil
	}
	var left []guard.Entry
	if gone || err == nil {
		left, err = h.leftOf(ctx, e, s)
	}
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		e.Shut = h.Now()
	case err != nil:
	case gone:
		return guard.Entry{}, left
	default:
		e.Held = guard.HeldOf(s, e.Held, e.At)
		e.Name, e.At, e.GoneAt, e.Shut, e.Cut = s.Name, h.Now(), s.DeletedAt, time.Time{}, false
	}
	return e, left
}

// asReplica is the entry of a secret that is a replica now: that of its primary, which has its copies, in its place; as it was where the
// primary does not say so.
func (h *Handler) asReplica(ctx context.Context, e guard.Entry, replica guard.Secret) (guard.Entry, []guard.Entry) {
	s, err := h.Secrets.Describe(ctx, primary(replica))
	if err != nil || s.IsReplica() || !slices.ContainsFunc(s.Replicas, func(r guard.Replica) bool { return r.Region == e.Region }) {
		return e, nil
	}
	return guard.Entry{}, []guard.Entry{h.entryOf(s)}
}
