package migration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
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
			if strings.HasSuffix(call, " Save") || strings.HasSuffix(call, " SetIntent") { // which have a context of their own when the secret is given back
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
		if err != nil && calls < at {
			t.Fatalf("nobody stopped it: %v", err)
		}
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

// What its owner is asked is stored first: a notice that goes out alone would be sent again by the next visit.
func TestWhatIsNotStoredIsNotPublished(t *testing.T) {
	for sentence, c := range map[string]struct {
		job   func(*migration.Job)
		world func(*fake)
		said  guard.NoticeKind
		is    func(migration.Job) bool
	}{
		"it is to be sealed": {func(j *migration.Job) { inPhase(migration.Sealing)(j); j.RekeyedAt = now.Add(-48 * time.Hour) }, func(*fake) {}, guard.NoticeSealDue, func(j migration.Job) bool { return !j.AskedAt.IsZero() }},
		"it is not proven": {func(j *migration.Job) { inPhase(migration.Unproven)(j); j.ProveBy = now.Add(-time.Hour) }, func(w *fake) { w.secret.VersionsUnread = true }, guard.NoticeUnproven,
			func(j migration.Job) bool { return !j.HandedAt.IsZero() }},
	} {
		for at := 1; ; at++ {
			w, saves := begun(t, c.job), 0
			w.setKey(cmk("new", region).ARN)
			c.world(w)
			w.notices = nil
			w.trouble = func(call string) error {
				if call == "before Save" {
					if saves++; saves >= at {
						return errDied
					}
				}
				return nil
			}
			_, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
			for _, n := range w.notices {
				if n.Kind == c.said && !c.is(w.job(t)) {
					t.Errorf("%s, and the %d. write is lost: %s is published", sentence, at, n.Kind)
				}
			}
			if saves < at {
				if err != nil || len(w.notices) == 0 || at < 2 {
					t.Errorf("%s: %d notices after %d writes, error %v", sentence, len(w.notices), saves, err)
				}
				break
			}
		}
	}
}

// A change that was not sent, because it came too late or another worker has the secret, is tried again.
func TestAChangeThatWasNotSentIsAConflict(t *testing.T) {
	for _, why := range []error{store.ErrFenced, store.ErrLost} {
		w := begun(t, inPhase(migration.Planned))
		w.refusing("UpdateSecret", why)
		if j, _, err := w.worker("slow").Advance(t.Context(), w.secret.ARN); !errors.Is(err, guard.ErrConflict) || len(w.changes) > 0 || j.Phase == migration.Failed {
			t.Errorf("%v: %s, changed %v, error %v", why, j.Phase, w.changes, err)
		}
	}
}
