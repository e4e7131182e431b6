package faults_test

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/settings"
)

// A process dies before its first call, or after any that changes something. Another takes its place: nothing is lost, and nothing is done twice.
func TestADeathAtAnyCallIsEndedByAnotherProcess(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(machines)) {
		t.Run(name, func(t *testing.T) { dies(t, machines[name]) })
	}
}

// everyCall has each row play the deaths that others are like, too.
var everyCall = flag.Bool("every-call", false, "die after the calls that only read, too: many times as long")

// dies lets the process that makes a machine's first call die before it arrives, and then after each call whoever made it. To die before another call
// arrives is to die after the one that arrived before it: AWS holds the same, and nothing else is left of a process. To die after a call that only
// reads is, for the same reason, to die after the last that did not: it is left out, but in rows that are short.
func dies(t *testing.T, m machine) {
	t.Parallel()
	o := newOracle()
	w := foundWhere(t, 1, o, m.behavior)
	bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
		d.quiet()
		d.configure(t, m.settings)
		seen := map[string]bool{}
		points := 0
		for reached := true; reached; points++ {
			if points > 2_000 {
				t.Fatal("it never comes to its end")
			}
			reached = false
			m.provoke(t, d, points+1)
			d.retire(m.of)
			d.faults.at = diesAfter(m, points, seen, &reached)
			m.works(t, d, points+1)
			d.settle(0)
			d.faults.at = nil
			d.settle(m.between)
			if (m.of == "sweep" || m.of == "operate") && m.ended != nil { // who finds a secret held looks at it twice before it is taken over
				for n := 0; n < 2 && m.ended(d, points+1) != ""; n++ {
					d.task(t, settings.TaskSweep)
					d.settle(time.Hour)
				}
			}
			if m.ended != nil {
				if wrong := m.ended(d, points+1); wrong != "" {
					t.Errorf("after a death at call %d: %s", points, wrong)
				}
			}
		}
		for _, call := range m.calls {
			if !seen[call] {
				t.Errorf("makes no %s: %v", call, slices.Sorted(maps.Keys(seen)))
			}
		}
		d.sparse()
		d.atRest(t)
		o.faultless(t, d)
		t.Logf("%d deaths after a call, %d deaths, %d notices, %d messages", points-1, d.count.Kills, o.Notices, o.Mails)
		if dead := w.AWS.Stats().InDLQ; dead > 0 || o.Mails == 0 && m.of == "alert" {
			t.Errorf("%d messages in dead-letter queues; %d messages to people", dead, o.Mails)
		}
	})
}

// diesAfter has a process of a machine die when so many calls of its function have arrived from now on: the one that made the last.
func diesAfter(m machine, calls int, seen map[string]bool, reached *bool) func(*call) fault {
	arrived, over := 0, false
	return func(c *call) fault {
		if function, _, _ := strings.Cut(c.of.name, "/"); function != m.of || over {
			return none
		}
		if c.operation == m.until {
			over = true
			return none
		}
		seen[c.operation] = true
		if calls == 0 {
			*reached, over = true, true
			return killBefore
		}
		if c.reads() && !m.everyCall && !*everyCall {
			return none
		}
		if arrived++; arrived < calls {
			return none
		}
		*reached, over = true, true
		return killAfter
	}
}

// reads reports that a call changes nothing at AWS, by its name; one that it does not know does.
func (c *call) reads() bool {
	for _, verb := range []string{"AssumeRole", "BatchGet", "Describe", "Get", "List", "LookupEvents", "Query", "Scan", "Simulate"} {
		if strings.HasPrefix(c.operation, verb) {
			return true
		}
	}
	return false
}

// retire ends the processes of a function between two batches.
func (d *driver) retire(function string) {
	if f := d.deployed[function]; f != nil {
		for _, p := range f.processes {
			d.kill(p)
		}
	}
}

// quiet stops the clocks that start tasks; wake lets them run.
func (d *driver) quiet() {
	for _, t := range d.due {
		t.next = time.Now().Add(100 * 365 * 24 * time.Hour)
	}
}

func (d *driver) wake() {
	for _, t := range d.due {
		t.next = time.Now().Add(t.every)
	}
}

// sparse starts the tasks that come often more rarely: hours of them are many calls.
func (d *driver) sparse() {
	for _, t := range d.due {
		t.every = max(t.every, 5*time.Minute)
		if t.name == settings.TaskHeartbeat {
			t.every = time.Hour
		}
	}
	d.wake()
}

// atRest lets hours pass, and more while something still waits to be sent: an owner gets so many messages an hour.
func (d *driver) atRest(t *testing.T) {
	t.Helper()
	d.settle(8 * time.Hour) // what a sweep that died had in its hands comes again after an hour and a half
	for range 24 {
		rows, err := d.rows()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, waiting := remembered(rows); len(waiting) == 0 {
			return
		}
		d.settle(time.Hour)
	}
}

// configure lets the hub change as many secrets in an hour as it likes, so that each death is in the middle of a change, and
// sets what else a machine needs.
func (d *driver) configure(t *testing.T, more map[string]any) {
	t.Helper()
	for _, f := range d.deployed {
		var config map[string]any
		if err := json.Unmarshal([]byte(f.env[settings.EnvConfig]), &config); err != nil {
			t.Fatal(err)
		}
		config["limits"] = map[string]any{"changesPerHour": 10_000, "changesPerAccountPerHour": 10_000}
		maps.Copy(config, more)
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		f.env[settings.EnvConfig] = string(raw)
	}
}

// task starts one now.
func (d *driver) task(t *testing.T, name string) {
	t.Helper()
	for _, one := range d.due {
		if one.name == name {
			if err := d.put(one); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no task %s", name)
}

// people does something with every right.
func (d *driver) people(t *testing.T, account, call string, in map[string]any) map[string]any {
	t.Helper()
	out, err := d.w.AWS.AsPrincipal(account, "role/app-deploy/people", d.w.Home(), "secretsmanager", call, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A process that owns a secret is killed. Its message and its lease are another's within thirty seconds.
func TestWhatAKilledFunctionOwnedIsAnothersWithinThirtySeconds(t *testing.T) {
	for name, ended := range map[string]func(d *driver, n int) string{"operate applies what an operator asks for (apply)": isApplied, "remediate re-keys (apply)": isRekeyed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, o := machines[name], newOracle()
			w := foundWhere(t, 1, o, m.behavior)
			bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
				d.quiet()
				d.configure(t, m.settings)
				for n, after := range []int{1, 2, 3} { // its claim, and what it writes then
					m.provoke(t, d, n+1)
					d.retire(m.of)
					reached := false
					intents := 0
					d.faults.at = func(c *call) fault {
						if function, _, _ := strings.Cut(c.of.name, "/"); function != m.of || reached || !c.isIntent() {
							return none
						}
						if intents++; intents < after {
							return none
						}
						reached = true
						if after == 3 { // else it is written that the change is sent, which is another case
							return killBefore
						}
						return killAfter
					}
					m.works(t, d, n+1)
					d.settle(30 * time.Second)
					d.faults.at = nil
					if wrong := ended(d, n+1); !reached || wrong != "" {
						t.Errorf("thirty seconds after a death at its write %d (%t): %s", after, reached, wrong)
					}
				}
			})
		})
	}
}
