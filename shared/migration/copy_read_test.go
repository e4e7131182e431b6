package migration_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

// single is a store of a single job, found by its secret.
type single struct{ *memory }

func (s single) Load(ctx context.Context, group, id string) (store.Document, error) {
	if s.doc.Revision > 0 && s.doc.ID != id {
		return store.Document{}, nil
	}
	return s.memory.Load(ctx, group, id)
}

func (s single) Groups(context.Context) ([]string, error) { return []string{s.doc.Group}, nil }

func (s single) List(_ context.Context, _ string, yield func(store.Document, *store.Unreadable) error) error {
	return yield(s.doc, nil)
}

// watching remembers at what was looked and of what was notified.
type watching struct {
	refusing

	looked  []guard.SecretRef
	notices []guard.Notice
}

func (w *watching) Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error) {
	w.looked = append(w.looked, ref)
	return w.refusing.Describe(ctx, ref)
}

func (w *watching) Publish(_ context.Context, notices []guard.Notice) error {
	w.notices = append(w.notices, notices...)
	return nil
}

// A copy has a key of its own. Who cannot read the copy any more is found with the job of its primary, and what keeps it out is
// looked for where it reads.
func TestADeniedReadOfACopyIsAnsweredByTheJobOfItsPrimary(t *testing.T) {
	for name, tt := range map[string]struct {
		copies []migration.ReplicaTo
		newAt  time.Time // when the first version came that is under the new key alone
		by     migration.Lock
		want   migration.Answer
	}{
		"a copy whose key was set":             {copies: []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN, Moved: now}}, newAt: now, by: migration.LockKey, want: migration.AnswerPage},
		"a copy that was made again":           {copies: []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN, Removed: now}}, newAt: now, by: migration.LockKey, want: migration.AnswerPage},
		"which lock it was is looked up there": {copies: []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN, Moved: now}}, newAt: now, want: migration.AnswerPage},
		"a copy that is under its old key":     {copies: []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN}}, newAt: now, by: migration.LockKey, want: migration.AnswerNone},
		"a copy that the job leaves alone":     {newAt: now, by: migration.LockKey, want: migration.AnswerNone},
	} {
		t.Run(name, func(t *testing.T) {
			kept := single{&memory{lists: map[string]map[string]json.RawMessage{}}}
			jobs := migration.NewStore(kept, kept)
			j := job(migration.Sealing)
			j.RekeyedAt, j.FirstNewAt, j.Copies = now, tt.newAt, tt.copies
			j.Readers = []migration.Known{{Principal: role("app"), Seen: true}}
			if err := jobs.Save(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			seen, rules, clock := &watching{}, migration.Defaults(), now.Add(time.Minute)
			rules.AutoGrant = true // of which a copy has none
			e := &migration.Engine{Secrets: seen, Store: jobs, Preflight: seen, Bus: seen, Rules: rules, By: "test", Now: func() time.Time { return clock },
				Effects: &store.Effects{Intents: storetest.NewIntents(), Worker: "w", Now: func() time.Time { return clock }}}

			copied := guard.SecretRef{Account: j.Account, Region: other, ID: strings.Replace(j.Secret, ":"+region+":", ":"+other+":", 1)}
			moved := len(tt.copies) > 0 && tt.want != migration.AnswerNone
			for _, ref := range []guard.SecretRef{copied, {Account: j.Account, Region: other, ID: j.Name}} {
				want := map[bool]string{true: j.Secret}[moved]
				if found, err := e.Find(t.Context(), ref); err != nil || found != want {
					t.Errorf("%s is %q, want %q; error %v", ref.ID, found, want, err)
				}
			}
			answer, err := e.Refused(t.Context(), j.Secret, migration.Refused{Principal: role("app"), EventID: "e-1", At: clock, By: tt.by, Region: other, Read: true})
			if err != nil || answer != tt.want {
				t.Fatalf("answer %q, want %q; error %v", answer, tt.want, err)
			}
			if !moved {
				return
			}
			if !slices.Contains(seen.looked, copied) {
				t.Errorf("looked at %v, not at the copy", seen.looked)
			}
			var rights []string
			for _, n := range seen.notices {
				rights = append(rights, n.Move.Reader.Right)
			}
			if diff := cmp.Diff([]string{"kms:Decrypt on " + cmk("far", other).ARN}, rights); diff != "" {
				t.Errorf("rights that it lacks (-want +got):\n%s", diff)
			}
		})
	}
}
