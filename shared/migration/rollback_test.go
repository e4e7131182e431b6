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

// refusing is a fake whose secret was moved, and whose key nobody may set from now on.
func (w *fake) refusing(call string, meaning error) {
	w.trouble = func(at string) error {
		if at == "before "+call {
			return fmt.Errorf("call %s: %w", call, meaning)
		}
		return nil
	}
}

func (w *fake) job(t *testing.T) migration.Job {
	t.Helper()
	j, err := w.Load(t.Context(), w.secret.ARN)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Under the CMK, and it cannot go back: that is not a move that failed.
func TestARefusedWayBackIsNotifiedAsOne(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.refusing("UpdateSecret", guard.ErrDenied)
	j, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke")
	if err == nil || j.Phase != migration.Failed {
		t.Fatalf("%s, error %v", j.Phase, err)
	}
	if last := w.notices[len(w.notices)-1]; last.Kind != guard.NoticeFailed || !last.Back {
		t.Errorf("notice %+v", last)
	}
}

// The sweep carries going back out, and nobody looks at its log: its version opens with the new key alone.
func TestGoingBackThatIsNotProvenIsNotifiedWhoeverWasAtIt(t *testing.T) {
	for name, back := range map[string]func(w *fake) (migration.Job, error){
		"by command": func(w *fake) (migration.Job, error) {
			return w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke")
		},
		"by the sweep": func(w *fake) (migration.Job, error) {
			if _, err := w.operator().Rollback(t.Context(), w.secret.ARN, "the app broke"); !errors.Is(err, migration.ErrLeft) {
				t.Fatal(err)
			}
			w.now = now.Add(time.Hour)
			j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
			return j, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			if err := w.apply(t); err != nil {
				t.Fatal(err)
			}
			before := len(w.notices)
			w.write()
			w.silent = true
			j, err := back(w)
			if j.Phase != migration.Failed || name == "by command" && err == nil || name == "by the sweep" && err != nil {
				t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
			}
			if sent := w.notices[before:]; len(sent) != 1 || sent[0].Kind != guard.NoticeFailed || !sent[0].Back || sent[0].Describe() != j.Reason || !strings.Contains(j.Reason, "opens with the new key only") {
				t.Errorf("notices %+v, reason %s", sent, j.Reason)
			}
			if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || len(w.notices) != before+1 {
				t.Errorf("the next sweep: %d notices, error %v", len(w.notices)-before, err)
			}
		})
	}
}

// AWS leaves a version under a label of the owner's own: one that was written since the re-key opens with the new key only.
func TestSettingBackNamesTheLabelThatItDoesNotReach(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.secret.Versions = append(w.secret.Versions, guard.Version{ID: "kept", Stages: []string{"last-year"}, Keys: []guard.Key{w.secret.Key}})
	j, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke")
	if err == nil || j.Phase != migration.Failed || !strings.Contains(j.Reason, "under last-year opens with the new key only") {
		t.Errorf("%s (%s), error %v", j.Phase, j.Reason, err)
	}
}

// What is said is what is seen: a secret that was never moved was not set back, whatever phase its job is in.
func TestThereIsNothingToSetBackOfASecretThatWasNeverMoved(t *testing.T) {
	for name, tt := range map[string]struct {
		trouble error // of UpdateSecret; nil: it is not tried
		want    migration.Phase
	}{
		"planned and not begun":      {nil, migration.RolledBack},
		"refused by AWS":             {guard.ErrDenied, migration.Failed},
		"begun when the worker died": {errDied, migration.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
				t.Fatal(err)
			}
			if tt.trouble != nil {
				w.refusing("UpdateSecret", tt.trouble)
				if _, _, err := w.worker("w1").Advance(t.Context(), w.secret.ARN); err != nil && !errors.Is(err, errDied) {
					t.Fatal(err)
				}
				w.trouble, w.now = func(string) error { return nil }, now.Add(time.Hour)
			}
			before := len(w.notices)
			j, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "wrong wave")
			if !errors.Is(err, migration.ErrNothingToUndo) || j.Phase != tt.want {
				t.Errorf("%s (%s), error %v", j.Phase, j.Reason, err)
			}
			if len(w.notices) != before || len(w.changes) > 0 || w.journal["rollback"] {
				t.Errorf("notices %+v, changes %v, journal %v", w.notices[before:], w.changes, w.journal)
			}
			if stored := w.job(t); stored.NeedsVisit() || stored.Lease.By != "" {
				t.Errorf("stored %+v", stored)
			}
		})
	}
}

// The reason survives whoever dies on the way, and stands where people look for it.
func TestTheReasonOfARollbackIsInHistoryAndJournal(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.refusing("UpdateSecret", errDied)
	person := w.worker("back")
	person.By = role("alice")
	if _, err := person.Rollback(t.Context(), w.secret.ARN, "the app broke"); !errors.Is(err, errDied) {
		t.Fatalf("error %v", err)
	}
	w.trouble, w.now = func(string) error { return nil }, now.Add(time.Hour)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.RolledBack {
		t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
	}
	want := "the app broke (asked for by " + role("alice") + ")"
	if turn := j.History[len(j.History)-1]; turn.Reason != want || turn.By != "doublelock-test" {
		t.Errorf("history ends with %+v", turn)
	}
	at := slices.IndexFunc(w.entries, func(e store.JournalEntry) bool { return e.Action == "rollback" })
	if at < 0 || w.entries[at].After["reason"] != "the app broke" || w.entries[at].By != role("alice") {
		t.Errorf("journal %+v", w.entries)
	}
}
