package migration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// pause sets the brake, or lets go of it.
func (w *fake) pause(t *testing.T, on bool) {
	t.Helper()
	w.intents.Turn(t, on, w.now)
}

const pausedBy = "changes are paused since "

func TestAPlannedJobWaitsWhileChangesArePausedAndGoesOnAfterwards(t *testing.T) {
	w := steady(t)
	if _, err := w.worker("w").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.pause(t, true)
	j, step, err := w.worker("w").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.Planned || step.Action != migration.DoWait || !strings.Contains(j.Reason, pausedBy) || w.secret.Key.ARN == j.Target {
		t.Fatalf("%s (%s), step %s, error %v", j.Phase, j.Reason, step.Action, err)
	}
	w.now = w.now.Add(3 * time.Hour)
	if j, _, err = w.worker("w").Advance(t.Context(), w.secret.ARN); err != nil || j.Stuck != nil || len(w.notices) > 0 {
		t.Errorf("a pause counts as out of reach: %v, %v, %v", j.Stuck, w.notices, err)
	}
	w.pause(t, false)
	if j, _, err = w.worker("w").Advance(t.Context(), w.secret.ARN); err != nil || w.secret.Key.ARN != j.Target {
		t.Errorf("%s (%s) after it was let go: %v", j.Phase, j.Reason, err)
	}
}

func TestAReaderThatIsCutOffWhileChangesArePausedIsPagedAndRescuedAfterwards(t *testing.T) {
	g := sealedUnder(t, rescuing())
	g.pause(t, true)
	answer, err := g.refuse(t, "app", "e-1")
	if err != nil || answer != migration.AnswerPage || len(g.to) > 0 {
		t.Fatalf("answer %q, %d grants, error %v", answer, len(g.to), err)
	}
	at := slices.IndexFunc(g.fake.notices, func(n guard.Notice) bool {
		return n.Kind == guard.NoticeReaderLost && strings.Contains(fmt.Sprintf("%+v", n.Move), pausedBy)
	})
	if at < 0 {
		t.Errorf("no notice says that changes are paused: %+v", g.fake.notices)
	}
	g.pause(t, false)
	g.now = g.now.Add(time.Hour) // within some minutes it is the same read
	if answer, err := g.refuse(t, "app", "e-2"); err != nil || answer != migration.AnswerGrant || len(g.to) != 1 {
		t.Errorf("after it was let go: answer %q, %d grants, error %v", answer, len(g.to), err)
	}
}

func TestGoingBackIsRefusedWhileChangesArePaused(t *testing.T) {
	g := movedUnder(t, migration.Defaults())
	g.pause(t, true)
	j, err := g.worker("person").Rollback(t.Context(), g.secret.ARN, "it broke")
	if _, is := errors.AsType[*store.PausedError](err); !is || j.Phase == migration.RolledBack || g.secret.Key.ARN != j.Target {
		t.Fatalf("%s, %v", j.Phase, err)
	}
	g.pause(t, false)
	if j, err := g.worker("person").Rollback(t.Context(), g.secret.ARN, "it broke"); err != nil || j.Phase != migration.RolledBack {
		t.Errorf("after it was let go: %s, %v", j.Phase, err)
	}
}

func TestAGrantThatIsOverIsEndedWhenChangesAreNotPausedAnyMore(t *testing.T) {
	g := sealedUnder(t, rescuing())
	if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerGrant {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	g.now = g.now.Add(2 * time.Hour)
	g.pause(t, true)
	if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil || len(g.revoked) > 0 {
		t.Errorf("ended %q, error %v", g.revoked, err)
	}
	g.pause(t, false)
	if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil || len(g.revoked) != 1 {
		t.Errorf("after it was let go: ended %q, error %v", g.revoked, err)
	}
}
