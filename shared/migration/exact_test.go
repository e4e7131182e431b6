package migration_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// under is a secret of its owner's own key, named in some way, that was moved to the new one.
func under(t *testing.T, named string) *fake {
	t.Helper()
	w := steady(t)
	old := cmk("old", region)
	w.secret.KeyID, w.secret.Key, w.home = named, old, old.ARN
	for i := range w.secret.Versions {
		w.secret.Versions[i].Keys = []guard.Key{old}
	}
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.visits(t, time.Minute, 1, migration.Observing)
	return w
}

// The alias that named the key before may name another one by now: going back names the key itself.
func TestGoingBackIsToTheKeyAndNotToWhatItsNameMeansNow(t *testing.T) {
	arn := cmk("old", region).ARN
	for named, want := range map[string]string{
		"alias/shop": arn, "arn:aws:kms:" + region + ":" + shop + ":alias/shop": arn, arn: arn, "1234abcd-uuid": "1234abcd-uuid",
	} {
		w := under(t, named)
		job := w.job(t)
		s, err := w.Describe(t.Context(), guard.SecretRef{})
		if err != nil {
			t.Fatal(err)
		}
		if commands := job.BackCommands(s); len(commands) != 1 || !strings.HasSuffix(commands[0], "--kms-key-id "+want) {
			t.Errorf("%s: a dry run says %q", named, commands)
		}
		set := ""
		w.trouble = func(string) error { set = w.secret.KeyID; return nil }
		if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "asked"); want == arn && (err != nil || w.secret.Key.ARN != arn || set != arn) {
			t.Errorf("%s: back under %q, key %s, error %v", named, set, w.secret.Key.ARN, err)
		}
	}
}

// The previous key is set, and a version does not open with it: setting it was begun and did not take, or somebody did it without the
// right. Going back sets it again.
func TestGoingBackSetsTheKeyAgainWhereVersionsDoNotOpenWithIt(t *testing.T) {
	w := under(t, cmk("old", region).ARN)
	w.secret.KeyID, w.secret.Key = cmk("old", region).ARN, cmk("old", region)
	for i := range w.secret.Versions {
		w.secret.Versions[i].Keys = []guard.Key{cmk("new", region)}
	}
	set := count(w.changes, "UpdateSecret")
	w.silent = true // the first time it is accepted, and re-encrypts nothing
	if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "asked"); err == nil || w.job(t).Phase != migration.Failed {
		t.Fatalf("nothing was re-encrypted: %s, %v", w.job(t).Phase, err)
	}
	w.silent = false
	j, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "asked again")
	if err != nil || j.Phase != migration.RolledBack || count(w.changes, "UpdateSecret") != set+2 {
		t.Errorf("%s (%s), changes %v, error %v", j.Phase, j.Reason, w.changes, err)
	}
	for _, v := range w.secret.Versions {
		if !slices.ContainsFunc(v.Keys, cmk("old", region).Same) {
			t.Errorf("version %s opens with %v", v.ID, v.Keys)
		}
	}
}

// Its owner moved it to a third key: no visit takes it away again, nor does going back.
func TestASecretThatItsOwnerMovedToAThirdKeyIsLeftUnderIt(t *testing.T) {
	third := cmk("third", region)
	for name, act := range map[string]func(*fake) error{
		"a visit": func(w *fake) error { _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); return err },
		"going back": func(w *fake) error {
			_, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "asked")
			return err
		},
		"a reader that is refused": func(w *fake) error {
			w.edit(t, func(j *migration.Job) { j.Readers = []migration.Known{{Principal: role("app")}} })
			_, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, migration.Refused{Principal: role("app"), EventID: "e", At: w.now, By: migration.LockKey, Read: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := under(t, cmk("old", region).ARN)
			w.secret.KeyID, w.secret.Key = third.ARN, third
			changes := len(w.changes)
			if err := act(w); err != nil && !errors.Is(err, migration.ErrOvertaken) {
				t.Fatal(err)
			}
			for range 3 {
				w.now = w.now.Add(25 * time.Hour)
				if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
					t.Fatal(err)
				}
			}
			j := w.job(t)
			if j.Phase != migration.Overtaken || !strings.Contains(j.Reason, third.ARN) || len(w.changes) != changes || w.secret.KeyID != third.ARN || j.NeedsVisit() {
				t.Errorf("%s (%s), changes %v, key %s", j.Phase, j.Reason, w.changes[changes:], w.secret.KeyID)
			}
		})
	}
}

// Moved back to the key that it had is not overtaken: that is what code does that names the old key.
func TestASecretThatCodeMovedBackIsNotOvertaken(t *testing.T) {
	w := under(t, cmk("old", region).ARN)
	w.setKey(w.home)
	if j := w.visits(t, time.Hour, 1, migration.Observing); len(j.Flips) != 1 {
		t.Errorf("%s (%s), flips %v", j.Phase, j.Reason, j.Flips)
	}
}

// While one plan has a secret between its locks, another one with another key is refused, by the name of the first.
func TestASecondPlanWithAnotherKeyIsRefusedByTheNameOfTheFirst(t *testing.T) {
	w := under(t, cmk("old", region).ARN)
	other := w.item()
	other.Target = cmk("third", region).ARN
	if _, err := w.worker("w1").Start(t.Context(), other, "another", migration.Defaults()); !errors.Is(err, migration.ErrOtherPlan) || !strings.Contains(err.Error(), "plan plan moves it to "+cmk("new", region).ARN) {
		t.Errorf("%v", err)
	}
	if j := w.job(t); j.Target != cmk("new", region).ARN || j.Plan != "plan" {
		t.Errorf("the job is of plan %s to %s", j.Plan, j.Target)
	}
	if _, err := w.worker("w1").Start(t.Context(), w.item(), "another", migration.Defaults()); err != nil {
		t.Errorf("the same key: %v", err)
	}
	if _, err := w.worker("anna").Rollback(t.Context(), w.secret.ARN, "asked"); err != nil {
		t.Fatal(err)
	}
	if j, err := w.worker("w1").Start(t.Context(), other, "another", migration.Defaults()); err != nil || j.Target != other.Target || j.Phase != migration.Planned {
		t.Errorf("after going back: %s to %s, %v", j.Phase, j.Target, err)
	}
}
