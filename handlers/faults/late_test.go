package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/settings"
)

// latecomer is a worker that sleeps while it owns a secret until others have done its work or undone it, and then goes on.
type latecomer struct {
	machine string
	provoke func(t *testing.T, d *driver, n int)        // nil: as of the machine
	others  func(t *testing.T, d *driver, n int)        // what they do beside what happens by itself; nil: nothing
	ended   func(d *driver, n int) (whatIsWrong string) // after that, and as long as nobody changes it
}

var latecomers = map[string]latecomer{
	"remediate, and the sweep ends what its message began":    {machine: "remediate re-keys (apply)", provoke: leavesNone, others: sweepsTwice, ended: isRekeyed},
	"the sweep, and the next finds the same copy":             {machine: "sweep sets the key of a copy (seal)", others: sweepsTwice, ended: isCopied},
	"the sweep, and the next finds the same secret to rotate": {machine: "sweep has a secret rotated (seal)", others: sweepsTwice, ended: isRotated},
	"a person who applies, and another does":                  {machine: "a person applies a plan (apply)", ended: isApplied},
	"a person who applies, and another goes back":             {machine: "a person applies a plan (apply)", others: goesBack, ended: isSetBack},
	"a person who goes back, and another does":                {machine: "a person takes a move and its tags back (rollback)", ended: isSetBack},
}

// leavesNone takes the secret of the round before out of the sweep's way.
func leavesNone(t *testing.T, d *driver, n int) {
	if n > 1 {
		d.people(t, local.Payments, "DeleteSecret", map[string]any{"SecretId": app(n - 1), "ForceDeleteWithoutRecovery": true})
		d.settle(0)
	}
}

func sweepsTwice(t *testing.T, d *driver, _ int) {
	for range 2 {
		d.task(t, settings.TaskSweep)
		d.settle(time.Hour)
	}
}

// A worker sleeps at each call that counts while it owns a secret: before the call arrives, or before its answer comes. Others
// take over. What it does when it wakes changes nothing.
func TestAWorkerThatWakesWhenAnotherHasTakenOverChangesNothing(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(latecomers)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOracle()
			c := comesLate(t, latecomers[name], o, false)
			if c.taken == 0 {
				t.Error("nobody ever took over from it: nothing is shown")
			}
			for _, f := range slices.Concat(c.wrong, o.faults) {
				t.Error(f)
			}
			t.Logf("%d calls, taken over from at %d", c.calls, c.taken)
		})
	}
}

// What a worker sent before it slept is stopped by nobody but AWS, which takes no request that was signed long ago. In one that
// does the oracle counts.
func TestTheOracleSeesAWorkerThatNothingStops(t *testing.T) {
	t.Parallel()
	o := newOracle()
	c := comesLate(t, latecomers["a person who applies, and another goes back"], o, true)
	if o.ChangedTwice == 0 || len(c.wrong) == 0 {
		t.Errorf("a worker that nothing stopped was not seen to change what was another's: %d changed twice, %q", o.ChangedTwice, c.wrong)
	}
}

// came is what became of a row.
type came struct {
	calls int      // there were to sleep at
	taken int      // times that another took over meanwhile
	wrong []string // in words
}

// comesLate plays a row.
func comesLate(t *testing.T, l latecomer, o *oracle, anySignature bool) (c came) {
	t.Helper()
	m := machines[l.machine]
	w := foundWhere(t, 1, o, m.behavior)
	bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
		d.quiet()
		d.configure(t, m.settings)
		d.faults.anySignature = anySignature
		provoke := m.provoke
		if l.provoke != nil {
			provoke = l.provoke
		}
		n := 0
		for _, how := range []fault{asleepBefore, asleepAfter} {
			for calls := 1; ; calls++ {
				n++
				provoke(t, d, n)
				d.retire(m.of)
				var at *call
				wake := func() {}
				d.faults.wakes = func(f func()) { wake = f }
				d.faults.at = sleepsAt(o, m, calls, how, &at)
				m.works(t, d, n)
				d.settle(0)
				d.faults.at = nil
				d.settle(max(m.between, 2*time.Hour))
				if l.others != nil {
					l.others(t, d, n)
				}
				if wrong := l.ended(d, n); wrong != "" {
					c.wrong = append(c.wrong, fmt.Sprintf("call %d, fault %d: while it sleeps: %s", calls, how, wrong))
				}
				if at == nil {
					break
				}
				c.calls++
				if !o.owns(at.of) {
					c.taken++
				}
				before := o.Changes
				wake()
				d.settle(time.Hour)
				if wrong := l.ended(d, n); wrong != "" || o.Changes != before {
					c.wrong = append(c.wrong, fmt.Sprintf("%s, fault %d: who woke changed it %d times; %s", at, how, o.Changes-before, wrong))
				}
			}
		}
		d.sparse()
		d.atRest(t)
		if _, err := o.judge(d); err != nil {
			t.Fatal(err)
		}
	})
	return c
}

// counts reports that to sleep at a call is something else than to sleep at the one before: it writes who owns what, it changes
// something, something is stored that a change follows, or its answer is what is true of a secret.
func (c *call) counts(how fault) bool {
	return c.isIntent() || changed(c) != "" || how == asleepAfter && (c.operation == "DescribeSecret" || c.operation == "PutItem" || c.operation == "TransactWriteItems")
}

// sleepsAt has the process of a machine sleep at one of the calls that count, of those that it makes from when it owns something.
func sleepsAt(o *oracle, m machine, calls int, how fault, at **call) func(*call) fault {
	made, over := 0, false
	return func(c *call) fault {
		if function, _, _ := strings.Cut(c.of.name, "/"); function != m.of || over || !c.counts(how) || !c.isIntent() && !o.owns(c.of) {
			return none
		}
		if over = m.until != "" && c.operation == m.until; over {
			return none
		}
		if made++; made < calls {
			return none
		}
		*at, over = c, true
		return how
	}
}

func isRekeyed(d *driver, n int) string {
	if s := d.oracle.find(app(n), local.Payments, d.w.Home()); s == nil || managed(s.key) {
		return "it is not under the new key"
	}
	return ""
}
