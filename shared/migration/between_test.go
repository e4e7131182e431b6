package migration_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// stopped is a secret whose job is blocked or failed with the secret under the new key.
func stopped(t *testing.T, phase migration.Phase) (*fake, migration.Refused) {
	t.Helper()
	w, r := lively(t)
	switch phase {
	case migration.Blocked:
		w.secret.DeletedAt = w.now
		w.visits(t, time.Minute, 1, migration.Blocked)
	case migration.Failed:
		w.secret.RotationEnabled = true
		w.edit(t, func(j *migration.Job) { j.Phase, j.Seal = migration.Sealing, migration.SealRotate })
		w.trouble = func(call string) error {
			if call == "before RotateSecret" {
				return guard.ErrRefused
			}
			return nil
		}
		w.visits(t, time.Hour, 1, migration.Failed)
		w.trouble = func(string) error { return nil }
	}
	if j := w.job(t); !j.NeedsVisit() {
		t.Fatalf("%s (%s) needs no visit", j.Phase, j.Reason)
	}
	return w, r
}

func (w *fake) kinds(kind guard.NoticeKind) int {
	n := 0
	for _, notice := range w.notices {
		if notice.Kind == kind {
			n++
		}
	}
	return n
}

// A secret that waits for its deletion and is restored, or whose rotation was refused and is not any more, goes on where it was.
func TestWhatStoppedBetweenTheLocksGoesOnWhenItsCauseIsGone(t *testing.T) {
	w, _ := stopped(t, migration.Blocked)
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Blocked {
		t.Fatalf("while it waits for its deletion: %s, %v", j.Phase, err)
	}
	w.secret.DeletedAt = time.Time{} // RestoreSecret
	w.visits(t, time.Hour, 1, migration.Observing)

	w, _ = stopped(t, migration.Failed)
	changes := len(w.changes)
	if w.visits(t, time.Hour, 1, migration.Failed); len(w.changes) != changes {
		t.Errorf("tried again after an hour: %v", w.changes[changes:])
	}
	if j := w.visits(t, 24*time.Hour, 1, migration.Sealing); !slices.Contains(w.changes[changes:], "RotateSecret") {
		t.Errorf("%s (%s): not tried again: %v", j.Phase, j.Reason, w.changes[changes:])
	}
}

// A reader that lost its right after the re-key blocks the seal; given back, the secret goes on by itself.
func TestASecretThatIsBlockedForAReaderIsSealedWhenTheReaderMayRead(t *testing.T) {
	w, _ := lively(t)
	w.secret.RotationEnabled = true
	w.edit(t, func(j *migration.Job) { j.Seal, j.GoAhead = migration.SealRotate, "the test" })
	w.lose = true
	w.visits(t, 25*time.Hour, 2, migration.Blocked)
	for range 3 {
		w.visits(t, time.Hour, 1, migration.Blocked)
	}
	if n := w.kinds(guard.NoticeFailed); n != 1 || slices.Contains(w.changes, "RotateSecret") {
		t.Errorf("notified %d times, changes %v", n, w.changes)
	}
	w.lose = false
	if w.visits(t, time.Hour, 1, migration.Sealing); !slices.Contains(w.changes, "RotateSecret") {
		t.Errorf("it is not sealed: %v", w.changes)
	}
}

// UpdateSecret answered, and nothing was re-encrypted: when the right is there it is called again, and not before.
func TestAChangeThatDidNotTakeIsMadeAgainWhenTheRightIsThere(t *testing.T) {
	w := steady(t)
	w.silent = true
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.visits(t, time.Minute, 1, migration.Failed)
	w.lose = true // the pre-flight says that a right is missing
	for range 30 {
		w.visits(t, time.Hour, 1, migration.Failed)
	}
	if n := count(w.changes, "UpdateSecret"); n != 1 {
		t.Fatalf("%d times UpdateSecret while the right is missing", n)
	}
	w.lose, w.silent = false, false
	w.visits(t, time.Hour, 2, migration.Observing)
	if n := count(w.changes, "UpdateSecret"); n != 2 || w.kinds(guard.NoticeFailed) != 1 {
		t.Errorf("%d times UpdateSecret, notified %d times", n, w.kinds(guard.NoticeFailed))
	}
}

// Blocked or failed between the locks it is watched as before: a reader that is refused is rescued.
func TestWhatStoppedBetweenTheLocksIsStillRescued(t *testing.T) {
	w, r := stopped(t, migration.Failed)
	r.At = w.now
	if answer, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerRollback || w.secret.KeyID != "" {
		t.Errorf("answer %q, key %q, error %v", answer, w.secret.KeyID, err)
	}
}

// What stands between the locks for three days is notified of after it, and then once a week; the reason itself once.
func TestWhatStandsBetweenTheLocksPages(t *testing.T) {
	w, _ := stopped(t, migration.Blocked)
	said := w.kinds(guard.NoticeFailed)
	for _, c := range []struct {
		after time.Duration
		pages int
	}{{71 * time.Hour, 0}, {time.Hour, 1}, {6 * 24 * time.Hour, 1}, {24 * time.Hour, 2}, {time.Hour, 2}} {
		w.visits(t, c.after, 1, migration.Blocked)
		if n := w.kinds(guard.NoticeAttention); n != c.pages {
			t.Fatalf("after another %s: %d pages, want %d", c.after, n, c.pages)
		}
	}
	if again := w.kinds(guard.NoticeFailed); said != 1 || again != 1 {
		t.Errorf("the reason was said %d times", again)
	}
}

// Somebody who set another key decided: what was stopped ends.
func TestWhatStoppedAndIsUnderAThirdKeyIsOvertaken(t *testing.T) {
	w, r := stopped(t, migration.Blocked)
	w.secret.DeletedAt = time.Time{}
	w.setKey(cmk("old", region).ARN)
	changes := len(w.changes)
	w.visits(t, 30*time.Hour, 1, migration.Overtaken)
	r.At = w.now
	if answer, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerNone || len(w.changes) != changes {
		t.Errorf("answer %q, changes %v, error %v", answer, w.changes[changes:], err)
	}
}

// Going back that failed is tried again, and its owner reads the same reason once.
func TestGoingBackThatFailedIsTriedAgain(t *testing.T) {
	w, _ := lively(t)
	refuses := true
	w.trouble = func(call string) error {
		if call == "before UpdateSecret" && refuses {
			return guard.ErrRefused
		}
		return nil
	}
	if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "the app broke"); err == nil {
		t.Fatal("it was to fail")
	}
	for range 3 {
		if j := w.visits(t, 25*time.Hour, 1, migration.Failed); j.Stopped == nil || j.Stopped.In != migration.Observing || j.Gone || !j.WentWrong() {
			t.Errorf("it goes on %+v, gone %t, went wrong %t", j.Stopped, j.Gone, j.WentWrong())
		}
	}
	if n := w.kinds(guard.NoticeFailed); n != 1 {
		t.Errorf("notified %d times", n)
	}
	refuses = false // the old key is enabled again
	if j := w.visits(t, 25*time.Hour, 1, migration.RolledBack); j.Stopped != nil || !strings.Contains(j.Reason, "the app broke") || w.secret.KeyID != "" {
		t.Errorf("%s (%s), %+v", j.Phase, j.Reason, j.Stopped)
	}
}

// A halted wave sets no key, has nothing rotated and asks no owner. Readers are still rescued, and what went back goes back.
func TestAHaltedWaveDoesNotSealAndStillRescues(t *testing.T) {
	w, r := lively(t)
	w.secret.RotationEnabled = true
	w.edit(t, func(j *migration.Job) { j.Seal, j.GoAhead = migration.SealRotate, "the test" })
	e := w.worker("sweep")
	e.Halt = func(migration.Job) string { return "wave dev is halted" }
	for range 5 {
		w.now = w.now.Add(25 * time.Hour)
		if _, _, err := e.Advance(t.Context(), w.secret.ARN); err != nil {
			t.Fatal(err)
		}
	}
	if j := w.job(t); j.Phase != migration.Sealing || j.Reason != "wave dev is halted" || slices.Contains(w.changes, "RotateSecret") {
		t.Fatalf("%s (%s), changes %v", j.Phase, j.Reason, w.changes)
	}
	r.At = w.now
	if answer, err := e.Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerRollback {
		t.Errorf("answer %q, error %v", answer, err)
	}
	w, _ = lively(t)
	w.secret.RotationEnabled = true
	w.edit(t, func(j *migration.Job) { j.Seal, j.GoAhead = migration.SealRotate, "the test" })
	for range 3 { // with nobody halting it
		w.visits(t, 25*time.Hour, 1, migration.Sealing)
	}
	if !slices.Contains(w.changes, "RotateSecret") {
		t.Errorf("its wave is not halted: %v", w.changes)
	}
}

// A canary that its owner deleted was not broken by the migration: the wave goes on.
func TestADeletedSecretHaltsNoWave(t *testing.T) {
	w, _ := lively(t)
	w.refusing("Describe", guard.ErrGone)
	if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	j := w.job(t)
	if j.Phase != migration.Failed || !j.Gone || j.WentWrong() {
		t.Errorf("%s (%s), gone %t, went wrong %t", j.Phase, j.Reason, j.Gone, j.WentWrong())
	}
	j.Wave = migration.Canary
	if why := migration.Halted([]migration.Job{j}, j, migration.Defaults()); why != "" {
		t.Error(why)
	}
}

// What was deleted while it went back does not go on.
func TestASecretThatIsDeletedWhileItGoesBackRests(t *testing.T) {
	w, _ := lively(t)
	w.refusing("UpdateSecret", guard.ErrThrottled)
	if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "the app broke"); err == nil {
		t.Fatal("it was to fail")
	}
	w.refusing("Describe", guard.ErrGone)
	if j := w.visits(t, time.Hour, 1, migration.Failed); j.Stopped != nil || !j.Gone || j.NeedsVisit() {
		t.Errorf("%s (%s), goes on %+v", j.Phase, j.Reason, j.Stopped)
	}
}

// Who says that a wave goes on is kept with each secret that went wrong; what goes wrong later counts.
func TestAWaveThatWasExcusedHaltsAgainForWhatComesLater(t *testing.T) {
	w, r := lively(t)
	if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil {
		t.Fatal(err)
	}
	halted := func() bool {
		j := w.job(t)
		j.Wave = migration.Canary
		return migration.Halted([]migration.Job{j}, j, migration.Defaults()) != ""
	}
	if !halted() {
		t.Fatal("one canary went back, and its wave goes on")
	}
	w.now = w.now.Add(time.Hour)
	for range 2 { // the message comes twice
		if _, err := w.worker("anna").Excuse(t.Context(), w.secret.ARN, "the policy is mended"); err != nil {
			t.Fatal(err)
		}
	}
	j := w.job(t)
	if e := j.Excused; halted() || e == nil || e.By != "doublelock-test" || e.Why != "the policy is mended" || !e.At.Equal(w.now) {
		t.Fatalf("excused %+v, halted %t", e, halted())
	}
	if last := j.History[len(j.History)-1]; last.Reason != "its wave goes on: the policy is mended" || count(reasons(j), last.Reason) != 1 {
		t.Errorf("history %+v", j.History)
	}
	w.visits(t, 25*time.Hour, 2, migration.Observing) // it moves again
	r.EventID, r.At = "e-2", w.now
	if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || !halted() {
		t.Errorf("it went back again: halted %t, error %v", halted(), err)
	}
}

func reasons(j migration.Job) (out []string) {
	for _, turn := range j.History {
		out = append(out, turn.Reason)
	}
	return out
}
