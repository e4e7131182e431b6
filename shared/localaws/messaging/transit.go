package messaging

import (
	"context"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// transit is everything on its way between services: events to buses, matched events to targets, notifications to
// subscribers, invocations to functions. Nothing moves but when Settle or Run says so.
type transit struct {
	pump      sync.Mutex // one Settle at a time
	waiting   []delivery // those before first were handed over
	first     int
	held      []delivery // kept back to be reordered
	holding   int        // how many more deliveries to keep back
	duplicate int        // how many more deliveries to make twice
	order     uint64     // of mappings
	stats     Stats
	mail      []Mail
	functions map[string]Function // by ARN
	failures  []Failure
	arrivals  chan struct{} // closed and replaced when something new is on its way
}

// delivery is one thing on its way. It is handed over with the state lock held; the work it returns runs without.
type delivery func() work

// work is what has to run without the state lock, because it calls back.
type work func(context.Context)

func newTransit() *transit {
	return &transit{functions: map[string]Function{}, arrivals: make(chan struct{})}
}

// Bus is where AWS services put their events: the default bus of a location.
func Bus() core.EventBus {
	return core.EventBus{
		Listens: listens,
		Put:     func(a *core.AWS, at core.Location, event map[string]any) { putEvent(a, at, "default", event) },
	}
}

func transitOf(a *core.AWS) *transit { return core.Global(a, newTransit) }

// next is a growing number, for things that are ordered by when they were made.
func (t *transit) next() uint64 { t.order++; return t.order }

// enqueue puts a delivery on its way. The state lock must be held.
func enqueue(a *core.AWS, p delivery) {
	t := transitOf(a)
	t.waiting = append(t.waiting, p)
	t.wake()
}

// deliver puts a delivery to a target on its way, twice or out of order when that is asked for: this is where AWS's
// at-least-once, unordered delivery shows. The state lock must be held.
func deliver(a *core.AWS, p delivery) {
	t := transitOf(a)
	times := 1
	if t.duplicate > 0 || a.Chance(a.Options.Faults.Duplicate) {
		t.duplicate = max(0, t.duplicate-1)
		t.stats.Duplicated++
		times = 2
	}
	if t.holding == 0 {
		for range times {
			enqueue(a, p)
		}
		return
	}
	t.holding--
	for range times {
		t.held = append(t.held, p)
	}
	if t.holding == 0 {
		release(a)
	}
}

// release lets go, last first, what was kept back. The state lock must be held.
func release(a *core.AWS) {
	t := transitOf(a)
	for i := len(t.held) - 1; i >= 0; i-- {
		enqueue(a, t.held[i])
	}
	t.stats.Reordered += len(t.held)
	if len(t.held) > 0 {
		t.held, t.holding = nil, 0
	}
}

// take is the next delivery to hand over, by choice among the first few when reordering is asked for. The state lock
// must be held.
func take(a *core.AWS) (delivery, bool) {
	t := transitOf(a)
	if t.first == len(t.waiting) {
		t.waiting, t.first = t.waiting[:0], 0
		release(a)
	}
	left := t.waiting[t.first:]
	if len(left) == 0 {
		return nil, false
	}
	i := 0
	if window := min(a.Options.Faults.Reorder, len(left)); window > 1 {
		if i = a.Random.IntN(window); i > 0 {
			t.stats.Reordered++
		}
	}
	p := left[i]
	copy(left[1:i+1], left[:i]) // those it overtook
	left[0] = nil
	t.first++
	return p, true
}

// wake lets waiters know that something is on its way. The state lock must be held.
func (t *transit) wake() {
	close(t.arrivals)
	t.arrivals = make(chan struct{})
}

// arrival is closed when the next thing is on its way.
func arrival(a *core.AWS) <-chan struct{} {
	a.Lock()
	defer a.Unlock()
	return transitOf(a).arrivals
}

// DuplicateNext makes the next n deliveries to targets happen twice.
func DuplicateNext(a *core.AWS, n int) {
	a.Lock()
	defer a.Unlock()
	transitOf(a).duplicate = n
}

// ReorderNext keeps the next n deliveries to targets back and lets them go in the opposite order: when n are there,
// or when nothing else is left to do.
func ReorderNext(a *core.AWS, n int) {
	a.Lock()
	defer a.Unlock()
	transitOf(a).holding = n
}

// Settle carries everything to its end: events through rules to targets, queues to functions, and what those cause,
// until nothing is on its way and no queue with a function has a visible message. Messages that a function failed
// stay hidden until their visibility timeout ends on Options.Now; see NextRetry. It must not be called by a function.
func Settle(ctx context.Context, a *core.AWS) error {
	t := transitOf(a)
	t.pump.Lock()
	defer t.pump.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		do, more := step(a)
		if do != nil {
			do(ctx)
		}
		if !more {
			return nil
		}
	}
}

// step hands over one delivery, or one batch of one queue when there is none.
func step(a *core.AWS) (do work, more bool) {
	a.Lock()
	defer a.Unlock()
	if p, ok := take(a); ok {
		return p(), true
	}
	if batch, ok := poll(a); ok {
		return batch, true
	}
	return nil, false
}

// Next hands over the next thing, and answers what remains to be done of it without the state lock: an invocation, which
// may run beside others; nil is nothing. more is false when nothing is on its way and no queue with a function has a visible
// message. It is Settle for those who decide themselves what happens when.
func Next(a *core.AWS) (do func(context.Context), more bool) { return step(a) }

// Run settles again and again until the context ends: when something is put on its way, and every second for what
// the clock brings back. Errors other than the context's end do not occur.
func Run(ctx context.Context, a *core.AWS) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		arrived := arrival(a)
		if Settle(ctx, a) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-arrived:
		case <-tick.C:
		}
	}
}

// Stats counts what passed and what did not.
type Stats struct {
	Events        int // put on a bus: by services, by PutEvents, and by a rule of another bus
	Matched       int // matches of a rule's target
	Delivered     int // handed over to a target or subscriber, duplicates included
	Duplicated    int // deliveries made twice
	Reordered     int // deliveries that overtook others
	Undeliverable int // lost: the target refused and there was no dead-letter queue
	DeadLettered  int // put into a dead-letter queue: by a rule or subscription that could not deliver, or by a queue
	Invocations   int // of functions
	Failures      int // invocations that answered an error; failed items of batches are not among them
	InFlight      int // now: deliveries under way, and messages waiting in queues that feed a function
	InDLQ         int // now: messages in dead-letter queues
}

// StatsOf counts since the start.
func StatsOf(a *core.AWS) Stats {
	a.Lock()
	defer a.Unlock()
	t := transitOf(a)
	s := t.stats
	s.InFlight = len(t.waiting) - t.first + len(t.held)
	for _, m := range mappings(a) {
		s.InFlight += m.queue.messages.size()
	}
	for _, q := range deadLetterQueues(a) {
		s.InDLQ += q.messages.size()
	}
	return s
}

// deadLetterQueues are the queues that a queue, a rule or a function names as such.
func deadLetterQueues(a *core.AWS) map[string]*queue {
	found := map[string]*queue{}
	add := func(arn string) {
		if q, ok := queueByARN(a, arn); ok {
			found[arn] = q
		}
	}
	for at := range a.EveryLocation() {
		for _, q := range queuesAt(a, at).queues {
			if target, _, ok := q.redrive(); ok {
				add(target)
			}
		}
		for _, b := range busesAt(a, at).buses {
			for _, r := range b.rules {
				for _, t := range r.targets {
					add(t.DeadLetterConfig.Arn)
				}
			}
		}
		for _, f := range functionsAt(a, at).functions {
			add(f.DeadLetterConfig.TargetArn)
		}
	}
	return found
}

// Services are the services that carry events and messages, and the functions that take them.
func Services() map[string]core.Service {
	return map[string]core.Service{
		"events": {Protocol: core.JSON11, Operations: eventsOperations(), Access: eventsAccess},
		"sqs":    {Protocol: core.JSON10, Operations: sqsOperations(), Access: sqsAccess},
		"sns":    {Protocol: core.Query, Operations: snsOperations(), Access: snsAccess},
		"lambda": {Protocol: core.REST, Operations: lambdaOperations(), Access: lambdaAccess, Route: lambdaRoute},
	}
}
