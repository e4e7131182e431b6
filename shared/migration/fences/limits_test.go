package fences_test

import (
	"context"
	"flag"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/shared/migration"
)

var (
	manyJobs = flag.Int("jobs", 32, "jobs of which an hour allows few changes")
	fewOf    = flag.Int("allowed", 2, "changes that an hour allows")
)

// What an hour allows is asked before anything is looked up: the jobs that have to wait cost AWS nothing.
func TestLimitsAreAskedBeforeLookUps(t *testing.T) {
	w := newWorld(t)
	few := rules
	few.PerAccountHour = *fewOf
	first := w.worker("first", w.url, 0)
	var last migration.Item
	for range *manyJobs {
		last = w.secret()
		if _, err := first.Start(t.Context(), last, "plan", few); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	made := map[string]int{}
	_, endpoint := w.network(func(_ int, operation string) fault {
		mu.Lock()
		defer mu.Unlock()
		made[operation]++
		return fault{}
	})
	e := w.worker("sweep", endpoint, 0)
	asked := &asks{}
	e.Preflight = asked
	visits := &sweep.Migrations{Engine: e.Engine, Concurrency: 1, Log: slog.New(slog.DiscardHandler)}
	if err := visits.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d jobs, %d changes allowed: %d pre-flights, calls %v", *manyJobs, *fewOf, asked.n, made)
	if made["UpdateSecret"] != *fewOf || asked.n != *fewOf || made["DescribeSecret"] > 4**fewOf {
		t.Errorf("%d changes, %d pre-flights, %d looks", made["UpdateSecret"], asked.n, made["DescribeSecret"])
	}
	if waiting := w.job(t, first, last.Secret); waiting.Phase != migration.Planned || waiting.Reason == "" {
		t.Errorf("a job that waits: %s (%s)", waiting.Phase, waiting.Reason)
	}
	clear(made) // the next sweep of the hour knows who waits, and visits those that it moved alone
	if err := visits.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("the next sweep: calls %v", made)
	if made["DescribeSecret"] != *fewOf || made["GetItem"] > 4**fewOf || made["UpdateSecret"] != 0 {
		t.Errorf("the next sweep of the hour: %v", made)
	}
}

// One job that hangs, one whose account is gone, one whose secret was deleted, one whose deletion is scheduled and one at which
// another worker is: the others come to their turn.
func TestAJobThatCannotGoOnHoldsUpNoneOfTheOthers(t *testing.T) {
	w := newWorld(t)
	first := w.worker("first", w.url, 0)
	hangs, deleted, scheduled, busy, well := w.secret(), w.secret(), w.secret(), w.secret(), w.secret()
	gone := hangs
	gone.Account, gone.Secret = "444455556666", strings.Replace(hangs.Secret, shop, "444455556666", 1) // which nobody can enter
	for _, i := range []migration.Item{hangs, gone, deleted, scheduled, busy, well} {
		if _, err := first.Start(t.Context(), i, "plan", rules); err != nil {
			t.Fatal(err)
		}
	}
	w.service(shop, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": deleted.Secret, "ForceDeleteWithoutRecovery": true})
	w.service(shop, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": scheduled.Secret, "RecoveryWindowInDays": 7})
	_, err := first.Effects.Hold(t.Context(), busy.Secret, nil)
	must(t, err)
	e := w.worker("sweep", w.url, 0)
	e.Engine.Preflight = &asks{hang: hangs.Secret}
	e.Effects.Sleep = func(context.Context, time.Duration) error { return context.DeadlineExceeded } // for nobody's death
	began := time.Now()
	if err := (&sweep.Migrations{Engine: e.Engine, Concurrency: 1, PerJob: time.Second / 2, Log: slog.New(slog.DiscardHandler)}).Advance(t.Context()); err != nil {
		t.Errorf("the sweep failed: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	for name, want := range map[string]struct {
		of    migration.Item
		phase migration.Phase
		stuck bool
	}{"hangs": {hangs, migration.Planned, true}, "gone": {gone, migration.Planned, true}, "deleted": {deleted, migration.Failed, false},
		"scheduled": {scheduled, migration.Blocked, false}, "busy": {busy, migration.Planned, false}, "well": {well, migration.Observing, false}} {
		if j := w.job(t, first, want.of.Secret); j.Phase != want.phase || (j.Stuck != nil) != want.stuck {
			t.Errorf("%s: %s (%s), stuck %+v", name, j.Phase, j.Reason, j.Stuck)
		}
	}
}
