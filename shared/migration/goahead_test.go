package migration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/migration"
)

// The hours are a promise to the owner of the secret; a go-ahead is about readers that come rarely.
func TestAGoAheadShortensNoHours(t *testing.T) {
	w := steady(t)
	e := w.worker("apply")
	e.By = role("alice")
	i := w.item()
	i.Readers = []migration.Reader{{Principal: role("batch"), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}
	if _, err := e.Start(t.Context(), i, "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	if j, _, err := e.Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
		t.Fatalf("%s, error %v", j.Phase, err)
	}
	w.now = now.Add(24 * time.Minute)
	if err := e.GoAhead(t.Context(), w.secret.ARN, "alice"); !errors.Is(err, migration.ErrObserving) {
		t.Errorf("24 minutes after the re-key: error %v", err)
	}
	if j, _, err := e.Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing || j.GoAhead != "" || j.Lease.By != "" {
		t.Errorf("24 minutes after the re-key: %+v, error %v", j, err)
	}
	w.now = now.Add(25 * time.Hour)
	if err := e.GoAhead(t.Context(), w.secret.ARN, " \t"); err == nil || errors.Is(err, migration.ErrObserving) || w.job(t).GoAhead != "" {
		t.Errorf("a name of blanks: error %v", err)
	}
	if j, _, err := e.Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
		t.Errorf("without a go-ahead: %s, error %v", j.Phase, err)
	}
	if err := e.GoAhead(t.Context(), w.secret.ARN, "alice"); err != nil {
		t.Fatal(err)
	}
	j, _, err := e.Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.Sealing {
		t.Errorf("when the hours are over: %s (%s), error %v", j.Phase, j.Reason, err)
	}
	said := false
	for _, turn := range j.History {
		said = said || turn.Reason == "go ahead, says alice" && turn.By == role("alice") && turn.At.Equal(w.now)
	}
	if !said {
		t.Errorf("who said so, and when, is not in %+v", j.History)
	}
}
