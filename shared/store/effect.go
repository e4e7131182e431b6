package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultLease is how long an owner that writes nothing stays the owner, where no call of it may be under way. One that
	// lives writes four times as often.
	DefaultLease = 15 * time.Second
	// SignedFor is how long AWS takes a signed request (IAM user guide, "Troubleshoot Signature Version 4": five minutes
	// after its time stamp): what an owner signed and is too slow to send is refused by AWS itself after that.
	SignedFor = 5 * time.Minute
	// LongestCall is how long AWS may be at a call that was sent and not answered.
	LongestCall = 30 * time.Second
	// Skew is how wrong the clock of a machine may be: two are apart by twice as much at most.
	Skew = 10 * time.Minute

	beats         = 4 // of an owner in its lease
	betweenLooks  = 2 * time.Second
	betweenClaims = time.Second
	releaseIn     = 5 * time.Second
	writtenIn     = SignedFor / 10 // the write that a call is sent
)

// ErrHeld says that another worker owns a target.
var ErrHeld = errors.New("another worker is at it")

// ErrLost says that another worker took a target over.
var ErrLost = errors.New("another worker took it over")

// ErrUnknown says that a change was sent, and that whether it was made could not be seen yet.
var ErrUnknown = errors.New("it was sent and not answered, and whether it was made could not be seen yet")

// Effects makes changes of what other workers change too, so that one at a time does, and none after another took over.
//
// An owner that lives writes all the time (a heartbeat). No decision rests on the clock of another machine: a worker takes a
// target over from one that died only after it saw, by its own monotonic clock, that the owner wrote nothing for the owner's
// lease. Where the last that it wrote is that a call is sent, and what is true now does not show that it was carried out, it
// waits until AWS takes that call no longer. A process that does not live that long leaves what it saw for the next, in an
// item of its own, and the next adds what clocks may differ by.
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

// Hold is a target that this worker owns. It is used by one goroutine, beside that of its heartbeat.
type Hold struct {
	e       *Effects
	unknown bool          // a call may be under way: nobody may take over before it can be no longer
	stop    func()        // the heartbeat
	turn    chan struct{} // full while one of the two writes

	mu     sync.Mutex
	intent Intent
	lost   bool
}

// Seen reports, of a call that was sent by an owner that died, that what is true now shows that it was carried out.
type Seen func(ctx context.Context, i Intent) bool

// Hold makes this worker the owner of a target, until it releases it or dies. Where another is the owner, it waits until it sees
// that one alive, released or dead. ErrHeld: it lives, or a call of it may be under way. seen may be nil: nobody can say.
func (e *Effects) Hold(ctx context.Context, target string, seen Seen) (*Hold, error) {
	i, err := e.free(ctx, target, seen)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", target, err)
	}
	i.Target, i.Owner, i.Lease = target, e.Worker+"/"+rand.Text(), e.lease().String()
	i.Fence++
	h := &Hold{e: e, intent: i, stop: func() {}, turn: make(chan struct{}, 1)}
	switch err := h.write(ctx, i); {
	case errors.Is(err, ErrLost):
		return nil, fmt.Errorf("claim %s: %w: another was quicker", target, ErrHeld)
	case err != nil:
		return nil, fmt.Errorf("claim %s: %w", target, errors.Join(err, h.Release(ctx))) // it may have been written
	}
	beating, stop := context.WithCancel(ctx)
	h.stop = stop
	go h.beat(beating)
	return h, nil
}

// beat writes that the owner lives, until it releases the target or loses it. A process that stands still does not.
func (h *Hold) beat(ctx context.Context) {
	for Sleep(ctx, h.e.lease()/beats) == nil {
		if errors.Is(h.inTurn(ctx, func() error { return h.store(ctx, h.now()) }), ErrLost) {
			return
		}
	}
}

// now is the intent as this worker wrote it last.
func (h *Hold) now() Intent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.intent
}

func (h *Hold) set(i Intent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.intent = i
}

func (h *Hold) gone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

func (h *Hold) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = true
}

// free is the intent of a target that can be taken.
func (e *Effects) free(ctx context.Context, target string, seen Seen) (Intent, error) {
	first := int64(0)
	for looks := 0; ; looks++ {
		i, err := e.Intents.Intent(ctx, target)
		if err != nil || i.Owner == "" {
			return i, err
		}
		idle := e.seen.Unchanged(target, i.Revision, e.elapsed())
		silent := idle >= e.leaseOf(i)
		if silent && i.underWay() && seen != nil && seen(ctx, i) {
			i.Outcome = Made
			return i, nil
		}
		if idle >= e.patience(i) {
			return i, nil
		}
		if looks == 0 {
			first = i.Revision
			if long, err := e.watched(ctx, i); err != nil || long {
				return i, err
			}
		}
		if silent || i.Revision != first || looks > int(e.lease()/betweenClaims)+1 || e.sleep(ctx, betweenClaims) != nil {
			return i, fmt.Errorf("%w: %s, for at most %s if it has died", ErrHeld, i.Owner, e.patience(i)+2*Skew)
		}
	}
}

// Owner is who owns a target, dead or alive; "" is nobody. It watches nothing.
func (e *Effects) Owner(ctx context.Context, target string) (string, error) {
	i, err := e.Intents.Intent(ctx, target)
	if err != nil {
		return "", fmt.Errorf("ask who owns %s: %w", target, err)
	}
	return i.Owner, nil
}

// leaseOf is how long the owner of an intent must have written nothing before another looks whether it may take over.
func (e *Effects) leaseOf(i Intent) time.Duration {
	lease, _ := time.ParseDuration(i.Lease) // 0 of what nobody writes
	return max(lease, e.lease())
}

// patience is how long the owner of an intent must have written nothing before another takes over, whatever is true.
func (e *Effects) patience(i Intent) time.Duration {
	if i.underWay() {
		return max(e.leaseOf(i), SignedFor) + LongestCall
	}
	return e.leaseOf(i)
}

// watched reports that another process saw the owner of an intent write nothing for long enough, and otherwise writes down what
// this one sees.
func (e *Effects) watched(ctx context.Context, i Intent) (bool, error) {
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
	return h.inTurn(ctx, func() error { return h.store(ctx, i) })
}

func (h *Hold) inTurn(ctx context.Context, write func() error) error {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turn }()
	return write()
}

// store is write for who has the turn.
func (h *Hold) store(ctx context.Context, i Intent) error {
	was := h.now()
	if h.gone() {
		return ErrLost
	}
	i.Revision, i.Stored = was.Revision, was.Stored // a heartbeat may have come between
	for range 2 {
		ok, err := h.e.Intents.SetIntent(ctx, i)
		if err != nil {
			return err
		}
		if ok {
			i.Revision++
			h.set(i)
			return nil
		}
		have, err := h.e.Intents.Intent(ctx, i.Target)
		if err != nil {
			return err
		}
		if have.Owner != was.Owner {
			break
		}
		// An earlier write of ours arrived, and its answer did not; or a newer version added something.
		i.Revision, i.Stored = have.Revision, have.Stored
	}
	h.lose()
	return ErrLost
}

// Open is the last change of the target if nobody knows how it ended. The state of the target says it.
func (h *Hold) Open() (call string, open bool) {
	i := h.now()
	return i.Call, i.Call != "" && i.Outcome == ""
}

// Unsent reports that the last change of the target is a call that was begun and never left: its worker died before.
func (h *Hold) Unsent(call string) bool {
	i := h.now()
	return i.Call == call && i.Outcome == "" && !i.Sent
}

// Release lets others have the target at once; after a call that may still be under way when it can be no longer, and after a
// failure to write it when the lease ends. It writes even when the context has ended.
func (h *Hold) Release(ctx context.Context) error {
	h.stop()
	if h.unknown {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseIn)
	defer cancel()
	i := h.now()
	i.Owner, i.Lease = "", ""
	if err := h.write(ctx, i); err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("release %s: %w", i.Target, err)
	}
	h.lose()
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

// Is reports that an intent is to make this change.
func (c Change) Is(i Intent) bool { return i.Call == c.Call && i.Wanted == c.digest() }

func (c Change) digest() string {
	sum := sha256.Sum256([]byte(c.Wanted))
	return hex.EncodeToString(sum[:16])
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
	if err := h.e.Unpaused(ctx); err != nil {
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
	next := h.now()
	if !c.Is(next) || next.Outcome != "" && next.Outcome != NotMade {
		next.Call, next.Wanted, next.Begun, next.Counted = c.Call, c.digest(), h.e.Now().UTC(), false
	}
	next.Sent, next.Outcome = false, ""
	return next
}

// send makes the call and settles how it ended.
func (h *Hold) send(ctx context.Context, c Change, from moment) (Outcome, error) {
	sending := NewSending(func(ctx context.Context) error { return h.check(ctx, from) })
	calling, cancel := context.WithTimeout(ctx, max(sentWithin-h.e.since(from), 0))
	failed := c.Send(WithSending(calling, sending))
	late := calling.Err() != nil && ctx.Err() == nil
	cancel()
	sentAt := h.e.moment()
	sent, unanswered := sending.state()
	switch {
	case failed == nil:
		return Made, h.settle(ctx, h.now(), Made)
	case !sent && late && !errors.Is(failed, ErrLost): // AWS did not fail, whatever it looks like
		return "", errTooSlow
	case !sent: // it never left
		return "", failed
	case !unanswered && c.Later != nil && c.Later(failed):
		return NotMade, errors.Join(failed, h.settle(ctx, h.now(), NotMade))
	case !unanswered:
		return Refused, errors.Join(failed, h.settle(ctx, h.now(), Refused))
	}
	return h.settleByLooking(ctx, c, sentAt, failed)
}

// sentWithin is how long after the first look a change may be sent, and answered: well before others stop waiting for it.
const sentWithin = SignedFor / 2

// check is the last thing before the bytes go: it is written, by the owner that it was, that they do. That moves the counter, so
// whoever waits for this worker waits from here for as long as AWS takes the call. Its own time counts.
func (h *Hold) check(ctx context.Context, from moment) error {
	if err := h.e.Unpaused(ctx); err != nil {
		return err
	}
	asked := h.e.moment()
	next := h.now()
	next.Sent = true
	err := h.write(ctx, next)
	late := h.e.since(asked) >= writtenIn || h.e.since(from) >= sentWithin
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
			return Made, h.settle(ctx, h.now(), Made)
		case over:
			h.unknown = false
			return NotMade, errors.Join(failed, h.settle(ctx, h.now(), NotMade))
		}
		if err := h.e.sleep(ctx, betweenLooks); err != nil {
			return "", errors.Join(ErrUnknown, failed, err)
		}
	}
	return "", errors.Join(ErrUnknown, failed)
}

// Do makes one change of a target that this worker owns for no longer than that.
func (e *Effects) Do(ctx context.Context, target string, c Change) (Outcome, error) {
	h, err := e.Hold(ctx, target, func(ctx context.Context, i Intent) bool {
		if !c.Is(i) {
			return false
		}
		there, err := c.Look(ctx)
		return err == nil && there
	})
	if err != nil {
		return "", err
	}
	how, err := h.Do(ctx, c)
	return how, errors.Join(err, h.Release(ctx))
}
