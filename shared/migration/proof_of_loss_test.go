package migration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/policy"
)

// KMS refuses the new key to a reader whose read then goes on with the previous one. That is no failure yet.
func TestWhatKMSRefusesSetsNothingBackBeforeTheReadFails(t *testing.T) {
	kms := func(r migration.Refused) migration.Refused { r.EventID, r.Read = "kms", false; return r }
	read := func(r migration.Refused) migration.Refused { r.By = migration.LockUnknown; return r }
	for sentence, c := range map[string]struct {
		events []func(migration.Refused) migration.Refused
		back   bool
	}{
		"KMS alone, three times":       {[]func(migration.Refused) migration.Refused{kms, kms, kms}, false},
		"KMS, and then the read":       {[]func(migration.Refused) migration.Refused{kms, read}, true},
		"the read, and then KMS":       {[]func(migration.Refused) migration.Refused{read, kms}, true},
		"both, and both of them again": {[]func(migration.Refused) migration.Refused{kms, read, read, kms}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w, r := lively(t)
			for _, event := range c.events {
				if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, event(r)); err != nil {
					t.Fatal(err)
				}
			}
			if back := w.secret.KeyID == ""; back != c.back || count(w.changes, "UpdateSecret") > 2 || back != (w.lost() == 1) {
				t.Errorf("back %t, notified %d times, changes %v", back, w.lost(), w.changes)
			}
		})
	}
}

// What KMS refused and no read explains is asked about an hour later: nothing is weakened for it, and nobody is forgotten.
func TestWhatKMSRefusedWithoutAReadIsAskedAboutAfterAnHour(t *testing.T) {
	for sentence, c := range map[string]struct {
		lock    migration.Lock
		notices int
	}{
		"it reads with another key":   {migration.LockSession, 1},
		"the secret refuses it":       {migration.LockSecret, 0},
		"the key keeps it out":        {migration.LockKey, 1},
		"what it may do is not known": {migration.LockUnknown, 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			w, r := lively(t)
			r.Read, w.lock = false, c.lock
			if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || !w.job(t).NeedsVisit() {
				t.Fatal(err)
			}
			for _, after := range []time.Duration{59 * time.Minute, 2 * time.Minute} {
				if left := w.job(t).Refusals; len(left) != 1 || w.lost() != 0 {
					t.Fatalf("before the hour is over: %+v, notified %d times", left, w.lost())
				}
				w.now = w.now.Add(after)
				if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
					t.Fatal(err)
				}
			}
			if left := w.job(t).Refusals; len(left) != 0 || w.lost() != c.notices || w.secret.KeyID == "" {
				t.Errorf("after it: %+v, notified %d times, want %d, key %q", left, w.lost(), c.notices, w.secret.KeyID)
			}
			if says := w.reasons(); strings.Contains(says, "it reads with the previous one and breaks at the next version") != (c.lock == migration.LockSession) {
				t.Errorf("people read %q", says)
			}
		})
	}
}

// A session with a policy of its own can have any number of reads refused. That moves nothing, names its role once a day, and
// halts no wave.
func TestASessionThatItsOwnPolicyRestrictsMovesNothingBack(t *testing.T) {
	w, r := lively(t)
	w.lock = migration.LockSession
	for n := range 100 {
		r.EventID, r.At = fmt.Sprint("e-", n), now.Add(time.Duration(n)*time.Second)
		w.now = r.At
		if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil {
			t.Fatal(err)
		}
	}
	if w.secret.KeyID == "" || w.lost() != 1 {
		t.Fatalf("key %q, notified %d times", w.secret.KeyID, w.lost())
	}
	named := w.notices[len(w.notices)-1] // for security, once a principal and day
	if r := named.Move.Reader; !r.Security || r.Principal != role("app") || named.ID != "reader_lost|security|"+role("app")+"|"+now.Format(time.DateOnly) || !strings.Contains(named.Describe(), "event e-0") {
		t.Errorf("security reads %+v: %q", named, named.Describe())
	}
	if says := w.notices[len(w.notices)-2].Describe(); !strings.Contains(says, role("app")) || !strings.Contains(says, "in one of its sessions") || strings.Contains(says, "breaks at the next version") || strings.Contains(says, "add the statement") {
		t.Errorf("the owner reads %q", says)
	}
	j := w.job(t)
	j.Wave = migration.Canary
	if halted := migration.Halted([]migration.Job{j}, migration.Job{Plan: j.Plan, Wave: j.Wave}, migration.Defaults()); halted != "" {
		t.Errorf("one principal halts a wave: %s", halted)
	}
}

// A lock is lowered where that certainly lets the reader in. Else the secret stays, the budget of the day is not touched, and the job
// and its owner are told who lacks what.
func TestNothingIsLoweredThatWouldNotCertainlyLetTheReaderIn(t *testing.T) {
	yes, no, deny, unknown := policy.Decision{Answer: policy.Allowed}, policy.Decision{Answer: policy.ImplicitlyDenied, Why: "no statement"},
		policy.Decision{Answer: policy.ExplicitlyDenied, Why: "an SCP"}, policy.Decision{Answer: policy.Unknown, Why: "unread"}
	for sentence, c := range map[string]struct {
		sealed          bool // a version is under the new key alone, so that a grant would be made
		previous, grant policy.Decision
		want            migration.Answer
		says            string
	}{
		"the previous key lets it in":        {false, yes, deny, migration.AnswerRollback, ""},
		"the previous key keeps it out":      {false, no, yes, migration.AnswerPage, "setting the AWS managed key again would not let it in: no statement"},
		"the previous key is denied to it":   {false, deny, yes, migration.AnswerPage, "setting the AWS managed key again would not let it in: an SCP"},
		"of the previous key nobody knows":   {false, unknown, yes, migration.AnswerPage, "whether setting the AWS managed key again would let it in is not known"},
		"nobody asked about the previous":    {false, policy.Decision{}, yes, migration.AnswerPage, "whether setting the AWS managed key again would let it in is not known"},
		"a grant lets it in":                 {true, deny, yes, migration.AnswerGrant, ""},
		"a grant is denied to it":            {true, yes, deny, migration.AnswerPage, "a grant on " + cmk("new", region).ARN + " would not let it in: an SCP"},
		"whether a grant helps nobody knows": {true, yes, unknown, migration.AnswerPage, "whether a grant on " + cmk("new", region).ARN + " would let it in is not known"},
	} {
		t.Run(sentence, func(t *testing.T) {
			g := movedUnder(t, rescuing())
			if c.sealed {
				g = sealedUnder(t, rescuing())
			}
			g.refusal = &migration.Refusal{By: migration.LockKey, Previous: c.previous, Grant: c.grant}
			answer, err := g.refuse(t, "app", "e-1")
			if back := g.secret.KeyID == ""; err != nil || answer != c.want || back != (c.want == migration.AnswerRollback) || len(g.to) > 0 != (c.want == migration.AnswerGrant) {
				t.Fatalf("answer %q, back %t, grants %v, error %v", answer, back, g.to, err)
			}
			name, _ := migration.RescueName(g.now, shop)
			if lost := g.fake.notices[len(g.fake.notices)-1]; c.want == migration.AnswerPage && (!strings.Contains(lost.Describe(), c.says) || g.counts[name] > 0) {
				t.Errorf("%d rescues are counted, and the owner reads %q", g.counts[name], lost.Describe())
			}
			j := g.job(t)
			if d := j.Denials[0]; c.want == migration.AnswerPage && (!strings.Contains(d.Why, c.says) || d.What != "kms:Decrypt on "+cmk("new", region).ARN) || (d.Why == "") != (c.says == "") {
				t.Errorf("the job keeps %+v", d)
			}
		})
	}
}

// The key that the secret, or the copy that was read, had before is the one that is asked about.
func TestWhatLetsAReaderInIsAskedOfTheKeyThatWhatItReadHad(t *testing.T) {
	w, r := lively(t)
	w.edit(t, func(j *migration.Job) {
		j.Before.KeyID, j.Before.KeyARN = alias, cmk("old", region).ARN
		j.Before.Replicas = []guard.Replica{{Region: other, KeyID: cmk("far", other).ARN, Key: cmk("far", other)}}
		j.Copies = []migration.ReplicaTo{{Region: other, Target: cmk("new", other).ARN, Moved: now}}
	})
	for in, want := range map[string]string{"": cmk("old", region).ARN, other: cmk("far", other).ARN} {
		w.refusal = &migration.Refusal{By: migration.LockKey}
		r.Region, r.EventID, r.At = in, "e-"+in, w.now
		if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || w.previous != want {
			t.Errorf("in %q asked about %q, want %q; error %v", in, w.previous, want, err)
		}
		w.now = w.now.Add(48 * time.Hour)
	}
}

// Who was shut out and reads again holds up nothing, and who was not is waited for, though it read after the re-key.
func TestASecretWaitsForAReaderThatIsShutOut(t *testing.T) {
	rules := migration.Defaults()
	j := job(migration.Observing)
	j.RekeyedAt = now
	j.Readers = []migration.Known{{Principal: role("app"), Seen: true, ReadAt: now.Add(time.Hour)}}
	j.Denials = []migration.Denial{{Principal: role("app"), At: now.Add(2 * time.Hour), By: migration.LockKey, What: "kms:Decrypt on k", Answer: migration.AnswerPage, Why: "nothing helps"}}
	s := migration.Seen{At: now.Add(72 * time.Hour), Secret: secret("db", cmk("new", region), managed())}
	if step := migration.Next(j, s, rules); step.Action != migration.DoWait || !strings.Contains(step.Reason, role("app")+" cannot read it and lacks kms:Decrypt on k: nothing helps") || len(j.Silent()) != 1 {
		t.Errorf("shut out: %+v, waits for %v", step, j.Silent())
	}
	j.Denials[0].Again = now.Add(5 * time.Hour)
	j.Readers[0].ReadAt = now.Add(4 * time.Hour)
	if step := migration.Next(j, s, rules); step.Action != migration.DoWait {
		t.Errorf("shut out again: %+v", step)
	}
	j.Readers[0].ReadAt = now.Add(6 * time.Hour)
	if step := migration.Next(j, s, rules); step.Action == migration.DoWait || len(j.Silent()) > 0 {
		t.Errorf("reads again: %+v, waits for %v", step, j.Silent())
	}
}

// slowly is a pre-flight that says which lock it is at once, and takes CloudTrail's time for what a reader lacks.
type slowly struct {
	*fake
	checked func()
}

func (s slowly) Check(ctx context.Context, of guard.Secret, key string, accepted []string) (migration.Assessment, error) {
	s.checked()
	if ctx.Err() != nil {
		return migration.Assessment{}, ctx.Err()
	}
	return s.fake.Check(ctx, of, key, accepted)
}

func TestAReaderGetsItsAccessBackBeforeAnybodyExplainsWhyItLostIt(t *testing.T) {
	w, r := lively(t)
	e, asked := w.worker("watchdog"), 0
	e.Preflight = slowly{w, func() {
		if asked++; w.secret.KeyID != "" {
			t.Error("CloudTrail is read while the reader cannot read")
		}
	}}
	w.lacks = []migration.Reader{{Principal: role("app"), Verdict: migration.Loses, Fix: &migration.Fix{Kind: migration.FixIdentity, Principal: role("app"), Identity: []byte("{}")}}}
	if answer, err := e.Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerRollback || asked != 1 {
		t.Errorf("answer %q, asked %d times, error %v", answer, asked, err)
	}
	for _, n := range w.notices {
		if n.Kind == guard.NoticeReaderLost && len(n.Move.Remedies) != 1 {
			t.Errorf("what it lacks is not said: %+v", n.Move)
		}
	}
}

// What the machine lowers by itself in an account has a limit a day; behind it people are notified, and decide.
func TestBehindTheRescuesOfADayAPersonDecides(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		rules := rescuing()
		rules.RescuesPerDay = 2
		g := movedUnder(t, rules)
		if sealed {
			g = sealedUnder(t, rules)
		}
		name, _ := migration.RescueName(g.now, shop)
		g.counts[name] = 1
		want := []migration.Answer{migration.AnswerRollback, migration.AnswerNone} // back for all, by one change
		if sealed {
			want = []migration.Answer{migration.AnswerGrant, migration.AnswerPage}
		}
		for n, reader := range []string{"app", "batch"} {
			if answer, err := g.refuse(t, reader, "e-"+reader); err != nil || answer != want[n] {
				t.Errorf("sealed %t, %s: answer %q, want %q, error %v", sealed, reader, answer, want[n], err)
			}
		}
		if g.counts[name] != 2 {
			t.Errorf("%d are counted", g.counts[name])
		}
		if says := g.fake.notices[len(g.fake.notices)-1].Describe(); sealed && !strings.Contains(says, "the 2 rescues that a day allows in account "+shop) {
			t.Errorf("the owner reads %q", says)
		}
	}
	g := movedUnder(t, rescuing())
	name, until := migration.RescueName(g.now, shop)
	g.counts[name] = migration.Defaults().RescuesPerDay
	if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerPage || g.secret.KeyID == "" {
		t.Errorf("behind the limit: answer %q, key %q, error %v", answer, g.secret.KeyID, err)
	}
	g.now = until
	if answer, err := g.refuse(t, "batch", "e-2"); err != nil || answer != migration.AnswerRollback {
		t.Errorf("the next day: answer %q, error %v", answer, err)
	}
}

// A job that an older version stored knows no such limit: that of the settings' defaults holds.
func TestARuleThatAnOlderVersionDidNotKnowIsTheDefault(t *testing.T) {
	older, newer := migration.Defaults(), migration.Defaults()
	older.RescuesPerDay, newer.RescuesPerDay = 0, 3
	if got := older.Join(newer).RescuesPerDay; got != 3 {
		t.Errorf("joined with 3: %d", got)
	}
	newer.RescuesPerDay = 1000
	if got, want := older.Join(newer).RescuesPerDay, migration.Defaults().RescuesPerDay; got != want {
		t.Errorf("joined with 1000: %d, want %d", got, want)
	}
}

// visits is the sweep coming by until a job is in a phase, or not in time.
func (w *fake) visits(t *testing.T, every time.Duration, most int, want migration.Phase) migration.Job {
	t.Helper()
	var j migration.Job
	for range most {
		w.now = w.now.Add(every)
		var err error
		if j, _, err = w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
			t.Fatal(err)
		}
		if j.Phase == want {
			return j
		}
	}
	t.Fatalf("%s (%s), want %s", j.Phase, j.Reason, want)
	return j
}

func TestWhatWentBackByItselfMovesAgainWhenItsReaderMayReadAndNotForEver(t *testing.T) {
	w, r := lively(t)
	if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil {
		t.Fatal(err)
	}
	j := w.job(t)
	if j.Phase != migration.RolledBack || !j.NeedsVisit() || !strings.Contains(j.Reason, "it moves again when every reader would keep access") {
		t.Fatalf("%s (%s)", j.Phase, j.Reason)
	}
	for _, n := range w.notices {
		if n.Kind == guard.NoticeRolledBack && !n.Move.Again {
			t.Errorf("its owner is not told that it moves again: %+v", n.Move)
		}
	}
	w.lose = true
	for range 3 {
		w.now = w.now.Add(25 * time.Hour)
		if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.RolledBack || !strings.Contains(j.Reason, role("app")+" would lose access") {
			t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
		}
	}
	w.lose = false
	j = w.visits(t, 25*time.Hour, 2, migration.Observing)
	if j.Again != nil || w.secret.KeyID == "" || j.Before == nil || j.Before.KeyID != "" {
		t.Fatalf("%+v, before %+v", j.Again, j.Before)
	}
	r.EventID, r.At = "e-2", w.now
	if answer, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerRollback {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	if j = w.job(t); j.Again != nil || j.NeedsVisit() || !strings.Contains(j.Reason, "it was moved back 2 times, so it is left to people") {
		t.Errorf("%s (%s), again %+v", j.Phase, j.Reason, j.Again)
	}
}

func TestWhatAPersonWantsBackStaysBack(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		w, r := lively(t)
		back := func() {
			if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "the app broke"); err != nil {
				t.Fatal(err)
			}
		}
		if when == "before" {
			back()
		}
		if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r); err != nil {
			t.Fatal(err)
		}
		if when == "after" {
			back()
		}
		if j := w.job(t); j.Phase != migration.RolledBack || j.Again != nil || j.NeedsVisit() {
			t.Errorf("asked for %s: %s (%s), again %+v", when, j.Phase, j.Reason, j.Again)
		}
	}
}

// What KMS refuses a reader is noted at that reader by the latest event, within the hour a single time; a read that failed is no such refusal.
func TestWhatKMSRefusesAReaderIsNotedWithItsTime(t *testing.T) {
	w := steady(t)
	item := w.item()
	for _, name := range []string{"app", "batch"} {
		item.Readers = append(item.Readers, migration.Reader{Principal: role(name), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}})
	}
	if _, err := w.worker("w0").Start(t.Context(), item, "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.worker("w0").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	w.lock = migration.LockSession
	for i, c := range []struct {
		sentence string
		name     string
		at       time.Duration
		read     bool
		noted    [2]time.Duration // of app and batch
		writes   bool
	}{
		{"the first of app", "app", time.Minute, false, [2]time.Duration{time.Minute}, true},
		{"the next of app in the same hour", "app", 2 * time.Minute, false, [2]time.Duration{time.Minute}, false},
		{"the first of batch", "batch", 3 * time.Minute, false, [2]time.Duration{time.Minute, 3 * time.Minute}, true},
		{"one of app an hour after the first", "app", 61 * time.Minute, false, [2]time.Duration{61 * time.Minute, 3 * time.Minute}, true},
		{"a late one of batch", "batch", -time.Minute, false, [2]time.Duration{61 * time.Minute, 3 * time.Minute}, false},
		{"a read of batch that failed", "batch", 62 * time.Minute, true, [2]time.Duration{61 * time.Minute, 3 * time.Minute}, true},
		{"an old one of batch, when that is answered", "batch", 2 * time.Minute, false, [2]time.Duration{61 * time.Minute, 3 * time.Minute}, true},
	} {
		before := w.revision
		if _, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, migration.Refused{Principal: role(c.name), EventID: fmt.Sprint("e-", i), At: now.Add(c.at), By: migration.LockKey, Read: c.read}); err != nil {
			t.Fatalf("%s: %v", c.sentence, err)
		}
		for i, r := range w.job(t).Readers {
			if want := c.noted[i]; want == 0 && !r.RefusedAt.IsZero() || want != 0 && !r.RefusedAt.Equal(now.Add(want)) {
				t.Errorf("%s: %s was refused at %s", c.sentence, r.Principal, r.RefusedAt)
			}
		}
		if writes := w.revision != before; writes != c.writes {
			t.Errorf("%s: stored %t", c.sentence, writes)
		}
	}
}

// reasons are why a reader was refused, as people read it.
func (w *fake) reasons() string {
	out := ""
	for _, n := range w.notices {
		if n.Kind == guard.NoticeReaderLost {
			out += n.Move.Reason + "\n"
		}
	}
	return out
}

// A read of what is deleted, or is not under our key any more, is nobody's loss: nothing is changed, and nobody is notified.
func TestARefusedReadOfWhatNobodyReadsWithOurKeyIsForgotten(t *testing.T) {
	for sentence, c := range map[string]struct {
		world func(*testing.T) (*fake, migration.Refused)
		now   func(*fake)
	}{
		"it is deleted":                            {lively, func(w *fake) { w.refusing("Describe", guard.ErrGone) }},
		"its deletion is scheduled":                {lively, func(w *fake) { w.secret.DeletedAt = w.now }},
		"it was blocked, and somebody set it back": {func(t *testing.T) (*fake, migration.Refused) { return stopped(t, migration.Failed) }, func(w *fake) { w.setKey("") }},
	} {
		t.Run(sentence, func(t *testing.T) {
			w, r := c.world(t)
			r.At = w.now
			changes := len(w.changes)
			c.now(w)
			answer, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, r)
			w.trouble = func(string) error { return nil }
			if err != nil || answer != migration.AnswerNone || len(w.changes) != changes || w.lost() != 0 || len(w.job(t).Refusals) != 0 {
				t.Errorf("answer %q, changes %v, notified %d times, kept %+v, error %v", answer, w.changes[changes:], w.lost(), w.job(t).Refusals, err)
			}
		})
	}
}

// Where it cannot be found out for an hour which lock refused a reader, people are told that, and nothing is weakened.
func TestALockThatCannotBeFoundOutIsSaidAfterAnHour(t *testing.T) {
	w, r := lively(t)
	e := w.worker("watchdog")
	e.Preflight = &unanswered{w}
	w.now = w.now.Add(time.Hour)
	if answer, err := e.Refused(t.Context(), w.secret.ARN, r); err != nil || answer != migration.AnswerPage || w.secret.KeyID == "" || !strings.Contains(w.reasons(), "what its role may do could not be found out") {
		t.Errorf("answer %q, key %q, people read %q, error %v", answer, w.secret.KeyID, w.reasons(), err)
	}
}
