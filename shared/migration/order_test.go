package migration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

func (w *fake) asked(id string) migration.Order {
	return migration.Order{Notice: guard.Notice{ID: id, Resource: w.secret.ARN, Name: "db"}, Secret: w.secret, Target: cmk("new", region).ARN}
}

// apply is what the command line does with one planned secret.
func (w *fake) apply(t *testing.T) error {
	e := w.worker("command line")
	if _, err := e.Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		return err
	}
	_, _, err := e.Advance(t.Context(), w.secret.ARN)
	return err
}

// The hub's order and a person's apply meet at one secret, the one at every call of the other: one change is made, and
// whoever comes second is published that it is busy, or finds it done.
func TestRemediateAndApplyAtTheSameSecretMakeOneChange(t *testing.T) {
	for name, pair := range map[string]struct{ first, second func(*fake) error }{
		"apply comes by while the hub moves it": {
			func(w *fake) error { _, _, err := w.worker("hub").Order(t.Context(), w.asked("n1")); return err },
			func(w *fake) error { return w.apply(t) }},
		"the hub comes by while apply moves it": {
			func(w *fake) error { return w.apply(t) },
			func(w *fake) error { _, _, err := w.worker("hub").Order(t.Context(), w.asked("n1")); return err }},
	} {
		for at := 1; ; at++ {
			w, calls := steady(t), 0
			w.trouble = func(string) error {
				if calls++; calls == at {
					saved := w.trouble
					w.trouble = func(string) error { return nil }
					if err := pair.second(w); err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) {
						t.Fatalf("%s, at call %d: the second: %v", name, at, err)
					}
					w.trouble = saved
				}
				return nil
			}
			if err := pair.first(w); err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) {
				t.Fatalf("%s, at call %d: the first: %v", name, at, err)
			}
			if calls < at {
				if at < 10 {
					t.Errorf("%s: only %d calls: too few to show anything", name, calls)
				}
				break
			}
			w.trouble = func(string) error { return nil }
			w.now = w.now.Add(11 * time.Minute)
			if err := w.apply(t); err != nil {
				t.Fatalf("%s, at call %d: later: %v", name, at, err)
			}
			if got := count(w.changes, "UpdateSecret"); got != 1 {
				t.Errorf("%s, at call %d: %d times UpdateSecret", name, at, got)
			}
		}
	}
}

// Hub and command line take from one budget.
func TestHubAndCommandLineShareTheHour(t *testing.T) {
	w := steady(t)
	names, _ := migration.HourNames(now, shop)
	w.counts[names[0]] = migration.Defaults().PerAccountHour
	j, step, err := w.worker("hub").Order(t.Context(), w.asked("n1"))
	if err != nil || step.Action != migration.DoWait || !step.Until.Equal(now.Add(time.Hour)) || len(w.stored) > 0 {
		t.Errorf("the hub: %s, %+v, error %v, stored %s", j.Phase, step, err, w.stored)
	}
	if err := w.apply(t); err != nil || len(w.changes) > 0 {
		t.Errorf("the command line: %v, error %v", w.changes, err)
	}
}

// What was set and moved back again and again is a fight: it is recorded, and left to its owner.
func TestTheHubDoesNotFightOverASecret(t *testing.T) {
	w := steady(t)
	for i := range 2 {
		if _, _, err := w.worker("hub").Order(t.Context(), w.asked(fmt.Sprint("n", i))); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		w.setKey("") // terraform
	}
	for i := range 2 {
		j, step, err := w.worker("hub").Order(t.Context(), w.asked(fmt.Sprint("m", i)))
		if err != nil || j.Phase != migration.Blocked || len(j.Flips) != 2 {
			t.Fatalf("%s (%s), %d flips, error %v", j.Phase, j.Reason, len(j.Flips), err)
		}
		if i > 0 && (step.Refused == nil || !strings.Contains(step.Refused.Reason, "moved back 2 times")) {
			t.Errorf("refused because %+v", step.Refused)
		}
	}
	if got := count(w.changes, "UpdateSecret"); got != 2 {
		t.Errorf("%d times UpdateSecret, want 2", got)
	}
}

// The way back is that of the first change, whoever moves the secret next.
func TestANewPlanOverAChangeThatWasBegunKeepsTheWayBack(t *testing.T) {
	w := steady(t)
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "first", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.trouble = func(call string) error {
		if call == "after UpdateSecret" {
			return errDied
		}
		return nil
	}
	if _, _, err := w.worker("w1").Advance(t.Context(), w.secret.ARN); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	w.trouble, w.now = func(string) error { return nil }, now.Add(time.Hour)
	if _, err := w.worker("w2").Start(t.Context(), w.item(), "second", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.worker("w2").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	if _, err := w.worker("w3").Rollback(t.Context(), w.secret.ARN, "the test asks"); err != nil || w.secret.KeyID != "" {
		t.Errorf("set back to %q, error %v", w.secret.KeyID, err)
	}
}

// An order finds the key set, or a change of its own begun, and goes on from there.
func TestAnOrderGoesOnFromWhatItFinds(t *testing.T) {
	w := steady(t)
	w.setKey(cmk("new", region).ARN)
	if j, step, err := w.worker("hub").Order(t.Context(), w.asked("n1")); err != nil || step.Refused != nil || j.Phase != migration.Observing || len(w.changes) > 0 {
		t.Errorf("under the key: %s (%s), %+v, changed %v, error %v", j.Phase, j.Reason, step, w.changes, err)
	}
	w = steady(t)
	w.trouble = func(call string) error {
		if call == "after UpdateSecret" {
			return errDied
		}
		return nil
	}
	if _, _, err := w.worker("hub").Order(t.Context(), w.asked("n1")); !errors.Is(err, errDied) || w.job(t).Pending == nil {
		t.Fatalf("begun: %+v, error %v", w.job(t), err)
	}
	w.trouble = func(string) error { return nil }
	w.now = w.now.Add(time.Hour)
	another := w.asked("n2")
	another.Target = cmk("old", region).ARN
	if j, _, err := w.worker("hub again").Order(t.Context(), another); err != nil || j.Target != cmk("new", region).ARN || count(w.changes, "UpdateSecret") != 1 {
		t.Errorf("a change was begun: to %s (%s), changed %v, error %v", j.Target, j.Phase, w.changes, err)
	}
}

// Within the quiet time an owner is left alone with what undoes the last change, and not with what undid an earlier one.
func TestOnlyWhatUndoesTheLastChangeAtOnceIsLeftToItsOwner(t *testing.T) {
	for sentence, c := range map[string]struct {
		back    time.Duration // since the last change
		refused bool
	}{
		"before the last change": {-time.Hour, false},
		"right after it":         {time.Second, true},
	} {
		w := steady(t)
		if _, _, err := w.worker("hub").Order(t.Context(), w.asked("n1")); err != nil {
			t.Fatal(err)
		}
		w.setKey("")
		w.edit(t, func(j *migration.Job) {
			j.Phase, j.LastChangeAt = migration.Planned, w.now
			j.Flips = []migration.Flip{{At: w.now.Add(c.back)}}
		})
		w.now = w.now.Add(time.Minute)
		_, step, err := w.worker("hub").Order(t.Context(), w.asked("n2"))
		if err != nil || step.Action != migration.DoWait || (step.Refused != nil) != c.refused {
			t.Errorf("moved back %s: %+v, error %v", sentence, step, err)
		}
	}
}

// What becomes of a secret later is news of its own, and no answer to the order that had it moved.
func TestWhatTheSweepFindsLaterAnswersNoOrder(t *testing.T) {
	w := steady(t)
	if _, _, err := w.worker("hub").Order(t.Context(), w.asked("n1")); err != nil {
		t.Fatal(err)
	}
	w.notices = nil
	w.now = w.now.Add(time.Hour)
	w.secret.DeletedAt = w.now
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Blocked {
		t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
	}
	if len(w.notices) != 1 || w.notices[0].Kind != guard.NoticeFailed || strings.HasPrefix(w.notices[0].Decision.Reason, "answers ") {
		t.Errorf("notices %+v", w.notices)
	}
}
