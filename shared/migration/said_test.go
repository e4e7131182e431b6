package migration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// A phase has the time of its first moment; what is said again in it is no turn, and another reason is one.
func TestAPhaseHasTheTimeOfItsFirstMoment(t *testing.T) {
	w := begun(t, func(j *migration.Job) { inPhase(migration.Sealing)(j); j.Since = now.Add(-time.Hour); j.AskedAt = now })
	w.secret.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{cmk("new", region)}}, {ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{managed()}}}
	w.secret.Key = cmk("new", region)
	turns := len(w.job(t).History)
	for range 2 {
		if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
			t.Fatal(err)
		}
	}
	if j := w.job(t); j.Phase != migration.Sealing || !j.Since.Equal(now.Add(-time.Hour)) || len(j.History) != turns+1 {
		t.Errorf("%s since %s, turns %+v", j.Phase, j.Since, j.History)
	}
	w = begun(t, inPhase(migration.Planned))
	w.lose, w.now = true, now.Add(time.Hour)
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Blocked || !j.Since.Equal(w.now) {
		t.Errorf("%s since %s, error %v", j.Phase, j.Since, err)
	}
}

// The hub's own change that was begun and not made is decided again from the beginning.
func TestAChangeOfTheHubThatWasNotMadeIsForgotten(t *testing.T) {
	w := begun(t, func(j *migration.Job) {
		j.Plan, j.Before, j.Pending = "", &migration.Before{}, &migration.Pending{Action: migration.DoRekey, At: now}
	})
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Planned || j.Pending != nil {
		t.Errorf("%s, pending %+v, error %v", j.Phase, j.Pending, err)
	}
}

// The hub's own job knows the readers that were found when it was begun; a plan's those of the plan.
func TestTheReadersOfTheHubsOwnJobAreThoseOfItsCheck(t *testing.T) {
	g := &granting{fake: steady(t), grants: map[string]string{}}
	g.readers = []migration.Reader{{Principal: role("app"), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}
	if _, _, err := g.worker("hub").Order(t.Context(), g.asked("n-1")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]migration.Known{{Principal: role("app"), Seen: true}}, g.job(t).Readers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who is notified of a move gets the line for the code where a tool is known that made the secret.
func TestANoticeOfAMoveHasTheLineForTheCode(t *testing.T) {
	for tool, want := range map[string]string{"": "", "terraform": migration.CodeLine("terraform", cmk("new", region).ARN)} {
		w := begun(t, func(j *migration.Job) { j.Tool = tool })
		if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
			t.Fatal(err)
		}
		if len(w.notices) != 1 || w.notices[0].Move.Code != want || w.notices[0].Move.Key != cmk("new", region).ARN {
			t.Errorf("%q: notices %+v", tool, w.notices)
		}
	}
}

// Status says of a secret that nobody looked at, or that is not moved yet, what its job says.
func TestStatusSaysWhatTheJobSaysWhereNothingElseIsKnown(t *testing.T) {
	observed, planned := job(migration.Observing), job(migration.Planned)
	observed.Reason, planned.Reason = "observing its readers", "outside the change windows"
	for reason, c := range map[string]struct {
		job  migration.Job
		seen map[string]guard.Secret
	}{
		"observing its readers":      {observed, nil},
		"outside the change windows": {planned, map[string]guard.Secret{arn("db"): secret("db", managed())}},
	} {
		got := migration.Summarize([]migration.Job{c.job}, c.seen).Waiting
		if len(got) != 1 || got[0].Reason != reason || got[0].Phase != c.job.Phase {
			t.Errorf("%+v, want %q", got, reason)
		}
	}
}

// What a worker writes down of a change says what was found, and the job forgets what has come to its end.
func TestAJobForgetsWhatHasCome(t *testing.T) {
	w := steady(t)
	w.silent = true
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	if j := w.job(t); j.Phase != migration.Failed || j.Pending != nil {
		t.Errorf("failed: %s, pending %+v", j.Phase, j.Pending)
	}
	w = begun(t, func(j *migration.Job) { inPhase(migration.Sealing)(j); j.FirstNewAt = now })
	w.setKey(cmk("new", region).ARN)
	w.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Sealed || !j.SealedAt.Equal(now) {
		t.Errorf("sealed: %s at %s, error %v", j.Phase, j.SealedAt, err)
	}
}

// Between two looks at a change the machine waits, since AWS shows it late.
func TestLooksAreTwoSecondsApart(t *testing.T) {
	for sentence, act := range map[string]func(*fake, *migration.Engine) error{
		"after the key was set": func(w *fake, e *migration.Engine) error {
			_, _, err := e.Advance(t.Context(), w.secret.ARN)
			return err
		},
		"after it was set back": func(w *fake, e *migration.Engine) error {
			w.silent = false
			if _, _, err := w.worker("w").Advance(t.Context(), w.secret.ARN); err != nil {
				return err
			}
			w.secret.VersionsUnread = true
			_, err := e.Rollback(t.Context(), w.secret.ARN, "why")
			if err == nil || !strings.Contains(err.Error(), "not proven") {
				return fmt.Errorf("rollback: %w", err)
			}
			return nil
		},
	} {
		w := begun(t, inPhase(migration.Planned))
		w.silent = true
		e := w.worker("sweep")
		var slept []time.Duration
		e.Sleep = func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil }
		if err := act(w, e); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]time.Duration{2 * time.Second, 2 * time.Second}, slept); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// A notice that was stored before its answer, and whose worker died, says whether anything was begun.
func TestANoticeOfAWorkerThatDiedSaysWhatIsKnown(t *testing.T) {
	for sentence, c := range map[string]struct {
		back    bool
		problem string
	}{
		"going back was begun": {true, "; whether that came to its end is not known: doublelock migrate status says it"},
		"nothing was to do":    {false, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			rules := migration.Defaults()
			rules.AutoRollback = c.back
			g := movedUnder(t, rules)
			saves := 0
			g.trouble = func(at string) error {
				if at == "before Save" {
					saves++
				}
				if saves > 2 { // the denied read and the notice are stored
					panic(errDied)
				}
				return nil
			}
			killed(t, func() { _, _ = g.refuse(t, "app", "e-1") })
			g.trouble = func(string) error { return nil }
			g.patiently(t, func() error { _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); return err })
			if len(g.fake.notices) == 0 || g.fake.notices[0].Kind != guard.NoticeReaderLost || g.fake.notices[0].Move.Reader.Problem != c.problem {
				t.Errorf("notices %+v", g.fake.notices)
			}
		})
	}
}
