package migration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// An account that is closed, a role that is gone, a secret that may not be looked at: the job says so once, with what to do
// and by when, and ends.
func TestAJobThatIsOutOfReachSaysSoAndIsGivenUp(t *testing.T) {
	for name, meaning := range map[string]error{
		"the account is gone":           guard.ErrNotOurs,
		"the secret is not ours to see": guard.ErrDenied,
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
				t.Fatal(err)
			}
			w.trouble = func(at string) error {
				if at == "before Describe" {
					return fmt.Errorf("look: %w", meaning)
				}
				return nil
			}
			visit := func(later time.Duration) migration.Job {
				w.now = w.now.Add(later)
				_, _, _ = w.worker("sweep").Advance(t.Context(), w.secret.ARN)
				return w.job(t)
			}
			if j := visit(0); j.Stuck == nil || len(w.notices) > 0 || !strings.Contains(j.Reason, "tried again by every sweep") {
				t.Errorf("at first: %+v, %d notices, %s", j.Stuck, len(w.notices), j.Reason)
			}
			visit(time.Hour)
			visit(time.Hour)
			visit(time.Hour)
			if len(w.notices) != 1 || w.notices[0].Kind != guard.NoticeAttention || !strings.Contains(w.notices[0].Move.Reason, "given up on 2026-") {
				t.Fatalf("after three hours: %+v", w.notices)
			}
			j := visit(7 * 24 * time.Hour)
			if j.Phase != migration.Blocked || len(w.notices) != 2 || !strings.Contains(j.Reason, "apply the plan again") || j.NeedsVisit() {
				t.Errorf("after a week: %s (%s), %d notices", j.Phase, j.Reason, len(w.notices))
			}
		})
	}
}

func TestAJobThatIsWithinReachAgainForgetsThatItWasNot(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	before := len(w.notices)
	w.trouble = func(at string) error {
		if at == "before Describe" {
			return fmt.Errorf("look: %w", guard.ErrNotOurs)
		}
		return nil
	}
	for range 9 * 24 { // it is between two locks: it is never given up
		w.now = w.now.Add(time.Hour)
		_, _, _ = w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	}
	j := w.job(t)
	if j.Phase != migration.Observing || !j.NeedsVisit() || len(w.notices) != before+2 || !strings.Contains(w.notices[before].Move.Reason, "asked again on") {
		t.Fatalf("%s (%s), notices %+v", j.Phase, j.Reason, w.notices[before:])
	}
	w.trouble = func(string) error { return nil }
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Stuck != nil {
		t.Errorf("%+v, %v", j.Stuck, err)
	}
}
