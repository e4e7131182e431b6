package migration_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// seen is the secret as a sweep describes it.
func (w *fake) seen(t *testing.T) guard.Secret {
	t.Helper()
	s, err := w.Describe(t.Context(), guard.SecretRef{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARestingJobIsComparedWithItsSecretAndADifferenceIsSaidOnce(t *testing.T) {
	sealed := func(t *testing.T, w *fake) {
		w.secret.RotationEnabled = false
		if err := w.apply(t); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(25 * time.Hour)
		for range 4 {
			w.write()
			if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Hour)
		}
		if j := w.job(t); j.Phase != migration.Sealed {
			t.Fatalf("%s (%s)", j.Phase, j.Reason)
		}
	}
	back := func(t *testing.T, w *fake) {
		if err := w.apply(t); err != nil {
			t.Fatal(err)
		}
		if _, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke"); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		rest func(*testing.T, *fake)
		then func(*fake)
		want string // "": nothing is said
	}{
		"sealed, and as it was left":               {sealed, func(*fake) {}, ""},
		"sealed, and moved back":                   {sealed, func(w *fake) { w.setKey("") }, "it was sealed under " + cmk("new", region).ARN + ", and is under the AWS managed key now"},
		"sealed, and its key cannot be read":       {sealed, func(w *fake) { w.secret.Key = guard.Key{} }, ""},
		"sealed, and an older version is labelled": {sealed, func(w *fake) { w.secret.Versions[0].Stages = []string{"AWSCURRENT"} }, "a label was moved to an older version"},
		"set back, and as it was left":             {back, func(*fake) {}, ""},
		"set back, and under the new key again":    {back, func(w *fake) { w.setKey(cmk("new", region).ARN) }, "and is under " + cmk("new", region).ARN + " again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			tt.rest(t, w)
			tt.then(w)
			before, changes := len(w.notices), len(w.changes)
			s := w.seen(t)
			w.trouble = func(call string) error {
				if tt.want == "" {
					t.Errorf("%s, though nothing differs", call)
				}
				return nil
			}
			for range 3 { // sweeps
				if err := w.worker("sweep").Compare(t.Context(), w.job(t), s); err != nil {
					t.Fatal(err)
				}
			}
			sent := w.notices[before:]
			if tt.want == "" && len(sent) > 0 || tt.want != "" && (len(sent) != 1 || sent[0].Kind != guard.NoticeAttention || !strings.Contains(sent[0].Move.Reason, tt.want)) {
				t.Errorf("notices %+v", sent)
			}
			if len(w.changes) != changes {
				t.Errorf("changed %v", w.changes[changes:])
			}
		})
	}
}

// What is right again may differ again.
func TestADifferenceThatIsGoneIsForgotten(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	if _, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke"); err != nil {
		t.Fatal(err)
	}
	before := len(w.notices)
	for _, key := range []string{cmk("new", region).ARN, "", cmk("new", region).ARN} {
		w.now = w.now.Add(time.Hour)
		w.setKey(key)
		if err := w.worker("sweep").Compare(t.Context(), w.job(t), w.seen(t)); err != nil {
			t.Fatal(err)
		}
	}
	if sent := w.notices[before:]; len(sent) != 2 || sent[0].ID == sent[1].ID {
		t.Errorf("notices %+v", sent)
	}
}

// A job that somebody moved since it was listed is not compared with what was seen before.
func TestAJobThatMovedSinceIsNotCompared(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	if _, err := w.worker("back").Rollback(context.Background(), w.secret.ARN, "the app broke"); err != nil {
		t.Fatal(err)
	}
	listed := w.job(t)
	w.setKey(cmk("new", region).ARN)
	if _, err := w.worker("w1").Start(t.Context(), w.item(), "another plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	before := len(w.notices)
	if err := w.worker("sweep").Compare(t.Context(), listed, w.seen(t)); err != nil || len(w.notices) != before {
		t.Errorf("error %v, notices %+v", err, slices.Clone(w.notices[before:]))
	}
}

// A person writes the key by its ARN that an alias had named: it is the key that the secret had.
func TestTheSameKeyByAnotherNameIsNoDifference(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	old := cmk("old", region)
	w.edit(t, func(j *migration.Job) {
		j.Phase, j.Reason, j.Before.KeyID, j.Before.KeyARN = migration.Failed, "going back was refused", alias, old.ARN
	})
	for key, differs := range map[string]bool{old.ARN: false, cmk("third", region).ARN: true} {
		s := w.seen(t)
		s.KeyID, s.Key.ARN = key, key
		if err := w.worker("sweep").Compare(t.Context(), w.job(t), s); err != nil || (w.job(t).Differs != "") != differs {
			t.Errorf("%s: %q, error %v", key, w.job(t).Differs, err)
		}
	}
}
