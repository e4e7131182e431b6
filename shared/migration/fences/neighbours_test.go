package fences_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

const away = "444455556666" // the account of what is in trouble

// joinAway makes that account, with a key of its own.
func (w *world) joinAway() (key string) {
	w.Helper()
	w.aws.AddAccount("", away, "away")
	for _, role := range []string{settings.RoleRead, settings.RoleTag, settings.RoleChange} {
		w.aws.AddRole(away, role, trustOfHub, everything)
	}
	made := w.service(away, "kms", "CreateKey", map[string]any{})
	metadata, _ := made["KeyMetadata"].(map[string]any)
	key, _ = metadata["Arn"].(string)
	return key
}

// troubles are what can be wrong with one secret and its account.
func troubles(w *world, bad migration.Item) map[string]func() {
	refuse := func(code string) func() {
		return func() {
			w.aws.Lock()
			defer w.aws.Unlock()
			w.aws.Options.Faults.Refuse = func(c *core.Call) error {
				if c.Service == "secretsmanager" && c.Caller.Account == away && bytes.Contains(c.Input, []byte(bad.Secret)) {
					return &core.Error{Code: code, Message: "no"}
				}
				return nil
			}
		}
	}
	return map[string]func(){
		"its account is gone": func() {
			for _, role := range []string{settings.RoleRead, settings.RoleTag, settings.RoleChange} {
				w.aws.AddRole(away, role, `{"Version":"2012-10-17","Statement":[]}`)
			}
		},
		"it is deleted": func() {
			w.service(away, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": bad.Secret, "ForceDeleteWithoutRecovery": true})
		},
		"its deletion is scheduled": func() {
			w.service(away, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": bad.Secret, "RecoveryWindowInDays": 7})
		},
		"its row cannot be read": func() {
			w.service(hub, "dynamodb", "PutItem", map[string]any{"TableName": settings.HubName, "Item": map[string]any{"pk": map[string]any{"S": "document#migration#" + away},
				"sk": map[string]any{"S": bad.Secret}, "revision": map[string]any{"N": "9"}, "body": map[string]any{"S": `{"phase":7`}}})
		},
		"it may not be looked at":  refuse("AccessDeniedException"),
		"it is throttled for ever": refuse("ThrottlingException"),
	}
}

// machine is who visits several secrets, one after the other.
type machine struct {
	prepare func(t *testing.T, w *world, i migration.Item)
	run     func(t *testing.T, w *world, items []migration.Item)
	done    func(w *world, j migration.Job, i migration.Item) bool // of a neighbour
}

func sweeps(t *testing.T, w *world, _ []migration.Item) {
	t.Helper()
	visits := &sweep.Migrations{Engine: w.worker("sweep", w.url, 0).Engine, Concurrency: 1, PerJob: 5 * time.Second, Log: slog.New(slog.DiscardHandler)}
	if err := visits.Advance(t.Context()); err != nil {
		t.Errorf("the sweep failed: %v", err)
	}
}

func machines() map[string]machine {
	observing := func(t *testing.T, w *world, i migration.Item) {
		start(t, w, i)
		must(t, advance(t, w.worker("first", w.url, 0), i))
	}
	return map[string]machine{
		"apply": {start, sweeps, func(_ *world, j migration.Job, _ migration.Item) bool { return j.Phase == migration.Observing }},
		"seal": {visits[2].prepare, sweeps, func(w *world, j migration.Job, i migration.Item) bool {
			return (j.Phase == migration.Sealing || j.Phase == migration.Sealed) && calls(w.changesOf(i.Secret), "RotateSecret") > 0
		}},
		"rollback": {func(t *testing.T, w *world, i migration.Item) { // which was asked for by who may not do it
			observing(t, w, i)
			person := w.worker("person", w.url, 0)
			person.Enter = func(context.Context, string) error { return guard.ErrNotOurs }
			if _, err := person.Rollback(t.Context(), i.Secret, "the app broke"); err == nil {
				t.Fatal("a person who may not went back")
			}
		}, sweeps, func(_ *world, j migration.Job, _ migration.Item) bool { return j.Phase == migration.RolledBack }},
		"watchdog": {observing, func(t *testing.T, w *world, items []migration.Item) {
			t.Helper()
			e := w.worker("watchdog", w.url, 0)
			reads := watchdog.Migrations{Engine: e.Engine, Secrets: secrets.New(e.c), Log: slog.New(slog.DiscardHandler)}
			for _, i := range items {
				app := "arn:aws:sts::" + i.Account + ":assumed-role/app/i-1"
				err := reads.DeniedRead(t.Context(), trail.Change{Kind: trail.DeniedRead, EventID: "event of " + i.Name, EventSource: "secretsmanager.amazonaws.com", EventName: "GetSecretValue", ErrorCode: "AccessDenied",
					Account: i.Account, Region: region, Time: w.clock(), Secret: guard.SecretRef{Account: i.Account, Region: region, ID: i.Secret}, Key: guard.KeyRef{ID: i.Target},
					Actor: trail.Actor{Type: "AssumedRole", ARN: app, Account: i.Account}})
				if err != nil && i.Account != away {
					t.Errorf("%s: %v", i.Name, err)
				}
			}
		}, func(_ *world, j migration.Job, _ migration.Item) bool { return j.Phase == migration.RolledBack }},
	}
}

// Whatever is wrong with one secret, whoever visits it: its neighbours, before it and behind it, come to where they can go, and
// of it people get to know.
func TestOneStuckJobFailsNoneOfItsNeighbours(t *testing.T) {
	for name, m := range machines() {
		for wrong := range troubles(nil, migration.Item{}) {
			t.Run(name+"/"+wrong, func(t *testing.T) {
				w := newWorld(t)
				key := w.joinAway()
				one, bad, two := w.secret(), w.secretIn(away), w.secret()
				bad.Target = key
				items := []migration.Item{one, bad, two}
				for i := range items {
					items[i].Readers = []migration.Reader{{Principal: "arn:aws:iam::" + items[i].Account + ":role/app", Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}
					m.prepare(t, w, items[i])
				}
				troubles(w, bad)[wrong]()
				m.run(t, w, items)
				look := w.worker("look", w.url, 0)
				for _, i := range []migration.Item{one, two} {
					if j := w.job(t, look, i.Secret); !m.done(w, j, i) {
						t.Errorf("a neighbour is %s (%s)", j.Phase, j.Reason)
					}
				}
				if wrong == "its row cannot be read" {
					if _, unread, err := migration.All(t.Context(), look.Store); err != nil || len(unread) != 1 || unread[0].ID != bad.Secret {
						t.Errorf("it is not among the rows that cannot be read: %v, %v", unread, err)
					}
					return
				}
				j := w.job(t, look, bad.Secret)
				known := j.Stuck != nil || j.Phase == migration.Failed || j.Phase == migration.Blocked || len(j.Refusals) > 0 || len(j.Denials) > 0
				nobody := name == "watchdog" && slices.Contains([]string{"it is deleted", "its deletion is scheduled"}, wrong) // nobody reads it
				if m.done(w, j, bad) || !known && !nobody {
					t.Errorf("it is %s (%s), stuck %+v, %d denied reads", j.Phase, j.Reason, j.Stuck, len(j.Refusals)+len(j.Denials))
				}
			})
		}
	}
}
