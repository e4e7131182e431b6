package ledger_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/testdata/templates"
)

const busy = "payments/batch-busy"

// forwarding is the sample organization with migration.readerLedger: forwarded, as `cdk deploy` makes it.
type forwarding struct {
	*testing.T
	*local.Organization
	lookups *atomic.Int64
}

func newForwarding(t *testing.T) forwarding {
	t.Helper()
	f := forwarding{T: t, lookups: new(atomic.Int64)}
	file := func(stack string) []byte {
		raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "templates", "forwarded", stack+".template.json"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	w, stop, err := local.New(t.Context(), local.Options{
		Seed: 1, Templates: &templates.Stacks{Org: file("org"), Hub: file("hub"), Member: file("member")},
		Watch: local.Watcher{Record: func(r localaws.Record) {
			if r["eventName"] == "LookupEvents" {
				f.lookups.Add(1)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.AWS.Lock()
	w.AWS.Options.Faults.Duplicate, w.AWS.Options.Faults.Reorder = 0.3, 20
	w.AWS.Unlock()
	f.Organization = w
	localtest.Call(t, w, local.Payments, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": busy, "SecretString": "x"})
	return f
}

// quarters let quarters of an hour pass, each with a heartbeat at its end and reads before it.
func (f forwarding) quarters(n, reads int) {
	f.Helper()
	for range n {
		for range reads {
			f.Read(local.By("app-batch", local.Payments, f.Home()), busy)
		}
		f.Clock.Advance(15 * time.Minute)
		localtest.Schedule(f.T, f.Organization, settings.TaskHeartbeat, "watchdog")
		if err := f.Settle(f.Context()); err != nil {
			f.Fatal(err)
		}
	}
}

// visit looks for users as a visit of a job does, with the rights of the function that makes it.
func (f forwarding) visit(since time.Time) (seen []migration.Sighting, gaps []migration.Gap, lookups int64) {
	f.Helper()
	localtest.ActAsFunction(f.T, f.Organization, "sweep")
	h, err := hub.Open(f.Context(), "sweep", os.Getenv, f.Clock.Now, nil)
	if err != nil {
		f.Fatal(err)
	}
	machine := migrations.Parts{Cloud: h.Cloud, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: h.Runtime, By: h.Session, Now: h.Now, Log: h.Log}.Open()
	before := f.lookups.Load()
	arn, _ := localtest.Call(f.T, f.Organization, local.Payments, f.Home(), "secretsmanager", "DescribeSecret", map[string]any{"SecretId": busy})["ARN"].(string)
	seen, gaps, err = machine.Reads.Uses(f.Context(), guard.Secret{ARN: arn, Name: busy, Account: local.Payments, Region: f.Home()}, since)
	if err != nil {
		f.Fatal(err)
	}
	return seen, gaps, f.lookups.Load() - before
}

// The whole way: the member's rule, its role, the hub's bus, the queue, the function and the table, and a visit that asks them.
func TestReadsReachTheLedgerByTheDeployedWayAndItKnowsWhenTheyDoNot(t *testing.T) {
	f := newForwarding(t)
	f.quarters(1, 1)
	on := f.Clock.Now().Add(time.Minute)
	f.quarters(4, 200)
	seen, gaps, lookups := f.visit(on)
	if len(seen) == 0 || len(gaps) > 0 || lookups > 2 {
		t.Errorf("seen %v, gaps %v, %d look-ups", seen, gaps, lookups)
	}
	for _, s := range seen {
		if s.Principal != f.Partition.Role(local.Payments, "app-batch") {
			t.Errorf("%s uses it", s.Principal)
		}
	}
	localtest.Call(t, f.Organization, local.Payments, f.Home(), "events", "DisableRule", map[string]any{"Name": "doublelock-reads"})
	f.quarters(4, 200)
	if _, gaps, _ := f.visit(on); len(gaps) == 0 || gaps[0].From.Before(on) {
		t.Errorf("gaps %v: its reads did not arrive for an hour", gaps)
	}
	localtest.Call(t, f.Organization, local.Payments, f.Home(), "events", "EnableRule", map[string]any{"Name": "doublelock-reads"})
}
