package faults_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/store"
)

// A process of alert whose clock is behind sleeps at each of its calls, before the call arrives or before its answer comes, and goes
// on after others have had its work: too late for what it had signed before, or not. The clocks of the others are ahead, by twice
// what one may be wrong. Each notice comes, and a second time only with a word.
func TestClocksThatAreApartNotifyNobodyTwice(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(machines)) {
		m := machines[name]
		if m.of != "alert" {
			continue
		}
		for wakes, after := range map[string]time.Duration{"in time for AWS": 4 * time.Minute, "too late for AWS": 12 * time.Minute} {
			t.Run(name+", "+wakes, func(t *testing.T) { comesSecond(t, m, after) })
		}
	}
}

func comesSecond(t *testing.T, m machine, after time.Duration) {
	t.Parallel()
	o := newOracle()
	w := foundWhere(t, 1, o, m.behavior)
	bubble(t, w, 1, faults{processes: 2}, o, func(t *testing.T, d *driver) {
		d.quiet()
		late := "" // the process that sleeps
		d.faults.skewOf = func(process string) time.Duration {
			if process == late {
				return -store.Skew
			}
			return store.Skew
		}
		n, sleeps := 0, 0
		for _, how := range []fault{asleepBefore, asleepAfter} {
			for calls := 1; ; calls++ {
				n++
				m.provoke(t, d, n)
				d.settle(2 * store.Skew) // what is due is by the slowest clock
				d.retire(m.of)
				late = d.deployed[m.of].next()
				wake := func() {}
				d.faults.wakes = func(f func()) { wake = f }
				made, slept := 0, false
				d.faults.at = func(c *call) fault {
					if c.of.name != late || slept {
						return none
					}
					if made++; made < calls {
						return none
					}
					slept = true
					return how
				}
				m.works(t, d, n)
				d.settle(after)
				d.faults.at = nil
				wake()
				d.settle(m.between + time.Hour)
				if !slept {
					break
				}
				sleeps++
			}
		}
		d.sparse()
		d.atRest(t)
		o.faultless(t, d)
		if dead := d.w.AWS.Stats().InDLQ; dead > 0 || sleeps < 10 || after > signedFor && o.Repeats == 0 {
			t.Errorf("%d messages in dead-letter queues; slept %d times, %d repeats:\n%s", dead, sleeps, o.Repeats, strings.Join(d.parked(t), "\n"))
		}
		t.Logf("slept at %d calls, %d notices, %d messages, %d of them repeats", sleeps, o.Notices, o.Mails, o.Repeats)
	})
}

// How soon a message comes again of which nobody knows whether it arrived, as the page operations.md says it.
func TestWhatMayHaveBeenSentComesAgainInItsTime(t *testing.T) {
	for name, row := range map[string]struct {
		how    fault
		others bool // the message comes to another process
		skew   time.Duration
		after  time.Duration // it has come again
	}{
		"an answer was lost, and the same process asks again":                  {lost, false, 0, 4 * time.Minute},
		"an answer was lost, and another asks":                                 {lost, true, 0, 25 * time.Minute},
		"an answer was lost, and the clock of who asks is behind":              {lost, true, -store.Skew, time.Hour},
		"a process died when it had sent, and another asks":                    {killAfter, true, 0, 40 * time.Minute},
		"a process died when it had sent, and the clocks are apart":            {killAfter, true, -store.Skew, time.Hour},
		"a process died before it arrived, and another asks":                   {killBefore, true, 0, 40 * time.Minute},
		"a process died before it arrived, and the clock of who asks is ahead": {killBefore, true, store.Skew, 25 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOracle()
			w := found(t, 1, o)
			bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
				d.quiet()
				first := d.deployed["alert"].next()
				d.faults.skewOf = func(process string) time.Duration {
					if process == first {
						return -row.skew
					}
					return row.skew
				}
				met := false
				d.faults.at = func(c *call) fault {
					if met || c.operation != "Publish" {
						return none
					}
					met = true
					return row.how
				}
				createIn(t, d, local.Search, app(1))
				d.settle(0)
				if row.others {
					d.retire("alert")
				}
				d.settle(2 * time.Minute)
				if o.Repeats > 0 {
					t.Error("it comes again while it may be under way")
				}
				d.settle(row.after - 2*time.Minute)
				if o.Repeats != 1 {
					t.Errorf("%d repeats after %s, want 1", o.Repeats, row.after)
				}
				d.sparse()
				d.atRest(t)
				o.faultless(t, d)
				if dead := d.w.AWS.Stats().InDLQ; dead > 0 || o.Repeats != 1 {
					t.Errorf("%d messages in dead-letter queues, %d repeats:\n%s", dead, o.Repeats, strings.Join(d.parked(t), "\n"))
				}
			})
		})
	}
}
