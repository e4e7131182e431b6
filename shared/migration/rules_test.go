package migration_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store/storetest"
	"github.com/doublelock/doublelock/shared/window"
)

func opening(text string) window.Window {
	w, err := window.Parse(text)
	if err != nil {
		panic(err)
	}
	return w
}

func TestRulesAreReadAsTheyWereWritten(t *testing.T) {
	rules := migration.Defaults().WithWindows([]window.Window{opening("Mon-Thu 22:00-04:00"), opening("20:00-24:00")}, "arn:aws:iam::222222222222:role/alice", now)
	rules.RotateTwice, rules.AutoGrant = true, true
	rules.AlwaysKeep, rules.Accepted = []string{role("glass")}, []migration.Accept{{Principals: role("old-*"), By: "ciso", Reason: "they go"}}
	rules.Waves = []migration.Placed{{Wave: migration.Canary, Targets: []string{shop}}}
	fields := reflect.ValueOf(rules)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("%s is zero: whether it is stored cannot be seen", fields.Type().Field(i).Name)
		}
	}
	raw, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"observe":"24h0m0s"`, `"windows":["Mon,Tue,Wed,Thu 22:00-04:00","20:00-24:00"]`} {
		if !strings.Contains(string(raw), text) {
			t.Errorf("%s is not in %s", text, raw)
		}
	}
	var back migration.Rules
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules, back); diff != "" {
		t.Errorf("read again (-written +read):\n%s", diff)
	}
	for _, text := range []string{`{"observe":"-1h"}`, `{"observe":24}`, `{"windows":["10:00-10:00"]}`} {
		if err := json.Unmarshal([]byte(text), &back); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// Whatever two sets of rules meet, what holds is as strict as each of them, but for what a person overrode by name.
func TestTheStricterRuleHoldsUnlessSomebodySaidOtherwise(t *testing.T) {
	careful, lax := migration.Defaults(), migration.Defaults()
	careful.Observe, lax.Observe = careful.Observe*3, lax.Observe/24
	lax.RotateTwice, lax.AutoGrant, lax.PerHour, lax.PerAccountHour, lax.Flips = true, true, 600, 200, 5
	careful.MustKeep, lax.MustKeep = migration.KeepEverybody, migration.KeepSeen
	careful.AlwaysKeep, lax.Accepted = []string{role("glass")}, []migration.Accept{{Principals: "*", By: "somebody", Reason: "later"}}
	careful.Accepted = []migration.Accept{}
	lax.Quiet, lax.HaltRate, lax.GrantFor, lax.Watch = lax.Quiet/2, 0.5, lax.GrantFor*2, lax.Watch/2
	for name, got := range map[string]migration.Rules{"newer and laxer": careful.Join(lax), "newer and stricter": lax.Join(careful)} {
		if diff := cmp.Diff(careful, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	saturday := migration.Defaults().WithWindows([]window.Window{opening("Sat 00:00-24:00")}, "arn:alice", now)
	if got := saturday.Join(careful); got.Windows == nil || got.Observe != careful.Observe || len(got.Overrides) != 1 {
		t.Errorf("rules without windows lost those of the job: %+v", got)
	}
	sunday := migration.Defaults().WithWindows([]window.Window{opening("Sun 00:00-24:00")}, "arn:bob", now.Add(time.Hour))
	got := saturday.Join(sunday)
	if diff := cmp.Diff(sunday.Windows, got.Windows); diff != "" || len(got.Overrides) != 2 || got.Overrides[1].By != "arn:bob" {
		t.Errorf("the newer override does not win: %s %+v", diff, got.Overrides)
	}
	again := sunday
	again.Overrides[0].At = now.Add(2 * time.Hour)
	if got := got.Join(again); len(got.Overrides) != 2 {
		t.Errorf("the same said again is kept again: %+v", got.Overrides)
	}
}

// What the machine does by itself takes the word of both.
func TestOnlyWhatBothAllowIsDoneByItself(t *testing.T) {
	all, none := migration.Defaults(), migration.Defaults()
	all.RotateTwice, all.AutoRollback, all.AutoGrant = true, true, true
	none.RotateTwice, none.AutoRollback, none.AutoGrant = false, false, false
	for name, got := range map[string]migration.Rules{"the newer allow it": none.Join(all), "the older allowed it": all.Join(none)} {
		if got.RotateTwice || got.AutoRollback || got.AutoGrant {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := all.Join(all); !got.RotateTwice || !got.AutoRollback || !got.AutoGrant {
		t.Errorf("both allow it: %s", got)
	}
}

// An override is kept with who said it: the same by somebody else is another one, also behind one that is known.
func TestAnOverrideIsKeptWithWhoSaidIt(t *testing.T) {
	saturday := []window.Window{opening("Sat 00:00-24:00")}
	alices := migration.Defaults().WithWindows(saturday, "arn:alice", now)
	bobs := alices.WithWindows(saturday, "arn:bob", now.Add(time.Hour))
	var by []string
	for _, o := range alices.Join(bobs).Overrides {
		by = append(by, o.By)
	}
	if diff := cmp.Diff([]string{"arn:alice", "arn:bob"}, by); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	if got := alices.Join(bobs).InForce(); len(got) != 1 || got[0].By != "arn:bob" {
		t.Errorf("in force %+v", got)
	}
}

func TestRulesAreSaidInOneLine(t *testing.T) {
	careful := migration.Defaults()
	careful.AutoRollback = false
	free := migration.Defaults().WithWindows([]window.Window{opening("Sat 08:30-12:05"), opening("20:00-24:00")}, "arn:alice", now)
	free.RotateTwice, free.AutoGrant = true, true
	for want, rules := range map[string]migration.Rules{
		"observe 24h0m0s, watch 48h0m0s, changes always, at most 60 an hour and 20 in one account, at most 10 rescues a day, access is kept by workloads":                                                                             careful,
		"observe 24h0m0s, watch 48h0m0s, changes Sat 08:30-12:05, 20:00-24:00 UTC, at most 60 an hour and 20 in one account, at most 10 rescues a day, access is kept by workloads, rotate twice, go back by itself, rescue by grant": free,
	} {
		if diff := cmp.Diff(want, rules.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// steady is one secret under the AWS managed key with a job store, for one worker at a time.
func steady(t *testing.T) *fake {
	t.Helper()
	w := &fake{t: nil, now: now, journal: map[string]bool{}, counts: map[string]int{}, published: map[string]bool{}, lock: migration.LockKey, intents: storetest.NewIntents(), trouble: func(string) error { return nil }}
	w.secret = secret("db", managed())
	w.secret.KeyID = ""
	return w
}

func TestAWindowOfApplyBindsWhoeverMovesTheJob(t *testing.T) {
	w := steady(t)
	apply := w.worker("command line")
	rules := migration.Defaults().WithWindows([]window.Window{opening("Sun 22:00-24:00")}, "arn:aws:iam::222222222222:role/alice", now) // now is a Saturday
	if _, err := apply.Start(t.Context(), w.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	sweep := func() *migration.Engine { // a new process each time, whose settings know no window
		e := w.worker("sweep at " + w.now.String())
		e.Rules = migration.Defaults()
		return e
	}
	for _, when := range []time.Time{now, now.Add(time.Hour), time.Date(2026, 11, 22, 21, 59, 0, 0, time.UTC)} {
		w.now = when
		j, step, err := sweep().Advance(t.Context(), w.secret.ARN)
		if err != nil || len(w.changes) > 0 || j.Phase != migration.Planned {
			t.Fatalf("at %s: %s, changed %v, error %v", when, j.Phase, w.changes, err)
		}
		if opens := time.Date(2026, 11, 22, 22, 0, 0, 0, time.UTC); !step.Until.Equal(opens) || !strings.Contains(j.Reason, "Sun 2026-11-22 22:00 UTC") {
			t.Errorf("at %s: it waits until %s because %q", when, step.Until, j.Reason)
		}
	}
	w.now = time.Date(2026, 11, 22, 22, 0, 0, 0, time.UTC)
	j, _, err := sweep().Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.Observing || len(w.changes) != 1 {
		t.Fatalf("inside the window: %s (%s), changed %v, error %v", j.Phase, j.Reason, w.changes, err)
	}
	want := []migration.Override{{Field: "windows", Value: "Sun 22:00-24:00", By: "arn:aws:iam::222222222222:role/alice", At: now}}
	if diff := cmp.Diff(want, j.Rules.Overrides); diff != "" {
		t.Errorf("who set the window (-want +got):\n%s", diff)
	}
}

// A change that was begun and not made has changed nothing: the next worker waits for the window too.
func TestAChangeThatWasBegunAndNotMadeWaitsForTheWindow(t *testing.T) {
	w := steady(t)
	rules := migration.Defaults().WithWindows([]window.Window{opening("Sat 08:00-10:00")}, "arn:alice", now)
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	w.trouble = func(call string) error {
		if call == "before UpdateSecret" {
			return errDied
		}
		return nil
	}
	if _, _, err := w.worker("w1").Advance(t.Context(), w.secret.ARN); err == nil {
		t.Fatal("it was to die")
	}
	w.trouble = func(string) error { return nil }
	w.now = now.Add(3 * time.Hour)
	j, step, err := w.worker("w2").Advance(t.Context(), w.secret.ARN)
	if err != nil || len(w.changes) > 0 || step.Action != migration.DoWait {
		t.Fatalf("outside the window: %s (%s), changed %v, error %v", j.Phase, j.Reason, w.changes, err)
	}
	w.now = now.AddDate(0, 0, 7)
	if j, _, err = w.worker("w3").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
		t.Errorf("a week later: %s (%s), error %v", j.Phase, j.Reason, err)
	}
}

func TestWhoMovesAJobObeysItsRulesAndNotTheirOwn(t *testing.T) {
	w := steady(t)
	rules := migration.Defaults()
	rules.Observe, rules.PerAccountHour = migration.Duration(72*time.Hour), 1
	if _, err := w.worker("command line").Start(t.Context(), w.item(), "plan", rules); err != nil {
		t.Fatal(err)
	}
	names, _ := migration.HourNames(now, shop)
	w.counts[names[0]] = 1
	j, step, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || len(w.changes) > 0 || !step.Until.Equal(now.Add(time.Hour)) || !strings.Contains(j.Reason, "the 1 changes that an hour allows") {
		t.Fatalf("beyond the job's budget: %s (%s) until %s, changed %v, error %v", j.Phase, j.Reason, step.Until, w.changes, err)
	}
	w.now = now.Add(time.Hour)
	if j, step, err = w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing || !step.Until.Equal(w.now.Add(72*time.Hour)) {
		t.Fatalf("%s (%s) until %s, error %v", j.Phase, j.Reason, step.Until, err)
	}
}

func TestAJobStoredWithoutRulesIsMovedUnderThoseOfTheSettings(t *testing.T) {
	w := steady(t)
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	var stored map[string]any
	if err := json.Unmarshal(w.stored, &stored); err != nil {
		t.Fatal(err)
	}
	delete(stored, "rules") // as an older version wrote it
	var err error
	if w.stored, err = json.Marshal(stored); err != nil {
		t.Fatal(err)
	}
	e := w.worker("w1")
	e.Rules.Windows = []window.Window{opening("Sun 22:00-24:00")}
	e.Rules.From = "the settings"
	for range 2 {
		j, _, err := e.Advance(t.Context(), w.secret.ARN)
		if err != nil || len(w.changes) > 0 || j.Rules == nil || len(j.Rules.Windows) != 1 || j.Rules.From != "the settings, for the job was stored without rules" {
			t.Fatalf("rules %+v, changed %v, error %v", j.Rules, w.changes, err)
		}
		said := 0
		for _, turn := range j.History {
			if strings.Contains(turn.Reason, "stored without rules") {
				said++
			}
		}
		if said != 1 {
			t.Errorf("said %d times: %+v", said, j.History)
		}
	}
}

func TestAnotherPlanOverAJobThatIsUnderWay(t *testing.T) {
	lax, strict := migration.Defaults(), migration.Defaults()
	strict.Observe *= 4
	for name, tt := range map[string]struct {
		first, second migration.Rules
		phase         migration.Phase // in which the second comes
		want          time.Duration
	}{
		"under way: a stricter plan binds":              {lax, strict, migration.Observing, 96 * time.Hour},
		"under way: a laxer plan does not loosen it":    {strict, lax, migration.Observing, 96 * time.Hour},
		"not begun: a laxer plan does not loosen it":    {strict, lax, migration.Planned, 96 * time.Hour},
		"at rest: the new plan begins anew by its own":  {strict, lax, migration.Failed, 24 * time.Hour},
		"at rest: the new plan may be stricter as well": {lax, strict, migration.Failed, 96 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			e := w.worker("w0")
			if _, err := e.Start(t.Context(), w.item(), "first", tt.first); err != nil {
				t.Fatal(err)
			}
			w.inPhase(t, tt.phase)
			j, err := e.Start(t.Context(), w.item(), "second", tt.second)
			if err != nil || time.Duration(j.Rules.Observe) != tt.want {
				t.Errorf("observes %v, want %s; error %v", j.Rules, tt.want, err)
			}
			stored, err := w.Load(t.Context(), "")
			if err != nil || time.Duration(stored.Rules.Observe) != tt.want {
				t.Errorf("stored: observes %v, error %v", stored.Rules, err)
			}
		})
	}
}

func (w *fake) inPhase(t *testing.T, phase migration.Phase) {
	t.Helper()
	j, err := w.Load(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	if j.Phase = phase; phase != migration.Planned {
		j.Before = &migration.Before{}
	}
	if err := w.Save(context.Background(), j); err != nil {
		t.Fatal(err)
	}
}

// A job of the strictest rules halts its wave for everybody.
func TestAWaveHaltsByTheStrictestOfItsJobs(t *testing.T) {
	var jobs []migration.Job
	for i := range 10 {
		j := job(migration.Observing)
		j.Before = &migration.Before{State: guard.StateDefault}
		if i == 0 {
			strict := migration.Defaults()
			strict.HaltRate = 0
			j.Phase, j.Rules = migration.Failed, &strict
		}
		jobs = append(jobs, j)
	}
	if got := migration.Halted(jobs, migration.Job{Plan: "plan", Wave: migration.Development}, migration.Defaults()); got == "" {
		t.Error("one of ten failed, and a job says that none may")
	}
}
