package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/handlers/wires"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/settings"
)

// process is one execution environment of a function: the handler as its Lambda builds it, with clients and caches of its
// own. When it dies, nothing of it is left but what AWS holds.
type process struct {
	name   string
	skew   time.Duration // of its clock
	handle func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
	busy   bool
	calls  int
	dead   bool
	died   chan struct{}
	end    string // at which call it died
	said   *said
	asleep chan struct{} // closed when it wakes; nil: it is awake
	dozes  chan struct{} // closed when it falls asleep for the first time
	slept  bool          // it ever did
	left   bool          // its invocation was over while it slept: its work is another's, and nobody waits for it
}

var errDied = errors.New("the process died")

// function is one of the hub, and its processes.
type function struct {
	name      string
	env       map[string]string
	build     wires.Wire
	processes []*process
	born      int
}

// next is the name of the process that is started next.
func (f *function) next() string { return fmt.Sprintf("%s/%d", f.name, f.born+1) }

// functions puts processes of the test in the place of the functions that the templates deployed.
func (d *driver) functions() error {
	all := wires.All()
	for _, name := range d.w.Functions() {
		env, err := d.w.FunctionEnvironment(name)
		if err != nil {
			return err
		}
		env[settings.EnvEndpoint] = "http://127.0.0.1:9" // never dialled: see network
		f := &function{name: name, env: env, build: all[name]}
		d.deployed[name] = f
		d.w.AWS.RegisterFunction(local.Hub, d.w.Home(), settings.SessionPrefix+name, func(ctx context.Context, payload []byte) ([]byte, error) {
			return d.invoke(ctx, f, payload)
		})
	}
	return nil
}

// invoke hands a batch to a process that is free, or to a new one, as Lambda does.
func (d *driver) invoke(ctx context.Context, f *function, payload []byte) ([]byte, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, fmt.Errorf("invoke %s: %w", f.name, err)
	}
	p, err := d.free(f)
	if err != nil {
		return nil, err
	}
	type result struct {
		answer events.SQSEventResponse
		err    error
	}
	done := make(chan result, 1)
	began := d.w.Clock.Now()
	inside, end := invocation(ctx)
	defer func() { // who sleeps does not notice that it is over
		if !d.sleeps(p) {
			end()
		}
	}()
	go func() {
		answer, err := p.handle(inside, batch)
		end()
		if d.isLeft(p) {
			d.kill(p)
		}
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		if d.release(f, p) {
			d.deliveries.note(batch, p, began, r.answer, errDied)
			return nil, errDied
		}
		d.deliveries.note(batch, p, began, r.answer, r.err)
		if r.err != nil {
			return nil, r.err
		}
		return json.Marshal(r.answer)
	case <-p.died:
		d.deliveries.note(batch, p, began, events.SQSEventResponse{}, errDied)
		return nil, errDied
	case <-ctx.Done(): // Lambda ends what takes too long, but for what sleeps: it is not there to be ended
		if !d.leave(p) {
			d.kill(p)
		}
		d.deliveries.note(batch, p, began, events.SQSEventResponse{}, ctx.Err())
		return nil, ctx.Err()
	}
}

func (d *driver) free(f *function) (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	alive := f.processes[:0]
	for _, p := range f.processes {
		if !p.dead {
			alive = append(alive, p)
		}
	}
	f.processes = alive
	var idle []*process
	for _, p := range f.processes {
		if !p.busy {
			idle = append(idle, p)
		}
	}
	if len(idle) > 0 && len(f.processes) >= d.faults.processes {
		p := idle[int(d.chance("process", f.name, d.invocations)*float64(len(idle)))]
		d.invocations++
		p.busy = true
		return p, nil
	}
	p, err := d.start(f)
	if err != nil {
		return nil, err
	}
	p.busy = true
	return p, nil
}

// process is a new one of a function, with a clock of its own.
func (d *driver) process(f *function) *process {
	name := f.next()
	f.born++
	p := &process{name: name, died: make(chan struct{}), dozes: make(chan struct{}), said: &said{}}
	p.skew = time.Duration((d.chance("skew", p.name)*2 - 1) * float64(d.faults.skew))
	if d.faults.skewOf != nil {
		p.skew = d.faults.skewOf(p.name)
	}
	return p
}

// start builds a process. Building calls nobody.
func (d *driver) start(f *function) (*process, error) {
	p := d.process(f)
	lines := listener{said: p.said}
	if d.log != nil {
		lines.other = slog.NewTextHandler(d.log, nil).WithAttrs([]slog.Attr{slog.String("process", p.name)})
	}
	log := slog.New(lines)
	now := func() time.Time { return d.w.Clock.Now().Add(p.skew) }
	h, err := f.build(cloud.WithNetwork(d.ctx, network{d, p}), func(name string) string { return f.env[name] }, now, log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.handle = h.Handle
	f.processes = append(f.processes, p)
	return p, nil
}

// release says whether the process died meanwhile.
func (d *driver) release(_ *function, p *process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.busy = false
	return p.dead
}

func (d *driver) kill(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked(p)
}

func (d *driver) killLocked(p *process) {
	if p.dead {
		return
	}
	p.dead = true
	close(p.died)
	of := func(c *call) bool {
		if c.of == p {
			c.answer <- answer{err: reset("read")}
		}
		return c.of == p
	}
	d.waiting, d.leaving = slices.DeleteFunc(d.waiting, of), slices.DeleteFunc(d.leaving, of)
}

// leaves takes a call on its way; false: its process is dead.
func (d *driver) leaves(c *call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.of.dead {
		return false
	}
	d.leaving = append(d.leaving, c)
	return true
}
