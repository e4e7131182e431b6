package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Bus takes notices to the rest of the hub. Taking one there again is harmless: receivers drop repeats by ID.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Outbox is a Bus that loses nothing: Publish answers nil when each notice is either on the bus or kept.
type Outbox struct {
	Store store.Outbox
	Bus   Bus
	Log   *slog.Logger
}

// shards are the partitions over which notices are spread, so that a burst is not held up at one.
const shards = 8

func box(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return shard(int(h.Sum32() % shards))
}

func shard(n int) string { return fmt.Sprintf("notices#%d", n) }

// Publish keeps the notices, puts them on the bus, and forgets those that are there. While the bus is down they wait for a
// Drain, and that is no error. One that the bus refuses, or that could not be kept, is.
func (o *Outbox) Publish(ctx context.Context, notices []guard.Notice) error {
	for _, n := range notices {
		body, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notice %s: %w", n.ID, err)
		}
		if err := o.Store.Put(ctx, box(n.ID), n.ID, body); err != nil {
			return fmt.Errorf("keep notice %s: %w", n.ID, err)
		}
	}
	err := o.send(ctx, notices)
	if err != nil && guard.Passing(err) {
		o.Log.WarnContext(ctx, "publish", "notices", len(notices), "action", "kept", "reason", "the bus could not be reached; what waits is published within the next heartbeats", "error", err)
		return nil
	}
	return err
}

// Drain publishes what waits, and says how much of it went out. What the bus refuses does not hold up the rest, and stays.
func (o *Outbox) Drain(ctx context.Context) (published int, err error) {
	var failed []error
	for n := range shards {
		out, err := o.drain(ctx, shard(n))
		published += out
		failed = append(failed, err)
	}
	return published, errors.Join(failed...)
}

// Late counts the notices that wait although they were decided before a time. Rows that cannot be read are in quarantine, and
// counted there.
func Late(ctx context.Context, kept store.Outbox, before time.Time) (n int, err error) {
	for i := range shards {
		err := kept.Waiting(ctx, shard(i), func(_ string, body json.RawMessage, bad *store.Unreadable) error {
			var notice guard.Notice
			if bad == nil && json.Unmarshal(body, &notice) == nil && notice.At.Before(before) {
				n++
			}
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Late counts those of this outbox.
func (o *Outbox) Late(ctx context.Context, before time.Time) (int, error) {
	return Late(ctx, o.Store, before)
}

// TooLate is how long a notice may wait before a person is told of it: four heartbeats have tried to publish it by then.
const TooLate = time.Hour

// together is how many notices are put on the bus at a time.
const together = 10

func (o *Outbox) drain(ctx context.Context, box string) (published int, err error) {
	var waiting []guard.Notice
	var failed []error
	flush := func() {
		err := o.send(ctx, waiting)
		failed = append(failed, err)
		published += len(waiting) - len(unpublished(err, waiting))
		waiting = nil
	}
	err = o.Store.Waiting(ctx, box, func(id string, body json.RawMessage, bad *store.Unreadable) error {
		var n guard.Notice
		if bad == nil {
			bad = wrong(box, id, body, &n)
		}
		if bad != nil {
			o.Log.ErrorContext(ctx, "read notice", "id", id, "action", "set aside", "reason", bad.Reason)
			return bad
		}
		if waiting = append(waiting, n); len(waiting) == together {
			flush()
		}
		return ctx.Err()
	})
	if len(waiting) > 0 {
		flush()
	}
	return published, errors.Join(append(failed, err)...)
}

// longestID is the length from which a store may keep a thing under another id than its own (store.Outbox).
const longestID = 1024

// wrong says why what is kept under an id is not its notice; nil: it is.
func wrong(box, id string, body []byte, n *guard.Notice) *store.Unreadable {
	reason := store.Decode(body, n)
	if reason == "" && (n.ID == "" || n.ID != id && len(n.ID) <= longestID) { // or nobody would ever forget it
		reason = "its body is of another notice"
	}
	return store.InBox(box, id, reason)
}

// send puts notices on the bus and forgets those that went there. What is not forgotten is published again, and dropped.
func (o *Outbox) send(ctx context.Context, notices []guard.Notice) error {
	if len(notices) == 0 {
		return nil
	}
	err := o.Bus.Publish(ctx, notices)
	left := unpublished(err, notices)
	for _, n := range notices {
		if slices.Contains(left, n.ID) {
			continue
		}
		if err := o.Store.Remove(context.WithoutCancel(ctx), box(n.ID), n.ID); err != nil {
			o.Log.WarnContext(ctx, "forget notice", "id", n.ID, "action", "failed", "error", err)
		}
	}
	return err
}

// unpublished are the notices that an error of the bus leaves out: all, where it does not say.
func unpublished(err error, notices []guard.Notice) []string {
	var some interface {
		error
		Unpublished() []string
	}
	if errors.As(err, &some) {
		return some.Unpublished()
	}
	var all []string
	if err != nil {
		for _, n := range notices {
			all = append(all, n.ID)
		}
	}
	return all
}
