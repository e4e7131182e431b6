package faults_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
)

// faults are how often what goes wrong: chances of one call, or of one delivery.
type faults struct {
	throttle, unavailable, failed, lost, unsent, partial, slow float64
	asleep                                                     float64
	killBefore, killAfter                                      float64
	duplicate                                                  float64
	reorder                                                    int
	processes                                                  int           // of a function, at least
	skew                                                       time.Duration // at most, either way: two clocks are apart by twice as much
	// skewOf is how wrong the clock of a process is; nil: as chance has it, by skew at most.
	skewOf func(process string) time.Duration
	// down says whether a service is down for a call; nil is never.
	down func(c *call) bool
	// still says whether nothing is delivered; nil is never.
	still func() bool
	// wakes gets what wakes a process that fell asleep; nil wakes it when its lease is over.
	wakes func(wake func())
	// newer, older and alone are the chances that another version of the hub writes a row that ours just wrote: see versions.
	newer, older, alone float64
	// forgets has our writes lose what a newer version added: planted, to see whether anybody notices.
	forgets bool
	// anySignature is an AWS that takes what was signed long ago: planted, to see whether anybody notices.
	anySignature bool
	// at is asked of each call before any chance is; nil never does anything.
	at func(c *call) fault
}

// fault is what happens to one call.
type fault int

const (
	none         fault = iota
	throttle           // refused, with AWS's word for too many
	unavailable        // refused with 503
	failed             // done, and answered with 500
	lost               // done, and the answer is lost
	unsent             // the connection broke before it left
	partial            // of several entries, the first is taken and the others are not
	slowThere          // takes seconds to arrive
	slowBack           // takes seconds to be answered
	asleepBefore       // the whole process sleeps before it arrives, for longer than a lease
	asleepAfter        // the same, after it was done and before it is answered
	killBefore         // the process dies before it arrives
	killAfter          // the process dies after it was done
)

// driver lets one thing happen at a time: a call arrives, a delivery is made, somebody works, time passes.
type driver struct {
	ctx        context.Context
	w          *local.Organization
	seed       uint64
	rng        *rand.Rand
	faults     faults
	deployed   map[string]*function
	persons    function // who moves secrets by command
	oracle     *oracle
	deliveries deliveries
	versions   versions
	log        io.Writer // of the processes; nil: silence
	trace      func(string, ...any)

	mu          sync.Mutex
	leaving     []*call // since the last step
	waiting     []*call
	running     int // invocations
	invocations int

	due   []*task
	steps int
	count counts
}

// counts are what happened so far.
type counts struct {
	Events, Duplicates, Throttles, LostReplies, Kills, Refused, Slow, Partial, Sleepers, Fenced int
	Down                                                                                        map[string]int // calls that met an outage, by service
}

func newDriver(ctx context.Context, w *local.Organization, seed uint64, f faults, o *oracle) (*driver, error) {
	d := &driver{ctx: ctx, w: w, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), faults: f, deployed: map[string]*function{}, count: counts{Down: map[string]int{}}, oracle: o, deliveries: deliveries{made: map[string][]string{}}, versions: versions{newer: map[at]bool{}, alone: map[at]string{}}, trace: func(string, ...any) {}}
	d.setDelivery(f)
	if err := d.functions(); err != nil {
		return nil, err
	}
	var err error
	d.due, err = scheduled(w)
	return d, err
}

// setDelivery lets AWS deliver twice and out of order.
func (d *driver) setDelivery(f faults) {
	d.w.AWS.Lock()
	defer d.w.AWS.Unlock()
	d.w.AWS.Options.Faults.Duplicate, d.w.AWS.Options.Faults.Reorder = f.duplicate, f.reorder
}

// most is how many invocations run at a time.
const most = 8

// step lets the next thing happen, and answers false when nothing can but by the passing of time.
func (d *driver) step() bool {
	synctest.Wait()
	d.depart()
	d.steps++
	d.oracle.step.Store(int64(d.steps))
	calls, running := d.state()
	choice := d.rng.Float64()
	if len(calls) > 0 && (choice < 0.7 || running >= most) {
		d.arrive(calls[d.rng.IntN(len(calls))])
		return true
	}
	if running < most && (d.faults.still == nil || !d.faults.still()) {
		do, more := d.w.AWS.Next()
		if do != nil {
			d.begin(do)
		}
		if more {
			return true
		}
	}
	if len(calls) > 0 {
		d.arrive(calls[d.rng.IntN(len(calls))])
		return true
	}
	return false
}

// state is what waits to arrive, in an order that does not depend on goroutines.
func (d *driver) state() ([]*call, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := slices.DeleteFunc(slices.Clone(d.waiting), func(c *call) bool { return c.of.asleep != nil })
	slices.SortStableFunc(calls, func(a, b *call) int {
		return cmp.Or(strings.Compare(a.of.name, b.of.name), strings.Compare(a.operation, b.operation), a.number-b.number)
	})
	return calls, d.running
}

func (d *driver) begin(do func(context.Context)) {
	d.mu.Lock()
	d.running++
	d.mu.Unlock()
	go func() {
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.running--
		}()
		do(d.ctx)
	}()
}

// depart gives their numbers to the calls that left since the last step. Several of one process leave together when it works
// with several goroutines, in an order that the runtime chose; what they ask decides theirs.
func (d *driver) depart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Who gave up in the step in which its call left, such as a heartbeat whose owner is done: whether the call came so far was the runtime's choice.
	d.leaving = slices.DeleteFunc(d.leaving, func(c *call) bool { return c.request.Context().Err() != nil })
	slices.SortStableFunc(d.leaving, func(a, b *call) int {
		return cmp.Or(strings.Compare(a.of.name, b.of.name), strings.Compare(a.service, b.service), strings.Compare(a.operation, b.operation),
			bytes.Compare(a.asks(), b.asks()), bytes.Compare(a.body, b.body))
	})
	for _, c := range d.leaving {
		c.of.calls++
		c.number, c.at = c.of.calls, time.Now()
	}
	d.waiting = append(d.waiting, d.leaving...)
	d.leaving = nil
}

// take takes a call out of what waits.
func (d *driver) take(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = slices.DeleteFunc(d.waiting, func(x *call) bool { return x == c })
}

// arrive ends the waiting of a call.
func (d *driver) arrive(c *call) {
	d.take(c)
	if c.request.Context().Err() != nil {
		return // its sender gave up before it left
	}
	f := d.fateOf(c)
	d.oracle.ledger.line("%s %s %d", time.Now().UTC().Format("15:04:05.000000000"), c, f)
	if f != none {
		d.trace("step %d: %s: fault %d", d.steps, c, f)
	}
	switch f {
	case none:
		c.answer <- answer{response: d.carry(c)}
	case throttle:
		d.count.Throttles++
		c.answer <- answer{response: throttled(c)}
	case unavailable:
		d.count.Refused++
		c.answer <- answer{response: refused(c, http.StatusServiceUnavailable, "ServiceUnavailable")}
	case failed:
		d.count.LostReplies++
		d.carry(c)
		c.answer <- answer{response: refused(c, http.StatusInternalServerError, "InternalFailure")}
	case lost:
		d.count.LostReplies++
		d.carry(c)
		c.answer <- answer{err: reset("read")}
	case unsent:
		d.count.Refused++
		c.answer <- answer{err: reset("dial")}
	case partial:
		d.count.Partial++
		c.answer <- answer{response: d.carryFirst(c)}
	case slowThere:
		d.count.Slow++
		time.AfterFunc(d.seconds(c), func() { c.answer <- answer{response: d.carry(c)} })
	case slowBack:
		d.count.Slow++
		response := d.carry(c)
		time.AfterFunc(d.seconds(c), func() { c.answer <- answer{response: response} })
	case asleepBefore, asleepAfter:
		d.until(c, d.sleep(c, f))
	case killBefore:
		d.count.Kills++
		d.dies(c)
		c.answer <- answer{err: reset("read")}
	case killAfter:
		d.count.Kills++
		d.carry(c)
		d.dies(c)
		c.answer <- answer{err: reset("read")}
	}
}

// dies ends the process of a call.
func (d *driver) dies(c *call) {
	c.of.end = fmt.Sprintf(" at %s:%s, its call %d", c.service, c.operation, c.number)
	d.kill(c.of)
}

// seconds is how slow a slow call is: longer than a try may take, but not than AWS takes at most.
func (d *driver) seconds(c *call) time.Duration {
	return time.Second + time.Duration(d.chance("slow", c.of.name, c.number)*float64(20*time.Second))
}

// fateOf says what happens to a call: by the seed, the process and the number of the call, and not by what others do.
func (d *driver) fateOf(c *call) fault {
	if d.faults.at != nil {
		if f := d.faults.at(c); f != none {
			return f
		}
	}
	if d.faults.down != nil && d.faults.down(c) {
		return unavailable
	}
	x := d.chance("call", c.of.name, c.number, c.operation)
	for _, row := range []struct {
		chance float64
		then   fault
	}{
		{d.faults.throttle, throttle}, {d.faults.unavailable, unavailable}, {d.faults.failed, failed}, {d.faults.lost, lost}, {d.faults.unsent, unsent},
		{d.faults.slow / 2, slowThere}, {d.faults.slow / 2, slowBack}, {d.drowsy(c) / 2, asleepBefore}, {d.drowsy(c) / 2, asleepAfter}, {d.faults.killBefore, killBefore}, {d.faults.killAfter, killAfter},
	} {
		if x < row.chance {
			return row.then
		}
		x -= row.chance
	}
	if c.operation == "PutEvents" && d.chance("partial", c.of.name, c.number) < d.faults.partial {
		return partial
	}
	return none
}

// rest lets time pass, but not beyond what is due.
func (d *driver) rest(longest time.Duration) {
	next := time.Now().Add(longest)
	for _, t := range d.due {
		if t.next.Before(next) {
			next = t.next
		}
	}
	if wait := time.Until(next); wait > 0 {
		time.Sleep(wait)
	}
	for _, t := range d.due {
		if !time.Now().Before(t.next) {
			if err := d.put(t); err != nil {
				panic(err) // the local AWS has lost a queue
			}
			t.next = time.Now().Add(t.every)
		}
	}
}

// settle lets everything come to its end that is under way, and then time pass for as long as is asked.
func (d *driver) settle(over time.Duration) {
	end := time.Now().Add(over)
	idle := 20 * time.Millisecond
	for {
		if d.step() {
			idle = 20 * time.Millisecond
			continue
		}
		d.oracle.read(d.w.AWS.TakeMail())
		_, running := d.state()
		if running == 0 && !time.Now().Before(end) {
			return
		}
		if running == 0 {
			idle = d.calm(end)
		}
		d.rest(min(idle, max(time.Until(end), 20*time.Millisecond)))
		idle = min(idle*2, 2*time.Second)
	}
}

// calm is how long nothing happens: until the next hidden message comes back, or until the end.
func (d *driver) calm(end time.Time) time.Duration {
	until := end
	if at, ok := d.w.AWS.NextRetry(); ok {
		if back := time.Now().Add(at.Sub(d.w.Clock.Now())); back.Before(until) {
			until = back
		}
	}
	return max(time.Until(until), time.Millisecond)
}

func (d *driver) String() string {
	return fmt.Sprintf("seed %d, event %d, step %d", d.seed, d.count.Events, d.steps)
}
