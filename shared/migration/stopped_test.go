package migration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/migration"
)

// stopping is a store as AWS's is: a call with a context that has ended is not made, and of one that it ended during
// nobody knows whether it came through.
type stopping struct{ *fake }

func (s stopping) Load(ctx context.Context, secret string) (migration.Job, error) {
	if ctx.Err() != nil {
		return migration.Job{}, ctx.Err()
	}
	return s.fake.Load(ctx, secret)
}

func (s stopping) Save(ctx context.Context, j migration.Job) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(s.fake.Save(ctx, j), ctx.Err())
}

// Ctrl-C is no crash: wherever it comes, the next run and the way back are open at once.
func TestWhoeverIsStoppedGivesTheLeaseBack(t *testing.T) {
	for at := 1; ; at++ {
		w, calls := steady(t), 0
		ctx, stop := context.WithCancel(t.Context())
		w.trouble = func(call string) error {
			if calls++; calls == at {
				stop()
			}
			if strings.HasSuffix(call, " Save") { // which has a context of its own when the lease is given back
				return nil
			}
			return ctx.Err()
		}
		e := w.worker("stopped")
		e.Store = stopping{w}
		if _, err := w.worker("start").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		_, _, err := e.Advance(ctx, w.secret.ARN)
		stop()
		w.trouble = func(string) error { return nil }
		if err == nil {
			if at < 12 {
				t.Fatalf("%d calls: this test stops nothing", calls)
			}
			return
		}
		name := fmt.Sprintf("stopped at call %d (%v)", at, err)
		if j := w.job(t); j.Lease.By != "" {
			t.Errorf("%s: the lease is kept by %s until %s", name, j.Lease.By, j.Lease.Until)
		}
		if j, _, err := w.worker("again").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
			t.Errorf("%s: again: %s (%s), error %v", name, j.Phase, j.Reason, err)
		}
		w.now = w.now.Add(time.Minute)
		if j, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the test asks"); err != nil || j.Phase != migration.RolledBack {
			t.Errorf("%s: going back: %s (%s), error %v", name, j.Phase, j.Reason, err)
		}
	}
}
