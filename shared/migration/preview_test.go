package migration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// What would be done next is found as it would be done, and nothing is.
func TestAPreviewSaysTheNextCallAndMakesNone(t *testing.T) {
	target := cmk("new", region)
	update := awscli.OnSecret("update-secret", arn("db"), "--kms-key-id", target.ARN)
	under := func(w *fake) { w.setKey(target.ARN) }
	sealed := func(w *fake) { under(w); w.secret.Versions[0].Keys = []guard.Key{target} }
	for sentence, c := range map[string]struct {
		job      func(*migration.Job)
		world    func(*fake)
		action   migration.Action
		phase    migration.Phase
		reason   string
		commands []string
	}{
		"the key is set":                              {nil, nil, migration.DoRekey, "", "every reader keeps access", []string{update}},
		"a reader would lose":                         {nil, func(w *fake) { w.lose = true }, migration.DoMove, migration.Blocked, "would lose access", nil},
		"it is under the key":                         {nil, under, migration.DoWait, "", "observing its readers", nil},
		"its hours are over":                          {func(j *migration.Job) { inPhase(migration.Observing)(j); j.RekeyedAt = now.Add(-48 * time.Hour) }, under, migration.DoAsk, "", "waiting for its owner", nil},
		"its hours were over before it was looked at": {func(j *migration.Job) { inPhase(migration.Rekeyed)(j); j.RekeyedAt = now.Add(-48 * time.Hour) }, under, migration.DoAsk, "", "waiting for its owner", nil},
		"it is sealed":                                {func(j *migration.Job) { inPhase(migration.Sealing)(j) }, sealed, migration.DoMove, migration.Sealed, "opens with the new key alone", nil},
		"it is rotated":                               {func(j *migration.Job) { inPhase(migration.Sealing)(j); j.Seal = migration.SealRotate }, under, migration.DoRotate, "", "a rotation", []string{awscli.OnSecret("rotate-secret", arn("db"), "--rotate-immediately")}},
		"the change was begun": {func(j *migration.Job) {
			inPhase(migration.Planned)(j)
			j.Before = &migration.Before{}
			j.Pending = &migration.Pending{Action: migration.DoRekey, At: now}
		}, nil, migration.DoRekey, "", "begun, and not made", []string{update}},
		"going back was begun": {func(j *migration.Job) {
			inPhase(migration.Observing)(j)
			j.Before = &migration.Before{KeyID: "alias/was"}
			j.Pending = &migration.Pending{Action: "rollback", At: now}
		}, under, "rollback", "", "going back was begun", []string{awscli.OnSecret("update-secret", arn("db"), "--kms-key-id", "alias/was")}},
		"the hour is used up": {nil, func(w *fake) { names, _ := migration.HourNames(now, shop); w.counts[names[0]] = 20 }, migration.DoWait, "", "the 20 changes that an hour allows", nil},
		"one is left of it":   {nil, func(w *fake) { names, _ := migration.HourNames(now, shop); w.counts[names[0]] = 19 }, migration.DoRekey, "", "every reader keeps access", []string{update}},
		"what was begun is free": {func(j *migration.Job) {
			inPhase(migration.Planned)(j)
			j.Before = &migration.Before{}
			j.Pending = &migration.Pending{Action: migration.DoRekey, At: now}
		}, func(w *fake) { names, _ := migration.HourNames(now, shop); w.counts[names[0]] = 20 }, migration.DoRekey, "", "begun, and not made", []string{update}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := steady(t)
			if c.job != nil {
				w = begun(t, c.job)
			}
			if c.world != nil {
				c.world(w)
			}
			revision, counts := w.revision, len(w.counts)
			j, step, err := w.worker("w").Preview().Next(t.Context(), w.item(), "plan", migration.Defaults())
			if err != nil || step.Action != c.action || step.Phase != c.phase || !strings.Contains(step.Reason, c.reason) {
				t.Errorf("%+v, error %v", step, err)
			}
			if diff := cmp.Diff(c.commands, step.Commands(j)); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if len(w.changes) > 0 || w.revision != revision || len(w.counts) != counts || len(w.entries) > 0 || len(w.notices) > 0 {
				t.Errorf("changed %v, revision %d, counted %v, journal %+v, notices %+v", w.changes, w.revision, w.counts, w.entries, w.notices)
			}
		})
	}
}

// The items of a preview share the hour, in their order.
func TestAPreviewCountsWhatItWouldTake(t *testing.T) {
	w := steady(t)
	names, _ := migration.HourNames(now, shop)
	w.counts[names[0]] = 18
	p := w.worker("w").Preview()
	var got []migration.Action
	for range 3 {
		_, step, err := p.Next(t.Context(), w.item(), "plan", migration.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, step.Action)
	}
	if diff := cmp.Diff([]migration.Action{migration.DoRekey, migration.DoRekey, migration.DoWait}, got); diff != "" || w.counts[names[0]] != 18 {
		t.Errorf("counted %d (-want +got):\n%s", w.counts[names[0]], diff)
	}
}

func TestAPreviewSaysWhoIsAtTheSecretAndWhatCannotBeRead(t *testing.T) {
	w := begun(t, func(j *migration.Job) { j.Lease = migration.Lease{By: "older", Until: now.Add(time.Minute)} })
	if _, step, err := w.worker("w").Preview().Next(t.Context(), w.item(), "plan", migration.Defaults()); err != nil || step.Action != migration.DoWait || !strings.Contains(step.Reason, "older") {
		t.Errorf("%+v, error %v", step, err)
	}
	w = steady(t)
	w.refusing("Describe", errDied)
	if _, step, err := w.worker("w").Preview().Next(t.Context(), w.item(), "plan", migration.Defaults()); err == nil {
		t.Errorf("%+v without an error", step)
	}
	g := &granting{fake: steady(t), unknown: errDied}
	if _, step, err := g.worker("w").Preview().Next(t.Context(), g.item(), "plan", migration.Defaults()); err == nil {
		t.Errorf("%+v without an error", step)
	}
}
