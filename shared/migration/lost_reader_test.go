package migration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// lively is a secret that was moved, with a reader that lost access.
func lively(t *testing.T) (*fake, migration.Refused) {
	t.Helper()
	w := steady(t)
	item := w.item()
	item.Readers = []migration.Reader{{Principal: role("app"), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}
	if _, err := w.worker("w0").Start(t.Context(), item, "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.worker("w0").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	return w, migration.Refused{Principal: role("app"), EventID: "e-1", At: now, By: migration.LockKey, Read: true}
}

// lost counts the notices of a reader that lost access; one that is published again is one.
func (w *fake) lost() int {
	ids := map[string]bool{}
	for _, notice := range w.notices {
		if notice.Kind == guard.NoticeReaderLost && !notice.Move.Reader.Security {
			ids[notice.ID] = true
		}
	}
	return len(ids)
}

// The worker that answers a denied read dies at every call, before it arrives and after. The event comes again, or the sweep
// does: people are notified of the reader whatever became of the secret.
func TestAReaderThatLostAccessIsNotifiedOfWhereverTheWorkerDies(t *testing.T) {
	answer := func(w *fake, r migration.Refused, worker *migration.Engine) (died bool, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				if cause != any(errDied) {
					panic(cause)
				}
				died = true
			}
		}()
		_, err = worker.Refused(t.Context(), w.secret.ARN, r)
		return false, err
	}
	// patiently tries until the secret is free: another worker holds it for a while after it died.
	patiently := func(w *fake, try func() error) error {
		err := try()
		for waited := 0; errors.Is(err, migration.ErrBusy) && waited < 2; waited++ {
			w.now = w.now.Add(time.Hour)
			err = try()
		}
		return err
	}
	for _, eventAgain := range []bool{true, false} { // a queue that parked it, or that brings it once more
		points := 0
		for die := 1; ; die++ {
			w, r := lively(t)
			calls, at := 0, ""
			w.trouble = func(step string) error {
				if calls++; calls == die {
					at = step
					panic(errDied)
				}
				return nil
			}
			died, err := answer(w, r, w.worker("watchdog"))
			if err != nil {
				t.Errorf("answer: %v", err)
			}
			if !died {
				break
			}
			points++
			w.trouble = func(string) error { return nil }
			w.now = w.now.Add(time.Hour)
			left := w.job(t)
			stored := len(left.Outbox)+len(left.Refusals) > 0
			if !stored && len(left.Denials) == 0 && at != "before SetIntent" && at != "after SetIntent" && at != "before Save" {
				t.Errorf("died %s: something was asked or done before the denied read was stored", at)
			}
			if eventAgain {
				again := w.worker("watchdog again")
				if err := patiently(w, func() error { _, err := answer(w, r, again); return err }); err != nil {
					t.Errorf("answer again after it died %s: %v", at, err)
				}
			}
			sweep := w.worker("sweep")
			if err := patiently(w, func() error { _, _, err := sweep.Advance(t.Context(), w.secret.ARN); return err }); err != nil {
				t.Errorf("sweep after it died %s: %v", at, err)
			}
			if (eventAgain || stored) && w.lost() != 1 {
				t.Errorf("died %s (event again: %t): notified %d times", at, eventAgain, w.lost())
			}
			if j := w.job(t); len(j.Refusals) > 0 {
				t.Errorf("died %s (event again: %t): %d denied reads are still to be answered", at, eventAgain, len(j.Refusals))
			}
			if back := w.secret.KeyID == ""; back && w.lost() == 0 {
				t.Errorf("died %s (event again: %t): the secret is back, and nobody knows of its reader", at, eventAgain)
			}
		}
		if points < 10 {
			t.Errorf("%d points at which it died: the answer is too short to show anything", points)
		}
		t.Logf("event again %t: %d points", eventAgain, points)
	}
}

// A denied read that was stored while AWS did not answer is answered by the sweep, though its event never comes again; and of
// a reader that polls meanwhile one is kept.
func TestADeniedReadThatCouldNotBeAnsweredIsAnsweredByTheSweep(t *testing.T) {
	w, r := lively(t)
	w.lock, r.By = migration.LockKey, migration.LockUnknown
	refusing := &unanswered{fake: w}
	e := w.worker("watchdog")
	e.Preflight = refusing
	for i := range 300 {
		r.EventID = fmt.Sprint("e-", i)
		if _, err := e.Refused(t.Context(), w.secret.ARN, r); !errors.Is(err, guard.ErrThrottled) {
			t.Fatalf("answer: %v", err)
		}
	}
	if j := w.job(t); len(j.Refusals) != 1 || !j.NeedsVisit() {
		t.Fatalf("stored: %+v", j.Refusals)
	}
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.RolledBack || len(j.Refusals) > 0 || w.lost() != 1 {
		t.Errorf("%s (%s), %d to answer, notified %d times, error %v", j.Phase, j.Reason, len(j.Refusals), w.lost(), err)
	}
}

// unanswered cannot be asked which lock refused somebody.
type unanswered struct{ *fake }

func (unanswered) Refusing(context.Context, guard.Secret, string, string) (migration.Refusal, error) {
	return migration.Refusal{}, guard.ErrThrottled
}

// Who finds another worker at the secret comes again: the message is put back, and no queue parks it.
func TestAnotherWorkerAtASecretPasses(t *testing.T) {
	w, r := lively(t)
	hold, err := w.effects("another").Hold(t.Context(), w.secret.ARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, waited := w.worker("watchdog"), time.Duration(0)
	e.Sleep = func(_ context.Context, d time.Duration) error { waited += d; return nil }
	stranger := r
	stranger.Principal = role("somebody")
	if answer, err := e.Refused(t.Context(), w.secret.ARN, stranger); answer != migration.AnswerNone || err != nil || waited != 0 {
		t.Errorf("of somebody who is no reader nothing is done, so nobody is waited for: %s after %s, %v", answer, waited, err)
	}
	_, err = e.Refused(t.Context(), w.secret.ARN, r)
	if waited != 30*time.Second {
		t.Errorf("waited %s for the other", waited)
	}
	if !errors.Is(err, migration.ErrBusy) || !guard.Passing(err) || errors.Is(guard.ErrConflict, migration.ErrBusy) {
		t.Errorf("it does not pass: %v", err)
	}
	if err := hold.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if answer, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerRollback {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestAReaderThatPollsAndKeepsFailingIsOneNoticeADayWithACount(t *testing.T) {
	w, r := lively(t)
	r.By, w.lock = migration.LockUnknown, migration.LockUnknown // nothing but to notify people
	const days = 13
	for minute := range days * 24 * 60 / 5 {
		r.EventID, r.At = fmt.Sprint("e-", minute), now.Add(time.Duration(minute)*5*time.Minute)
		w.now = r.At
		if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil {
			t.Fatal(err)
		}
	}
	if w.lost() != days {
		t.Errorf("notified %d times in %d days", w.lost(), days)
	}
	counted := 0
	for _, n := range w.notices {
		if n.Kind == guard.NoticeReaderLost && n.Move.Reader.Again >= 100 {
			counted++
		}
	}
	if counted != days-1 {
		t.Errorf("%d notices say how often, want all but the first", counted)
	}
}

// unseen is a secret that cannot be described.
type unseen struct {
	*fake
	why error
}

func (s unseen) Describe(context.Context, guard.SecretRef) (guard.Secret, error) {
	return guard.Secret{}, s.why
}

// Whatever keeps us from looking at the secret, its denied read is stored before anything else, tried again by every visit, and
// notified of as unknown where an hour brings no answer. It is answered as soon as the secret can be looked at.
func TestADeniedReadOfASecretThatCannotBeLookedAtIsKept(t *testing.T) {
	for name, why := range map[string]error{
		"we may not": guard.ErrDenied, "its account cannot be entered": guard.ErrNotOurs, "AWS throttles for ever": guard.ErrThrottled, "AWS is down": guard.ErrUnavailable,
	} {
		for _, by := range []migration.Lock{migration.LockUnknown, migration.LockKey} {
			for _, back := range []bool{true, false} { // the secret can be looked at before the hour is over
				t.Run(fmt.Sprintf("%s, by %q, back %t", name, by, back), func(t *testing.T) {
					w, r := lively(t)
					r.By, w.lock = by, migration.LockKey
					e := w.worker("watchdog")
					e.Secrets = unseen{w, why}
					if _, err := e.Refused(t.Context(), w.secret.ARN, r); !errors.Is(err, migration.ErrKept) || !errors.Is(err, why) {
						t.Fatalf("answer: %v", err)
					}
					if j := w.job(t); len(j.Refusals) != 1 || !j.NeedsVisit() || w.lost() != 0 || w.secret.KeyID == "" {
						t.Fatalf("stored %+v, notified %d times, key %q", j.Refusals, w.lost(), w.secret.KeyID)
					}
					w.now = w.now.Add(30 * time.Minute)
					if _, _, err := e.Advance(t.Context(), w.secret.ARN); !errors.Is(err, migration.ErrKept) || len(w.job(t).Refusals) != 1 {
						t.Errorf("the next visit: %v, stored %+v", err, w.job(t).Refusals)
					}
					if back {
						if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || w.lost() != 1 || w.secret.KeyID != "" || len(w.job(t).Refusals) > 0 {
							t.Errorf("when it can be looked at: %v, notified %d times, key %q", err, w.lost(), w.secret.KeyID)
						}
						return
					}
					w.now = w.now.Add(time.Hour)
					_, _, _ = e.Advance(t.Context(), w.secret.ARN) // which cannot look at it either
					if len(w.job(t).Refusals) > 0 || w.lost() != 1 || w.secret.KeyID == "" {
						t.Fatalf("after an hour: stored %+v, notified %d times, key %q", w.job(t).Refusals, w.lost(), w.secret.KeyID)
					}
					for _, n := range w.notices {
						if n.Kind == guard.NoticeReaderLost && (n.Move.Reader.Answer != string(migration.AnswerPage) || n.Actor != r.Principal) {
							t.Errorf("the notice: %+v", n)
						}
					}
				})
			}
		}
	}
}

// One read that fails makes an event of Secrets Manager and one of KMS, in any order and any number of times. What is kept is the
// first that says that the read failed, with which lock it was as soon as one says it.
func TestOfTheEventsOfADeniedReadOneIsKept(t *testing.T) {
	const read, kms = true, false
	type event struct {
		by   migration.Lock
		read bool
	}
	for sentence, c := range map[string]struct {
		first, then event
		kept        string
		by          migration.Lock
	}{
		"two reads, and the second says it":  {event{migration.LockUnknown, read}, event{migration.LockKey, read}, "e-1", migration.LockKey},
		"two reads, and neither says it":     {event{migration.LockUnknown, read}, event{migration.LockUnknown, read}, "e-1", migration.LockUnknown},
		"two reads, and the first says it":   {event{migration.LockKey, read}, event{migration.LockUnknown, read}, "e-1", migration.LockKey},
		"KMS first, then the read":           {event{migration.LockKey, kms}, event{migration.LockUnknown, read}, "e-2", migration.LockKey},
		"the read first, then KMS":           {event{migration.LockUnknown, read}, event{migration.LockKey, kms}, "e-1", migration.LockKey},
		"KMS twice, and no read that failed": {event{migration.LockKey, kms}, event{migration.LockKey, kms}, "e-1", migration.LockKey},
	} {
		w, r := lively(t)
		w.edit(t, func(j *migration.Job) {
			j.Refusals = []migration.Refused{{Principal: r.Principal, EventID: "e-1", At: now, By: c.first.by, Read: c.first.read}}
		})
		w.trouble = func(call string) error {
			if call == "before Describe" {
				panic(errDied)
			}
			return nil
		}
		r.EventID, r.By, r.Read = "e-2", c.then.by, c.then.read
		func() {
			defer func() { _ = recover() }() // it dies where it looks, if it does
			_, _ = w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r)
		}()
		left := w.job(t).Refusals
		if len(left) != 1 || left[0].EventID != c.kept || left[0].By != c.by || left[0].Read != (c.first.read || c.then.read) {
			t.Errorf("%s: %+v are kept, want %s by %q", sentence, left, c.kept, c.by)
		}
	}
}
