package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/window"
)

// counted counts what a worker asks.
type counted struct {
	*fake
	limits, readers int
}

func (c *counted) Taken(ctx context.Context, name string) (int, error) {
	c.limits++
	return c.fake.Taken(ctx, name)
}

func (c *counted) Check(ctx context.Context, s guard.Secret, key string, accepted []string) (migration.Assessment, error) {
	c.readers++
	return c.fake.Check(ctx, s, key, accepted)
}

func (c *counted) worker() *migration.Engine {
	e := c.fake.worker("sweep")
	e.Counter, e.Preflight = c, c
	return e
}

// usedUp is a secret whose job waits for its first step, and whose hour has none left of one limit: 0 the account's, 1 the hub's.
func usedUp(t *testing.T, limit int, rules migration.Rules) *counted {
	t.Helper()
	c := &counted{fake: steady(t)}
	if _, err := c.worker().Start(t.Context(), c.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	names, _ := migration.HourNames(c.now, shop)
	c.counts[names[limit]] = [2]int{rules.PerAccountHour, rules.PerHour}[limit]
	return c
}

// looks counts how often the secret is looked at from now on.
func (c *counted) looks() *int {
	n := 0
	c.trouble = func(at string) error {
		if at == "before Describe" {
			n++
		}
		return nil
	}
	return &n
}

// Most of a large plan's jobs wait for the next hour: nothing is looked up for them.
func TestWhatAnHourDoesNotAllowIsNotLookedUp(t *testing.T) {
	for limit, most := range []int{20, 60} {
		c := usedUp(t, limit, migration.Defaults())
		looks := c.looks()
		j, step, err := c.worker().Advance(t.Context(), c.secret.ARN)
		reason := fmt.Sprintf("waiting: the %d changes that an hour allows are made", most)
		if err != nil || step.Action != migration.DoWait || step.Reason != reason || !step.Until.Equal(now.Truncate(time.Hour).Add(time.Hour)) || *looks != 0 || c.readers != 0 {
			t.Errorf("limit %d: %s (%+v), %d looks, readers asked for %d times, error %v", limit, j.Reason, step, *looks, c.readers, err)
		}
		c.now = c.now.Add(time.Hour)
		if j, _, err := c.worker().Advance(t.Context(), c.secret.ARN); err != nil || j.Phase != migration.Observing {
			t.Errorf("limit %d, an hour later: %s (%s), error %v", limit, j.Phase, j.Reason, err)
		}
	}
}

func TestTheLastChangeOfAnHourIsMade(t *testing.T) {
	for limit := range 2 {
		c := usedUp(t, limit, migration.Defaults())
		names, _ := migration.HourNames(c.now, shop)
		c.counts[names[limit]]--
		if j, _, err := c.worker().Advance(t.Context(), c.secret.ARN); err != nil || j.Phase != migration.Observing || c.counts[names[0]] == 0 || c.counts[names[1]] == 0 {
			t.Errorf("limit %d: %s (%s), counted %v, error %v", limit, j.Phase, j.Reason, c.counts, err)
		}
	}
}

func TestAnOrderBeyondTheHourIsNotLookedUp(t *testing.T) {
	c := &counted{fake: steady(t)}
	names, _ := migration.HourNames(c.now, shop)
	c.counts[names[0]] = 20
	looks := c.looks()
	_, step, err := c.worker().Order(t.Context(), c.asked("n-1"))
	if err != nil || step.Action != migration.DoWait || *looks != 0 || c.readers != 0 || len(c.stored) != 0 {
		t.Errorf("%+v, %d looks, readers asked for %d times, stored %s, error %v", step, *looks, c.readers, c.stored, err)
	}
}

func TestAClosedWindowIsNotLookedThrough(t *testing.T) {
	c := &counted{fake: steady(t)}
	rules := migration.Defaults()
	rules.Windows = []window.Window{opening("22:00-23:00")}
	if _, err := c.worker().Start(t.Context(), c.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	looks := c.looks()
	if _, step, err := c.worker().Advance(t.Context(), c.secret.ARN); err != nil || step.Action != migration.DoWait || *looks != 0 || c.limits != 0 {
		t.Errorf("%+v, %d looks, limits asked for %d times, error %v", step, *looks, c.limits, err)
	}
}

// What is used up stays so until the hour is over: it is asked for once, and not for every job.
func TestALimitThatIsUsedUpIsAskedForOnce(t *testing.T) {
	few, fewer := migration.Defaults(), migration.Defaults()
	few.PerAccountHour, fewer.PerAccountHour = 2, 1
	first, second := usedUp(t, 0, few), usedUp(t, 0, fewer)
	spent := &migration.Spent{}
	visit := func(c *counted, want int) {
		t.Helper()
		e := c.worker()
		e.Spent = spent
		if _, _, err := e.Advance(t.Context(), c.secret.ARN); err != nil || c.limits != want {
			t.Errorf("asked for %d times, want %d; error %v", c.limits, want, err)
		}
	}
	visit(first, 1)
	visit(second, 1)
	visit(first, 1)
	visit(second, 1)
	first.now = first.now.Add(time.Hour)
	visit(first, 1+2+2+2) // before the look, before the readers, and with the change: the account's and the hub's
	if j := first.job(t); j.Phase != migration.Observing {
		t.Errorf("an hour later: %s (%s)", j.Phase, j.Reason)
	}
}

// The readers are asked for where the step behind them can be taken, or takes nothing from the hour.
func TestReadersAreNotAskedForBeforeAStepThatTheHourDoesNotAllow(t *testing.T) {
	sealing := func(seal migration.SealBy, change func(*counted, *migration.Job)) func(*counted) {
		return func(c *counted) {
			var j migration.Job
			if err := json.Unmarshal(c.stored, &j); err != nil {
				panic(err)
			}
			c.setKey(cmk("new", region).ARN)
			j.Phase, j.Seal, j.RekeyedAt = migration.Sealing, seal, now.Add(-48*time.Hour)
			j.Before = &migration.Before{}
			if change != nil {
				change(c, &j)
			}
			c.stored, _ = json.Marshal(j)
		}
	}
	sealed := func(c *counted, j *migration.Job) {
		c.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
		c.secret.Replicas = []guard.Replica{{Region: other, Key: managed(), Status: "InSync"}}
		j.FirstNewAt, j.Copies = now, []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN}}
	}
	for sentence, c := range map[string]struct {
		job   func(*counted)
		free  bool
		asked bool
	}{
		"a rotation":                             {sealing(migration.SealRotate, nil), false, false},
		"a rotation that the hour allows":        {sealing(migration.SealRotate, nil), true, true},
		"asking the owner takes nothing":         {sealing(migration.SealOwner, nil), false, true},
		"a copy under another key takes nothing": {sealing(migration.SealRotate, sealed), false, true},
		"a key that was begun to be set": {func(c *counted) {
			var j migration.Job
			if err := json.Unmarshal(c.stored, &j); err != nil {
				panic(err)
			}
			j.Pending, j.Before = &migration.Pending{Action: migration.DoRekey, At: now}, &migration.Before{}
			c.stored, _ = json.Marshal(j)
		}, false, false},
		"a secret of the hub's own that is under the key": {func(c *counted) {
			var j migration.Job
			if err := json.Unmarshal(c.stored, &j); err != nil {
				panic(err)
			}
			c.setKey(cmk("new", region).ARN)
			j.Plan = ""
			c.stored, _ = json.Marshal(j)
		}, false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := usedUp(t, 0, migration.Defaults())
			if c.free {
				w.counts = map[string]int{}
			}
			c.job(w)
			j, step, err := w.worker().Advance(t.Context(), w.secret.ARN)
			if err != nil || (w.readers > 0) != c.asked {
				t.Errorf("readers asked for %d times; %s (%s), %+v, error %v", w.readers, j.Phase, j.Reason, step, err)
			}
		})
	}
}

// What passes by itself is nobody's business for a day. What does not pass is somebody's: a job waits for nothing for ever.
func TestABusyAWSIsSomebodysBusinessAfterADay(t *testing.T) {
	for sentence, answer := range map[string]error{"throttled": guard.ErrThrottled, "down": guard.ErrUnavailable} {
		w := steady(t)
		if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
			t.Fatal(err)
		}
		w.refusing("Describe", answer)
		visit := func(hours int) migration.Job {
			for range hours {
				w.now = w.now.Add(time.Hour)
				if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); !errors.Is(err, answer) {
					t.Fatal(err)
				}
			}
			return w.job(t)
		}
		if j := visit(24); len(w.notices) > 0 || j.Phase != migration.Planned {
			t.Errorf("%s for a day: %s, notices %+v", sentence, j.Phase, w.notices)
		}
		visit(24)
		if len(w.notices) != 1 || w.notices[0].Kind != guard.NoticeAttention || !strings.Contains(w.notices[0].Move.Reason, "quotas of Secrets Manager and KMS in "+shop) ||
			!strings.Contains(w.notices[0].Move.Reason, "given up on 2026-") {
			t.Fatalf("%s for two days: %+v", sentence, w.notices)
		}
		if j := visit(6 * 24); j.Phase != migration.Blocked || len(w.notices) != 2 {
			t.Errorf("%s for more than a week: %s (%s), %d notices", sentence, j.Phase, j.Reason, len(w.notices))
		}
	}
}

// A job that is out of reach is asked for nothing while its window is closed: that is no answer.
func TestAClosedWindowDoesNotBringAJobWithinReach(t *testing.T) {
	w := steady(t)
	rules := migration.Defaults()
	rules.Windows = []window.Window{opening("09:00-11:00")}
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	w.refusing("Describe", guard.ErrNotOurs)
	for range 9 * 24 {
		_, _, _ = w.worker("sweep").Advance(t.Context(), w.secret.ARN)
		w.now = w.now.Add(time.Hour)
	}
	if j := w.job(t); j.Phase != migration.Blocked || len(w.notices) != 2 {
		t.Errorf("after nine days: %s (%s), stuck %+v, %d notices", j.Phase, j.Reason, j.Stuck, len(w.notices))
	}
}

// What a job is known to wait for costs no visit.
func TestAJobThatWaitsForTheNextHourIsKnownToWithoutAsking(t *testing.T) {
	few := migration.Defaults()
	few.PerAccountHour = 2
	c := usedUp(t, 0, few)
	e := c.worker()
	e.Spent = &migration.Spent{}
	if e.Idle(c.job(t)) {
		t.Error("nobody has asked for the limit yet")
	}
	if _, _, err := e.Advance(t.Context(), c.secret.ARN); err != nil {
		t.Fatal(err)
	}
	j, asked := c.job(t), c.limits
	if !e.Idle(j) || c.limits != asked {
		t.Errorf("%s (%s): a visit would change nothing; asked %d times", j.Phase, j.Reason, c.limits-asked)
	}
	for sentence, change := range map[string]func(*migration.Job){
		"it says something else": func(j *migration.Job) { j.Reason = "" },
		"a change was begun":     func(j *migration.Job) { j.Pending = &migration.Pending{Action: migration.DoRekey} },
		"a notice waits":         func(j *migration.Job) { j.Outbox = []guard.Notice{{ID: "n"}} },
		"it is out of reach":     func(j *migration.Job) { j.Stuck = &migration.Stuck{Since: now} },
		"it is the hub's own":    func(j *migration.Job) { j.Plan = "" },
		"a grant has to end":     func(j *migration.Job) { j.Rescues = []migration.Rescue{{GrantID: "g"}} },
		"a grant has to end, and a denied read waits": func(j *migration.Job) {
			j.Rescues, j.Refusals = []migration.Rescue{{GrantID: "g"}}, []migration.Refused{{EventID: "e"}}
		},
		"it is under way":          func(j *migration.Job) { j.Phase = migration.Sealing },
		"an older version made it": func(j *migration.Job) { j.Rules = nil },
	} {
		other := j
		if change(&other); e.Idle(other) {
			t.Errorf("%s, and it is not visited", sentence)
		}
	}
	c.now = c.now.Add(time.Hour)
	if e.Idle(j) {
		t.Error("an hour later its turn may have come")
	}
}

// A job that says already for which window it waits is left alone until then.
func TestAJobThatWaitsForItsWindowIsIdleWhileItSaysSo(t *testing.T) {
	w := steady(t)
	rules := migration.Defaults()
	rules.Windows = []window.Window{opening("22:00-23:00")}
	e := w.worker("sweep")
	if _, err := e.Start(t.Context(), w.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	if e.Idle(w.job(t)) {
		t.Error("it does not say yet what it waits for")
	}
	if _, _, err := e.Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	if j := w.job(t); !e.Idle(j) {
		t.Errorf("%q, and it is visited", j.Reason)
	}
	if w.now = w.now.Add(13 * time.Hour); e.Idle(w.job(t)) {
		t.Error("its window is open")
	}
}

// closing uses up the hub's hour while the readers are asked for.
type closing struct{ *counted }

func (c closing) Check(ctx context.Context, s guard.Secret, key string, accepted []string) (migration.Assessment, error) {
	names, _ := migration.HourNames(c.now, shop)
	c.counts[names[1]] = migration.Defaults().PerHour
	return c.counted.Check(ctx, s, key, accepted)
}

// What another worker uses up between two looks takes nothing from the limit that still has some.
func TestAnHourThatIsUsedUpMeanwhileTakesNothingFromTheAccount(t *testing.T) {
	c := &counted{fake: steady(t)}
	if _, err := c.worker().Start(t.Context(), c.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	e := c.worker()
	e.Preflight = closing{c}
	_, step, err := e.Advance(t.Context(), c.secret.ARN)
	names, _ := migration.HourNames(c.now, shop)
	if err != nil || step.Action != migration.DoWait || len(c.changes) > 0 || c.counts[names[0]] != 0 || c.readers == 0 {
		t.Errorf("%+v, changed %v, counted %v, error %v", step, c.changes, c.counts, err)
	}
}

// What changed nothing in AWS needs no new look.
func TestAMoveThatChangesNothingIsLookedAtAgainByNobody(t *testing.T) {
	c := &counted{fake: begun(t, inPhase(migration.Rekeyed))}
	c.setKey(cmk("new", region).ARN)
	looks := c.looks()
	if j, _, err := c.worker().Advance(t.Context(), c.secret.ARN); err != nil || j.Phase == migration.Rekeyed || *looks != 1 {
		t.Errorf("%s (%s), %d looks, error %v", j.Phase, j.Reason, *looks, err)
	}
}

func TestAChangeThatCannotBeReadIsProvenWithinThreeDays(t *testing.T) {
	w := steady(t)
	w.secret.VersionsUnread = true
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	if j := w.job(t); j.Phase != migration.Unproven || !j.ProveBy.Equal(now.Add(72*time.Hour)) {
		t.Errorf("%s (%s), proven by %s", j.Phase, j.Reason, j.ProveBy)
	}
}

// answering is a store that keeps old denials apart.
type answering struct {
	*fake
	answered bool
	broken   error
	asked    int
}

func (a *answering) Answered(context.Context, string, string) (bool, error) {
	a.asked++
	return a.answered, a.broken
}

// A denied read that was answered so long ago that the job does not say so any more is not answered again.
func TestADenialThatIsKeptApartIsLookedUp(t *testing.T) {
	for sentence, c := range map[string]struct {
		earlier  int
		answered bool
		broken   error
		asked    int
		want     migration.Answer
	}{
		"none is kept apart":         {0, true, nil, 0, migration.AnswerRollback},
		"one is, and it is this":     {1, true, nil, 1, migration.AnswerNone},
		"one is, and it is another":  {1, false, nil, 1, migration.AnswerRollback},
		"one is, and cannot be read": {1, false, errDied, 1, migration.AnswerNone},
	} {
		w, event := lively(t)
		j := w.job(t)
		j.Earlier.Denials = c.earlier
		w.stored, _ = json.Marshal(j)
		e := w.worker("watchdog")
		a := &answering{fake: w, answered: c.answered, broken: c.broken}
		e.Store = a
		got, err := e.Refused(t.Context(), w.secret.ARN, event)
		if got != c.want || a.asked != c.asked || !errors.Is(err, c.broken) {
			t.Errorf("%s: answer %q, asked %d times, error %v", sentence, got, a.asked, err)
		}
	}
}

// Whoever counts the rescues of a day counts the same ones, until its midnight.
func TestTheRescuesOfADayAreCountedUntilMidnight(t *testing.T) {
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{day, now, day.Add(24*time.Hour - time.Second), now.In(time.FixedZone("", 3600))} {
		if name, until := migration.RescueName(at, shop); name != "rescues|2026-11-21|"+shop || !until.Equal(day.AddDate(0, 0, 1)) {
			t.Errorf("at %s: %s until %s", at, name, until)
		}
	}
}
