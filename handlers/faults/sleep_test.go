package faults_test

import (
	"context"
	"net/http"
	"time"

	"github.com/doublelock/doublelock/shared/store"
)

// pastLease is how long a process sleeps at least, of which a call was sent: whoever waits for it has taken over by then, whatever the
// clocks say.
const pastLease = store.SignedFor + store.LongestCall + 2*store.Skew

// sleep has the whole process of a call sleep, at it. Its calls do not arrive and are not answered, it notices no time that
// is over, and no function's end: as a machine that stands still. wake lets it go on.
func (d *driver) sleep(c *call, f fault) (wake func()) {
	d.count.Sleepers++
	var late answer
	if f == asleepAfter {
		late.response = d.carry(c)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := c.of
	if !p.slept {
		close(p.dozes)
	}
	p.asleep, p.slept = make(chan struct{}), true
	return func() {
		if f == asleepBefore {
			late.response = d.carryLate(c)
		}
		c.answer <- late
		d.mu.Lock()
		defer d.mu.Unlock()
		close(p.asleep)
		p.asleep = nil
	}
}

// until wakes a process when its lease is over for everybody, or when a test says.
func (d *driver) until(c *call, wake func()) {
	if d.faults.wakes != nil {
		d.faults.wakes(wake)
		return
	}
	longest, least := 20*time.Minute, pastLease
	if d.chance("soon", c.of.name, c.number) < 0.5 { // in the middle of another's work, and in time for AWS
		longest, least = 2*time.Minute, store.DefaultLease
	}
	time.AfterFunc(least+time.Duration(d.chance("asleep", c.of.name, c.number)*float64(longest)), wake)
}

// drowsy is the chance that a process sleeps at a call: most where it writes that it owns something.
func (d *driver) drowsy(c *call) float64 {
	if c.isIntent() {
		return 20 * d.faults.asleep
	}
	return d.faults.asleep
}

// sleeps reports that a process sleeps now.
func (d *driver) sleeps(p *process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.asleep != nil
}

// leave goes on without a process that sleeps; false: it does not.
func (d *driver) leave(p *process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.left = p.asleep != nil
	return p.left
}

func (d *driver) isLeft(p *process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.left
}

// awake waits until a process does not sleep.
func (d *driver) awake(p *process) {
	d.mu.Lock()
	asleep := p.asleep
	d.mu.Unlock()
	if asleep != nil {
		<-asleep
	}
}

// signedFor is how long AWS takes a request after it was signed (IAM user guide, "Troubleshoot Signature Version 4").
const signedFor = 5 * time.Minute

// carryLate lets a call arrive that was signed long ago.
func (d *driver) carryLate(c *call) *http.Response {
	if time.Since(c.at) < signedFor || d.faults.anySignature {
		return d.carry(c)
	}
	code := "InvalidSignatureException"
	if c.service == "sns" || c.service == "sts" || c.service == "iam" {
		code = "SignatureDoesNotMatch"
	}
	out := refused(c, http.StatusForbidden, code)
	out.Header.Set("Date", d.w.Clock.Now().UTC().Format(http.TimeFormat))
	return out
}

// inside is the context of an invocation as its process sees it: with the deadline that Lambda says, and ended by who
// knows whether the process can notice.
type inside struct {
	context.Context
	deadline time.Time
	has      bool
}

func (i inside) Deadline() (time.Time, bool) { return i.deadline, i.has }

func invocation(ctx context.Context) (context.Context, context.CancelFunc) {
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	i := inside{Context: own}
	i.deadline, i.has = ctx.Deadline()
	return i, end
}
