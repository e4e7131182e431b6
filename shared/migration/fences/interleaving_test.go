package fences_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// every has each call played in each way, instead of by turns.
var every = flag.Bool("every", false, "play each interleaving")

const takeover = 5*time.Minute + 31*time.Second // as long as AWS takes what was signed, and the longest call

var rules = func() migration.Rules {
	rules := migration.Defaults()
	rules.PerHour, rules.PerAccountHour = 100_000, 100_000
	return rules
}()

// visit is what a worker is at when something happens to it.
type visit struct {
	name    string
	prepare func(t *testing.T, w *world, i migration.Item) // what was done before, by others
	run     func(t *testing.T, e *worker, i migration.Item) error
	call    string // the one that changes something
}

var visits = []visit{
	{"apply", func(t *testing.T, w *world, i migration.Item) { start(t, w, i) }, advance, "UpdateSecret"},
	{"rollback", func(t *testing.T, w *world, i migration.Item) {
		start(t, w, i)
		must(t, advance(t, w.worker("first", w.url, 0), i))
	},
		func(t *testing.T, e *worker, i migration.Item) error {
			_, err := e.Rollback(t.Context(), i.Secret, "asked for")
			return err
		}, "UpdateSecret"},
	{"seal", func(t *testing.T, w *world, i migration.Item) {
		start(t, w, i)
		first := w.worker("first", w.url, 0)
		must(t, advance(t, first, i))
		w.pass(25 * time.Hour)
		must(t, first.GoAhead(t.Context(), i.Secret, "the test"))
	}, advance, "RotateSecret"},
}

func start(t *testing.T, w *world, i migration.Item) {
	t.Helper()
	_, err := w.worker("first", w.url, 0).Start(t.Context(), i, "plan", rules)
	must(t, err)
}

func advance(t *testing.T, e *worker, i migration.Item) error {
	_, _, err := e.Advance(t.Context(), i.Secret)
	return err
}

// takeOver is another worker that finds the secret held, watches it for as long as it takes, and then goes back.
func (w *world) takeOver(t *testing.T, i migration.Item) {
	other := w.worker("other", w.url, 7*time.Minute)
	for range 4 {
		_, err := other.Rollback(t.Context(), i.Secret, "the other asks")
		if errors.Is(err, migration.ErrBusy) {
			w.pass(takeover)
			continue
		}
		if err != nil && !errors.Is(err, migration.ErrNothingToUndo) {
			t.Errorf("the other: %v", err)
		}
		return
	}
	t.Errorf("the other worker never came to it")
}

// count plays a visit without trouble, and answers its calls.
func count(t *testing.T, w *world, v visit) []string {
	t.Helper()
	i := w.secret()
	v.prepare(t, w, i)
	n, endpoint := w.network(func(int, string) fault { return fault{} })
	must(t, v.run(t, w.worker("sleeper", endpoint, 0), i))
	if !slices.Contains(n.seen, v.call) {
		t.Fatalf("%s makes no %s: %v", v.name, v.call, n.seen)
	}
	return n.seen
}

// A worker sleeps at any call for longer than its lease, with both clocks standing still or running on, while another takes
// the secret over and goes back. What the sleeper does when it wakes changes nothing.
func TestAWorkerThatWakesAfterItsLeaseChangesNothingThatAnotherHasSetBack(t *testing.T) {
	w := newWorld(t)
	for _, v := range visits {
		for at, operation := range count(t, w, v) {
			for n, answered := range []bool{false, true} {
				if operation == v.call && !answered {
					continue // bytes that left are AWS's: the other waits longer than AWS takes them
				}
				for _, frozen := range []bool{false, true} {
					if !*every && frozen != ((at+n)%2 == 0) {
						continue
					}
					name := fmt.Sprintf("%s/%d %s, answered %t, frozen %t", v.name, at+1, operation, answered, frozen)
					t.Run(name, func(t *testing.T) { sleepAt(t, w, v, at+1, answered, frozen) })
				}
			}
		}
	}
}

func sleepAt(t *testing.T, w *world, v visit, at int, answered, frozen bool) {
	i := w.secret()
	v.prepare(t, w, i)
	var sleeper *worker
	var then []change
	var asleep sync.Mutex // on a busy machine the sleeper's call is given up while the other is still at it
	sleeps := func() {
		asleep.Lock()
		defer asleep.Unlock()
		if frozen {
			sleeper.clock.freeze(func() { w.takeOver(t, i) })
		} else {
			w.takeOver(t, i)
		}
		then = w.changesOf(i.Secret)
	}
	_, endpoint := w.network(func(n int, _ string) fault {
		switch {
		case n != at:
			return fault{}
		case answered:
			return fault{after: sleeps}
		}
		return fault{before: sleeps}
	})
	sleeper = w.worker("sleeper", endpoint, -2*time.Minute)
	_ = v.run(t, sleeper, i) // it is refused, cut off by its time, or has ended before: what counts is what it did
	asleep.Lock()
	defer asleep.Unlock()
	if now := w.changesOf(i.Secret); len(now) != len(then) {
		t.Errorf("after the other had gone back: %v", now[len(then):])
	}
	w.checkBack(t, i)
}

// checkBack sees that a secret is as it was, each change of it made and journaled a single time.
func (w *world) checkBack(t *testing.T, i migration.Item) {
	t.Helper()
	changes, entries := w.changesOf(i.Secret), w.journal(i.Secret)
	job, err := w.worker("look", w.url, 0).Store.Load(t.Context(), i.Secret)
	must(t, err)
	s := w.describe(i.Secret)
	if s.KeyID != "" && job.Phase != migration.Failed || job.Phase != migration.RolledBack && job.Phase != migration.Failed {
		t.Errorf("the key is %q, the job %s (%s); changes %v", s.KeyID, job.Phase, job.Reason, changes)
	}
	if n := calls(changes, "UpdateSecret"); n > 2 || n == 1 || calls(changes, "RotateSecret") > 1 {
		t.Errorf("changed twice: %v", changes)
	}
	if n := journaled(entries, "UpdateSecret"); n > 1 || calls(changes, "UpdateSecret") > 0 && (n != 1 || journaled(entries, "rollback") != 1) {
		t.Errorf("journal %+v of changes %v", entries, changes)
	}
}

// A worker dies at any call, before it arrives or after, and another ends what it began: nothing is changed twice, and the
// journal says each change a single time. The other need not ask twice (it waits for the lease, 20 seconds), but where the dead one
// wrote that the change is sent, and the change never came.
func TestADeathAtAnyCallIsEndedByAnotherWithoutASecondChange(t *testing.T) {
	w := newWorld(t)
	for _, v := range visits {
		all := count(t, w, v)
		sent := slices.Index(all, v.call)
		for at, operation := range all {
			for _, arrives := range []bool{false, true} {
				if !*every && arrives != (at%2 == 0) && operation != v.call {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d %s, arrives %t", v.name, at+1, operation, arrives), func(t *testing.T) {
					i := w.secret()
					v.prepare(t, w, i)
					before := len(w.changesOf(i.Secret))
					_, endpoint := w.network(func(n int, _ string) fault {
						return fault{dies: n == at+1, mute: n == at+1 && arrives}
					})
					_ = v.run(t, w.worker("dies", endpoint, 0), i) // whatever it says: it is dead
					never := at == sent && !arrives || at == sent-1 && arrives
					w.endedByAnother(t, v, i, before, never)
				})
			}
		}
	}
}

func (w *world) endedByAnother(t *testing.T, v visit, i migration.Item, before int, never bool) {
	other := w.worker("other", w.url, 9*time.Minute)
	err := v.run(t, other, i)
	if errors.Is(err, migration.ErrBusy) != never {
		t.Errorf("whoever comes first: %v", err)
	}
	if never {
		w.pass(takeover + time.Duration(rules.Quiet)) // a rotation that may be under way is given its time, too
		err = v.run(t, other, i)
	}
	if err != nil && !errors.Is(err, migration.ErrNothingToUndo) {
		t.Fatalf("the other: %v", err)
	}
	made := w.changesOf(i.Secret)[before:]
	if n := calls(made, v.call); n != 1 {
		t.Errorf("%d times %s: %v", n, v.call, made)
	}
	action := v.call
	if v.name == "rollback" {
		action = "rollback"
	}
	if n := journaled(w.journal(i.Secret), action); n != 1 {
		t.Errorf("%s is journaled %d times", action, n)
	}
}

// The answer to the change is lost on the way, or AWS answers with an error of its own after making it: what became of it
// is looked up, by the same worker and in the same visit.
func TestAChangeWhoseAnswerWasLostIsSettledByLooking(t *testing.T) {
	w := newWorld(t)
	for _, v := range visits {
		t.Run(v.name, func(t *testing.T) {
			i := w.secret()
			v.prepare(t, w, i)
			before := len(w.changesOf(i.Secret))
			_, endpoint := w.network(func(_ int, operation string) fault { return fault{mute: operation == v.call} })
			if err := v.run(t, w.worker("sender", endpoint, 0), i); err != nil {
				t.Error(err)
			}
			if made := w.changesOf(i.Secret)[before:]; calls(made, v.call) != 1 {
				t.Errorf("made %v", made)
			}
		})
	}
}

// A change that never arrived is seen not to be made when it can come no longer, and is then made: one in the journal.
func TestAChangeThatNeverArrivedIsMadeLaterAsTheSameIntent(t *testing.T) {
	w := newWorld(t)
	i := w.secret()
	start(t, w, i)
	lost := 0
	_, endpoint := w.network(func(_ int, operation string) fault {
		if operation != "UpdateSecret" || lost > 0 {
			return fault{}
		}
		lost++
		return fault{lost: true}
	})
	e := w.worker("sender", endpoint, 0)
	if err := advance(t, e, i); err == nil {
		t.Fatal("nobody noticed")
	}
	must(t, advance(t, e, i))
	if made := w.changesOf(i.Secret); calls(made, "UpdateSecret") != 1 || journaled(w.journal(i.Secret), "UpdateSecret") != 1 {
		t.Errorf("made %v, journal %+v", made, w.journal(i.Secret))
	}
}

// One message at two workers: the first is slow with its last call before the change, until the message comes to the other.
func TestOneMessageAtTwoWorkersReKeysOnce(t *testing.T) {
	w := newWorld(t)
	n, endpoint := w.network(func(int, string) fault { return fault{} })
	must(t, w.deliver(t, w.worker("counts", endpoint, 0), w.secret(), "n"))
	last := slices.Index(n.seen, "UpdateSecret") // counted from one: the call before it
	for round := range 8 {
		i := w.secret()
		message := fmt.Sprint("n", round)
		_, endpoint := w.network(func(n int, _ string) fault {
			if n != last {
				return fault{}
			}
			return fault{after: func() {
				second := w.worker("second", w.url, 0)
				for range 3 {
					if err := w.deliver(t, second, i, message); err != nil && !errors.Is(err, migration.ErrBusy) {
						t.Errorf("the second: %v", err)
					}
					w.pass(takeover)
				}
			}}
		})
		first := w.worker("first", endpoint, 0)
		for range 2 { // it comes again to the first, too
			if err := w.deliver(t, first, i, message); err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) {
				t.Errorf("the first: %v", err)
			}
		}
		if made := w.changesOf(i.Secret); calls(made, "UpdateSecret") != 1 || journaled(w.journal(i.Secret), "UpdateSecret") != 1 {
			t.Errorf("round %d: %v, journal %+v", round+1, made, w.journal(i.Secret))
		}
	}
}

// Two workers get one message at the same moment.
func TestOneMessageAtTwoWorkersAtOnceReKeysOnce(t *testing.T) {
	w := newWorld(t)
	for round := range 8 {
		i, message := w.secret(), fmt.Sprint("n", round)
		var both sync.WaitGroup
		for n := range 2 {
			e := w.worker(fmt.Sprint("worker", n), w.url, 0)
			e.Effects.Sleep = func(context.Context, time.Duration) error { time.Sleep(time.Millisecond); return nil } // nobody dies: no lease ends
			both.Go(func() {
				err := w.deliver(t, e, i, message)
				if err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) {
					t.Errorf("worker %d: %v", n, err)
				}
			})
		}
		both.Wait()
		if made := w.changesOf(i.Secret); calls(made, "UpdateSecret") != 1 {
			t.Errorf("round %d: %v", round+1, made)
		}
	}
}

// deliver does with an order what the function remediate does.
func (w *world) deliver(t *testing.T, e *worker, i migration.Item, message string) error {
	n := guard.Notice{ID: message, Resource: i.Secret, Name: i.Name}
	_, begun, err := e.Resume(t.Context(), n)
	if begun || err != nil {
		return err
	}
	s, err := e.Secrets.Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: i.Secret})
	if err != nil {
		return err
	}
	if s.KeyID != "" {
		return nil // there is nothing to decide any more
	}
	_, _, err = e.Order(t.Context(), migration.Order{Notice: n, Secret: s, Target: w.key})
	return err
}
