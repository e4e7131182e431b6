package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultLease is how long an owner that writes nothing stays the owner. It is as long as AWS takes a signed request
	// (IAM user guide, "Troubleshoot Signature Version 4": five minutes after its time stamp), so that what an owner
	// signed and was too slow to send is refused by AWS itself when another takes over.
	DefaultLease = 5 * time.Minute
	// LongestCall is how long AWS may be at a call that was sent and not answered.
	LongestCall = 30 * time.Second
	// Skew is how wrong the clock of a machine may be: two are apart by twice as much at most.
	Skew = 10 * time.Minute

	betweenLooks = 2 * time.Second
	releaseIn    = 5 * time.Second
)

// ErrHeld says that another worker owns a target.
var ErrHeld = errors.New("another worker is at it")

// ErrLost says that another worker took a target over.
var ErrLost = errors.New("another worker took it over")

// ErrUnknown says that a change was sent, and that whether it was made could not be seen yet.
var ErrUnknown = errors.New("it was sent and not answered, and whether it was made could not be seen yet")

// Effects makes changes of what other workers change too, so that one at a time does, and none after another took over.
//
// No decision rests on the clock of another machine: a worker takes a target over from one that died only after it saw,
// by its own monotonic clock, that the owner wrote nothing for the owner's lease and the longest call. A process that
// does not live that long leaves what it saw for the next, in an item of its own, and the next adds what clocks may differ by.
type Effects struct {
	Intents Intents
	Worker  string        // who we are, different for every process
	Lease   time.Duration // 0 is DefaultLease
	Now     func() time.Time
	// Elapsed is the time since some moment in this process, by a clock that nobody sets; nil is that of the machine.
	Elapsed func() time.Duration
	Sleep   func(ctx context.Context, d time.Duration) error // nil: by the machine's clock

	seen Sights
}

func (e *Effects) elapsed() time.Duration {
	if e.Elapsed != nil {
		return e.Elapsed()
	}
	return Elapsed()
}

func (e *Effects) sleep(ctx context.Context, d time.Duration) error {
	if e.Sleep != nil {
		return e.Sleep(ctx, d)
	}
	return Sleep(ctx, d)
}

// Sleep waits, or ends with the context.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (e *Effects) lease() time.Duration {
	if e.Lease > 0 {
		return e.Lease
	}
	return DefaultLease
}

// moment is now by both clocks of this machine. The monotonic one may stand still while the machine is frozen, and the
// other may be set.
type moment struct {
	wall time.Time
	mono time.Duration
}

func (e *Effects) moment() moment { return moment{e.Now(), e.elapsed()} }

// since is the longer of what both clocks say.
func (e *Effects) since(m moment) time.Duration {
	now := e.moment()
	return max(now.mono-m.mono, now.wall.Sub(m.wall))
}

// Hold is a target that this worker owns. It is used by one goroutine.
type Hold struct {
	e       *Effects
	intent  Intent
	unknown bool // a call may be under way: nobody may take over before the lease ends
	lost    bool
}

// Hold makes this worker the owner of a target. ErrHeld: another is, and nobody has seen it idle for long enough yet.
func (e *Effects) Hold(ctx context.Context, target string) (*Hold, error) {
	i, err := e.Intents.Intent(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", target, err)
	}
	if i.Owner != "" {
		idle, err := e.idle(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", target, err)
		}
		if !idle {
			return nil, fmt.Errorf("claim %s: %w: %s, for at most %s if it has died", target, ErrHeld, i.Owner, e.patience(i)+2*Skew)
		}
	}
	i.Target, i.Owner, i.Lease = target, e.Worker+"/"+rand.Text(), e.lease().String()
	i.Fence++
	h := &Hold{e: e, intent: i}
	switch err := h.write(ctx, h.intent); {
	case errors.Is(err, ErrLost):
		return nil, fmt.Errorf("claim %s: %w: another was quicker", target, ErrHeld)
	case err != nil:
		return nil, fmt.Errorf("claim %s: %w", target, errors.Join(err, h.Release(ctx))) // it may have been written
	}
	return h, nil
}

// Owner is who owns a target, dead or alive; "" is nobody. It watches nothing.
func (e *Effects) Owner(ctx context.Context, target string) (string, error) {
	i, err := e.Intents.Intent(ctx, target)
	if err != nil {
		return "", fmt.Errorf("ask who owns %s: %w", target, err)
	}
	return i.Owner, nil
}

// patience is how long the owner of an intent must have written nothing before another takes over.
func (e *Effects) patience(i Intent) time.Duration {
	lease, err := time.ParseDuration(i.Lease)
	if err != nil || lease < e.lease() {
		lease = e.lease()
	}
	return lease + LongestCall
}

// idle reports that the owner of an intent was seen to write nothing for long enough, and otherwise remembers what was seen.
func (e *Effects) idle(ctx context.Context, i Intent) (bool, error) {
	if e.seen.Unchanged(i.Target, i.Revision, e.elapsed()) >= e.patience(i) {
		return true, nil
	}
	w, err := e.Intents.Watch(ctx, i.Target)
	if err != nil {
		return false, err
	}
	if w.Revision > 0 && w.Counter == i.Revision {
		return e.Now().Sub(w.At) >= e.patience(i)+2*Skew, nil
	}
	w.Target, w.Counter, w.At, w.By = i.Target, i.Revision, e.Now().UTC(), e.Worker
	_, err = e.Intents.SetWatch(ctx, w) // false: somebody else saw it, which is as good
	return false, err
}

// write stores what the owner does. ErrLost: it is not the owner any more.
func (h *Hold) write(ctx context.Context, i Intent) error {
	if h.lost {
		return ErrLost
	}
	for range 2 {
		ok, err := h.e.Intents.SetIntent(ctx, i)
		if err != nil {
			return err
		}
		if ok {
			i.Revision++
			h.intent = i
			return nil
		}
		have, err := h.e.Intents.Intent(ctx, i.Target)
		if err != nil {
			return err
		}
		if have.Owner != h.intent.Owner {
			break
		}
		// An earlier write of ours arrived, and its answer did not; or a newer version added something.
		i.Revision, i.Stored = have.Revision, have.Stored
	}
	h.lost = true
	return ErrLost
}

// Open is the last change of the target if nobody knows how it ended. The state of the target says it.
func (h *Hold) Open() (call string, open bool) {
	return h.intent.Call, h.intent.Call != "" && h.intent.Outcome == ""
}

// Release lets others have the target at once; after a call that may still be under way, and after a failure to write it,
// when the lease ends. It writes even when the context has ended.
func (h *Hold) Release(ctx context.Context) error {
	if h.unknown || h.lost {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseIn)
	defer cancel()
	i := h.intent
	i.Owner, i.Lease = "", ""
	if err := h.write(ctx, i); err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("release %s: %w", i.Target, err)
	}
	h.lost = true
	return nil
}

// Change is one call that changes a target, and the state that it leads to.
type Change struct {
	Call   string // AWS's own name
	Wanted string // the state, in words that are the same for the same state
	// Look reports, from what is true now, whether the target is in that state.
	Look func(ctx context.Context) (bool, error)
	// Allow takes the change from what may be done; false: not now. It is asked a single time for one intent. nil allows.
	Allow func(ctx context.Context) (bool, error)
	// Journal writes down the way back. begun is the same for every try of one intent.
	Journal func(ctx context.Context, begun time.Time) error
	// Send makes the call. The context carries the Sending that its transport asks.
	Send func(ctx context.Context) error
	// Later reports that AWS did not refuse for good: the next try is of the same intent. nil: it always did.
	Later func(err error) bool
}

// ErrNotAllowed says that nothing was done because Allow said no.
var ErrNotAllowed = errors.New("not allowed now")

// Do makes a change: a fresh look, what it may cost, the journal, and the call, which leaves only if this worker is still
// the owner and its time is not over. A call that was sent and not answered is settled by looking. The same change to the
// same state, tried again before it is known how it ended, is one intent: it is allowed and journaled once.
//
// Errors: ErrNotAllowed, ErrLost, ErrFenced (it was not sent; *PausedError says by whose will), ErrUnknown, what AWS refused, and those of the functions.
func (h *Hold) Do(ctx context.Context, c Change) (Outcome, error) {
	from := h.e.moment()
	next := h.next(c)
	there, err := c.Look(ctx)
	switch {
	case err != nil:
		return "", fmt.Errorf("look before %s: %w", c.Call, err)
	case there:
		return Found, h.settle(ctx, next, Found)
	}
	if err := h.e.Free(ctx); err != nil {
		return "", err
	}
	if !next.Counted && c.Allow != nil {
		allowed, err := c.Allow(ctx)
		if err != nil {
			return "", err
		}
		if !allowed {
			return "", ErrNotAllowed
		}
	}
	next.Counted = true
	if err := h.write(ctx, next); err != nil {
		return "", fmt.Errorf("begin %s: %w", c.Call, err)
	}
	if c.Journal != nil {
		if err := c.Journal(ctx, next.Begun); err != nil {
			return "", err
		}
	}
	return h.send(ctx, c, from)
}

// next is the intent of a change: the one that is open already if it is the same.
func (h *Hold) next(c Change) Intent {
	sum := sha256.Sum256([]byte(c.Wanted))
	next, wanted := h.intent, hex.EncodeToString(sum[:16])
	same := next.Call == c.Call && next.Wanted == wanted && (next.Outcome == "" || next.Outcome == NotMade)
	if !same {
		next.Call, next.Wanted, next.Begun, next.Counted = c.Call, wanted, h.e.Now().UTC(), false
	}
	next.Sent, next.Outcome = false, ""
	return next
}

// send makes the call and settles how it ended.
func (h *Hold) send(ctx context.Context, c Change, from moment) (Outcome, error) {
	sending := NewSending(func(ctx context.Context) error { return h.check(ctx, from) })
	calling, cancel := context.WithTimeout(ctx, max(h.within()-h.e.since(from), 0))
	failed := c.Send(WithSending(calling, sending))
	late := calling.Err() != nil && ctx.Err() == nil
	cancel()
	sentAt := h.e.moment()
	sent, unanswered := sending.state()
	switch {
	case failed == nil:
		return Made, h.settle(ctx, h.intent, Made)
	case !sent && late && !errors.Is(failed, ErrLost): // AWS did not fail, whatever it looks like
		return "", errTooSlow
	case !sent: // it never left
		return "", failed
	case !unanswered && c.Later != nil && c.Later(failed):
		return NotMade, errors.Join(failed, h.settle(ctx, h.intent, NotMade))
	case !unanswered:
		return Refused, errors.Join(failed, h.settle(ctx, h.intent, Refused))
	}
	return h.settleByLooking(ctx, c, sentAt, failed)
}

// within is how long after the first look a change may be sent, and answered: well inside the lease.
func (h *Hold) within() time.Duration { return h.e.lease() / 2 }

// check is the last thing before the bytes go: it is written, by the owner that it was, that they do. That moves the
// counter, so whoever waits for this worker waits its whole lease from here. Its own time counts.
func (h *Hold) check(ctx context.Context, from moment) error {
	if err := h.e.Free(ctx); err != nil {
		return err
	}
	asked := h.e.moment()
	next := h.intent
	next.Sent = true
	err := h.write(ctx, next)
	late := h.e.since(asked) >= h.e.lease()/10 || h.e.since(from) >= h.within()
	switch {
	case errors.Is(err, ErrLost):
		return fmt.Errorf("%w: %w", ErrFenced, err)
	case late: // the write ended with the time, where it failed: nothing else was wrong
		return errTooSlow
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return nil
}

// errTooSlow is a change that was not sent because its own time was over.
var errTooSlow = fmt.Errorf("%w: this one was too slow", ErrFenced)

func (h *Hold) settle(ctx context.Context, next Intent, how Outcome) error {
	next.Outcome = how
	if err := h.write(ctx, next); err != nil {
		return fmt.Errorf("settle %s: %w", next.Call, err)
	}
	return nil
}

// settleByLooking looks whether a call was carried out whose answer was lost, until it can be no longer under way.
func (h *Hold) settleByLooking(ctx context.Context, c Change, sentAt moment, failed error) (Outcome, error) {
	h.unknown = true
	if ctx.Err() != nil { // who is told to stop still looks, and lets others have it where that settles it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*releaseIn)
		defer cancel()
	}
	for range LongestCall/betweenLooks + 1 {
		over := h.e.since(sentAt) >= LongestCall // before the look: what it does not see then will not come
		there, err := c.Look(ctx)
		switch {
		case err != nil:
			return "", errors.Join(ErrUnknown, failed, err)
		case there:
			h.unknown = false
			return Made, h.settle(ctx, h.intent, Made)
		case over:
			h.unknown = false
			return NotMade, errors.Join(failed, h.settle(ctx, h.intent, NotMade))
		}
		if err := h.e.sleep(ctx, betweenLooks); err != nil {
			return "", errors.Join(ErrUnknown, failed, err)
		}
	}
	return "", errors.Join(ErrUnknown, failed)
}

// Do makes one change of a target that this worker owns for no longer than that. Of another who does the same it waits a
// second for the end.
func (e *Effects) Do(ctx context.Context, target string, c Change) (Outcome, error) {
	h, err := e.Hold(ctx, target)
	for range 5 {
		if !errors.Is(err, ErrHeld) {
			break
		}
		if err := e.sleep(ctx, time.Second/5); err != nil {
			return "", err
		}
		h, err = e.Hold(ctx, target)
	}
	if err != nil {
		return "", err
	}
	how, err := h.Do(ctx, c)
	return how, errors.Join(err, h.Release(ctx))
}
