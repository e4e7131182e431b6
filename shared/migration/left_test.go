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
)

// operator is somebody who may read and plan, and may not take the role that changes secrets.
func (w *fake) operator() *migration.Engine {
	e := w.worker("operator")
	e.By = role("alice")
	e.Enter = func(context.Context, string) error { return fmt.Errorf("assume role: %w", guard.ErrNotOurs) }
	return e
}

// Who may not change a secret has not found out anything about the secret.
func TestWhatTheMoverMayNotIsNotTheSecretsFailure(t *testing.T) {
	for name, advance := range map[string]func(*fake) (migration.Job, migration.Step, error){
		"asked before the change": func(w *fake) (migration.Job, migration.Step, error) {
			return w.operator().Advance(t.Context(), w.secret.ARN)
		},
		"answered by the change itself": func(w *fake) (migration.Job, migration.Step, error) {
			w.refusing("UpdateSecret", guard.ErrNotOurs)
			return w.worker("operator").Advance(t.Context(), w.secret.ARN)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			if _, err := w.operator().Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
				t.Fatal(err)
			}
			j, step, err := advance(w)
			if err != nil || j.Phase != migration.Planned || step.Action != migration.DoWait || !strings.Contains(step.Reason, "doublelock-change could not be taken in "+shop) {
				t.Fatalf("%s, %+v, error %v", j.Phase, step, err)
			}
			if stored := w.job(t); stored.Phase != migration.Planned || stored.Lease.By != "" || !stored.NeedsVisit() || len(w.notices) > 0 || len(w.changes) > 0 {
				t.Errorf("stored %+v, notices %+v, changes %v", stored, w.notices, w.changes)
			}
			if name == "asked before the change" && (len(w.entries) > 0 || len(w.counts) > 0) {
				t.Errorf("journal %+v, counted %v", w.entries, w.counts)
			}
			w.trouble, w.now = func(string) error { return nil }, now.Add(time.Hour)
			if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
				t.Errorf("the sweep: %s (%s), error %v", j.Phase, j.Reason, err)
			}
		})
	}
}

// A rollback that the caller cannot make spoils no good job: the hub makes it, with the caller's reason.
func TestARollbackThatTheCallerCannotMakeIsARequestToTheHub(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	before := len(w.notices)
	for range 2 {
		j, err := w.operator().Rollback(t.Context(), w.secret.ARN, "the app broke")
		if !errors.Is(err, migration.ErrLeft) || j.Phase != migration.Observing || !strings.HasSuffix(err.Error(), "in "+shop) {
			t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
		}
	}
	if stored := w.job(t); stored.Lease.By != "" || !stored.NeedsVisit() || len(w.notices) != before || w.journal["rollback"] {
		t.Errorf("stored %+v, notices %+v", stored, w.notices)
	}
	asked := w.job(t)
	asked.Phase = migration.Sealed // whatever it is in, status says that it is to go back
	if waits := migration.Summarize([]migration.Job{asked}, nil).Waiting; len(waits) != 1 || waits[0].For != "time" || !strings.Contains(waits[0].Reason, "asked for by "+role("alice")) {
		t.Errorf("status %+v", waits)
	}
	if _, err := w.operator().Start(t.Context(), w.item(), "another plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.now = now.Add(time.Hour)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.RolledBack || w.secret.KeyID != "" || j.Reason != "the app broke (asked for by "+role("alice")+")" {
		t.Errorf("the sweep: %s (%s), key %q, error %v", j.Phase, j.Reason, w.secret.KeyID, err)
	}
	if last := w.entries[len(w.entries)-1]; last.Action != "rollback" || last.After["reason"] != "the app broke" || last.After["askedBy"] != role("alice") || last.By != "doublelock-test" {
		t.Errorf("journal ends with %+v", last)
	}
}

// A reason that somebody gives is kept, also where going back was asked for already.
func TestASecondRequestToGoBackIsKeptWithItsReason(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []struct{ by, why string }{{"alice", "the app broke"}, {"bob", "wrong key policy"}, {"bob", "wrong key policy"}, {"alice", "the app broke"}, {"alice", "and the job too"}} {
		e := w.operator()
		e.By = role(ask.by)
		if _, err := e.Rollback(t.Context(), w.secret.ARN, ask.why); !errors.Is(err, migration.ErrLeft) {
			t.Fatal(err)
		}
	}
	also := "; and by " + role("bob") + " (wrong key policy); and by " + role("alice") + " (and the job too)"
	if waits := migration.Summarize([]migration.Job{w.job(t)}, nil).Waiting; len(waits) != 1 || !strings.Contains(waits[0].Reason, role("alice")+" (the app broke)"+also) {
		t.Errorf("status %+v", waits)
	}
	w.now = now.Add(time.Hour)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if want := "the app broke (asked for by " + role("alice") + ")" + also; err != nil || j.Phase != migration.RolledBack || j.Reason != want {
		t.Errorf("the sweep: %s (%s), want %s, error %v", j.Phase, j.Reason, want, err)
	}
	if last := w.entries[len(w.entries)-1]; last.After["reason"] != "the app broke"+also {
		t.Errorf("journal ends with %+v", last)
	}
}

// What nobody could make is no request either, where there is nothing to make.
func TestNothingToUndoIsSaidToWhoMayNotUndo(t *testing.T) {
	w := steady(t)
	if _, err := w.operator().Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.operator().Rollback(t.Context(), w.secret.ARN, "wrong wave"); !errors.Is(err, migration.ErrNothingToUndo) {
		t.Errorf("error %v", err)
	}
}

// AWS that asks to come back later has not said that the role cannot be taken.
func TestAThrottledRoleIsNotLeftToTheHub(t *testing.T) {
	w := steady(t)
	e := w.worker("w0")
	e.Enter = func(context.Context, string) error { return guard.ErrThrottled }
	if err := e.MayChange(t.Context(), shop); !errors.Is(err, guard.ErrThrottled) || errors.Is(err, migration.ErrLeft) {
		t.Errorf("error %v", err)
	}
}
