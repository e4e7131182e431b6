package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/handlers/wires"
	"github.com/doublelock/doublelock/shared/settings"
)

// machine is something that the hub does in several calls, and is killed before and after each of them.
type machine struct {
	of      string // the function whose process dies
	needs   string // a call that must be among its calls, or the row tries something else than it says
	provoke func(t *testing.T, d *driver, n int)
	between time.Duration // that passes before the next
}

// machines is the list. A handler that is not in it fails a test. That rollback and seal are ended by another worker, too,
// wherever they die, is tried in shared/migration/fences.
var machines = map[string]machine{
	"detect finds a secret under the AWS managed key": {"detect", "PutEvents", func(t *testing.T, d *driver, n int) { createIn(t, d, local.Search, n) }, 0},
	"alert notifies its owner":                        {"alert", "Publish", func(t *testing.T, d *driver, n int) { createIn(t, d, local.Search, n) }, 61 * time.Minute},
	"alert sends a roll-up":                           {"alert", "Publish", rollUp, 61 * time.Minute},
	"remediate re-keys (apply)":                       {"remediate", "UpdateSecret", func(t *testing.T, d *driver, n int) { createIn(t, d, local.Payments, n) }, 0},
	"sweep finds what no event reported":              {"sweep", "PutEvents", unseen, 0},
	"watchdog publishes what waits":                   {"watchdog", "PutEvents", waits, 0},
}

func TestEveryHandlerIsKilledAtEachOfItsCalls(t *testing.T) {
	killed := map[string]bool{}
	for _, m := range machines {
		killed[m.of] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(wires.All())), slices.Sorted(maps.Keys(killed))); diff != "" {
		t.Errorf("handlers, and those that machines kills (-want +got):\n%s", diff)
	}
}

// A process dies before or after any of its calls. Another takes its place: nothing is lost, and nothing is done twice.
func TestADeathAtAnyCallIsEndedByAnotherProcess(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(machines)) {
		t.Run(name, func(t *testing.T) { dies(t, machines[name]) })
	}
}

func dies(t *testing.T, m machine) {
	t.Parallel()
	o := newOracle()
	w := found(t, 1, o)
	bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
		d.quiet()
		d.unlimited(t)
		seen := map[string]bool{}
		n, points := 0, 0
		for at := 1; ; at++ {
			reached := false
			for _, then := range []fault{killBefore, killAfter} {
				d.retire(m.of)
				first := ""
				d.faults.at = func(c *call) fault {
					if c.of.name[:len(c.of.name)-len(after(c.of.name))] != m.of+"/" {
						return none
					}
					if first == "" {
						first = c.of.name
					}
					if c.of.name != first {
						return none
					}
					seen[c.operation] = true
					if c.number != at {
						return none
					}
					reached = true
					return then
				}
				n++
				m.provoke(t, d, n)
				d.settle(0)
				d.faults.at = nil
				if m.between > 0 {
					d.settle(m.between)
				}
			}
			if !reached {
				break
			}
			points++
			if at > 2_000 {
				t.Fatal("it never comes to its end")
			}
		}
		if !seen[m.needs] {
			t.Errorf("makes no %s: %v", m.needs, slices.Sorted(maps.Keys(seen)))
		}
		d.sparse()
		d.atRest(t)
		if _, err := o.judge(d); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d calls, %d deaths, %d notices, %d messages", points, d.count.Kills, o.Notices, o.Mails)
		for _, f := range o.faults {
			t.Error(f)
		}
		if dead := w.AWS.Stats().InDLQ; dead > 0 || o.Mails == 0 && m.of == "alert" {
			t.Errorf("%d messages in dead-letter queues; %d messages to people", dead, o.Mails)
		}
	})
}

// after is what a process's name has behind the slash.
func after(name string) string {
	for i := range name {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return ""
}

// retire ends the processes of a function between two batches.
func (d *driver) retire(function string) {
	for _, p := range d.deployed[function].processes {
		d.kill(p)
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
		if _, _, waiting, err := d.oracle.table(d); err != nil {
			t.Fatal(err)
		} else if len(waiting) == 0 {
			return
		}
		d.settle(time.Hour)
	}
}

// unlimited lets the hub change as many secrets in an hour as it likes, so that each death is in the middle of a change.
func (d *driver) unlimited(t *testing.T) {
	t.Helper()
	for _, f := range d.deployed {
		var config map[string]any
		if err := json.Unmarshal([]byte(f.env[settings.EnvConfig]), &config); err != nil {
			t.Fatal(err)
		}
		config["limits"] = map[string]any{"changesPerHour": 10_000, "changesPerAccountPerHour": 10_000}
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

func createIn(t *testing.T, d *driver, account string, n int) {
	t.Helper()
	d.people(t, account, "CreateSecret", map[string]any{"Name": fmt.Sprintf("app/%d", n), "SecretString": "not a real value", "Tags": []map[string]string{{"Key": "Owner", "Value": "team-payments"}}})
}

// rollUp has more for one owner than goes at once.
func rollUp(t *testing.T, d *driver, n int) {
	at := d.faults.at
	d.faults.at = nil
	for i := range 5 {
		createIn(t, d, local.Search, 10*n+i)
		d.settle(0) // each in a message of its own
	}
	d.settle(11 * time.Minute)
	d.retire("alert")
	d.faults.at = at
	d.task(t, settings.TaskRollUp)
}

// unseen is a change that CloudTrail does not report, and a sweep.
func unseen(t *testing.T, d *driver, n int) {
	at := d.faults.at
	d.faults.at = nil
	d.task(t, settings.TaskSweep) // ends what the last one left
	d.settle(0)
	d.retire("sweep")
	d.faults.at = at
	d.w.AWS.Trail(local.Search, d.w.Home(), false)
	if n == 1 {
		createIn(t, d, local.Search, n)
	} else {
		d.people(t, local.Search, "UpdateSecret", map[string]any{"SecretId": "app/1", "KmsKeyId": []string{"alias/aws/secretsmanager", settings.SecretsKeyAlias}[n%2]})
	}
	d.w.AWS.Trail(local.Search, d.w.Home(), true)
	d.task(t, settings.TaskSweep)
}

// waits is a notice that could not be put on the bus, and a heartbeat.
func waits(t *testing.T, d *driver, n int) {
	at := d.faults.at
	d.faults.at, d.faults.down = nil, func(c *call) bool { return c.service == "events" && c.operation == "PutEvents" }
	createIn(t, d, local.Search, n)
	d.settle(0)
	d.faults.at, d.faults.down = at, nil
	d.retire("watchdog")
	d.task(t, settings.TaskHeartbeat)
}
