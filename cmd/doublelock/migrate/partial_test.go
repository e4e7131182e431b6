package migrate_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// trouble is what can be wrong with one secret, or its account, while its neighbours are well.
type trouble struct {
	begin func(f *fixture, bad string)
	calls func(c *core.Call, bad string) error // what AWS answers; nil: as ever
	job   bool                                 // it is about the job: there is none before one was begun
}

// troubles are those of a secret in the account Payments; its neighbours are in Search.
func troubles() map[string]trouble {
	about := func(c *core.Call, bad string) bool {
		return c.Service == "secretsmanager" && bytes.Contains(c.Input, []byte(bad)) && c.Caller.Account == local.Payments
	}
	return map[string]trouble{
		"its account is gone": {begin: func(f *fixture, _ string) {
			for _, role := range []string{settings.RoleRead, settings.RoleChange, settings.RoleTag} {
				f.AWS.AddRole(local.Payments, role, `{"Version":"2012-10-17","Statement":[]}`)
			}
		}},
		"it is deleted": {begin: func(f *fixture, bad string) {
			f.service("DeleteSecret", map[string]any{"SecretId": bad, "ForceDeleteWithoutRecovery": true})
		}},
		"its deletion is scheduled": {begin: func(f *fixture, bad string) {
			f.service("DeleteSecret", map[string]any{"SecretId": bad, "RecoveryWindowInDays": 7})
		}},
		"its row cannot be read": {job: true, begin: func(f *fixture, bad string) {
			localtest.Call(f.T, f.Organization, local.Hub, f.Home(), "dynamodb", "PutItem", map[string]any{"TableName": settings.HubName, "Item": map[string]any{
				"pk": map[string]any{"S": "document#migration#" + local.Payments}, "sk": map[string]any{"S": bad}, "revision": map[string]any{"N": "9"}, "body": map[string]any{"S": `{"phase":7`}}})
		}},
		"it may not be looked at": {calls: func(c *core.Call, bad string) error {
			if about(c, bad) {
				return &core.Error{Code: "AccessDeniedException", Message: "no", Status: 400}
			}
			return nil
		}},
		"it is throttled for ever": {calls: func(c *core.Call, bad string) error {
			if about(c, bad) {
				return &core.Error{Code: "ThrottlingException", Message: "no", Status: 400}
			}
			return nil
		}},
	}
}

func (f *fixture) service(operation string, in map[string]any) {
	f.Helper()
	localtest.Call(f.T, f.Organization, local.Payments, f.Home(), "secretsmanager", operation, in)
}

// begin has the trouble begin.
func (f *fixture) begin(what trouble, bad string) {
	f.Helper()
	if what.begin != nil {
		what.begin(f, bad)
	}
	if what.calls != nil {
		f.AWS.Lock()
		f.AWS.Options.Faults.Refuse = func(c *core.Call) error { return what.calls(c, bad) }
		f.AWS.Unlock()
	}
}

// planned makes a bad secret between two that are well, and plans them.
func (f *fixture) planned() (one, bad, two string) {
	f.Helper()
	one, two = f.secret("a/one"), f.secret("z/two")
	made := localtest.Call(f.T, f.Organization, local.Payments, f.Home(), "secretsmanager", "CreateSecret",
		map[string]any{"Name": "m/bad", "SecretString": "x", "Tags": []map[string]string{{"Key": "environment", "Value": "dev"}}})
	bad, _ = made["ARN"].(string)
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", one, "--secret", bad, "--secret", two)
	return one, bad, two
}

// row is what a run says of a secret.
type row struct{ Secret, Command, Reason, Problem, Phase, Error string }

// rows are those of a run, by secret.
func (f *fixture) rows(code int, args ...string) map[string]row {
	f.Helper()
	out, complaints, got := f.run(append(args, "-o", "json")...)
	var printed struct{ Secrets []row }
	if err := json.Unmarshal([]byte(out), &printed); err != nil || got != code {
		f.Fatalf("%v: exit %d, want %d: %v\n%s%s", args, got, code, err, out, complaints)
	}
	rows := map[string]row{}
	for _, r := range printed.Secrets {
		rows[r.Secret] = r
	}
	return rows
}

// Before anything was begun: plan, dry run and apply name the bad secret with its reason, and go on with the others.
func TestOneBadSecretOfAPlanIsARowAndItsNeighboursGoOn(t *testing.T) {
	for name, what := range troubles() {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			one, bad, two := f.planned()
			f.begin(what, bad)
			dry := f.rows(2, "migrate", "apply", f.file, "--dry-run")
			for _, well := range []string{one, two} {
				if dry[well].Command == "" || dry[well].Problem != "" {
					t.Errorf("the dry run of a neighbour: %+v", dry[well])
				}
			}
			if r := dry[bad]; r.Command != "" || r.Problem == "" || !strings.Contains(r.Reason, r.Problem) {
				t.Errorf("the dry run: %+v", r)
			}
			done := f.rows(2, "migrate", "apply", f.file)
			for _, well := range []string{one, two} {
				if done[well].Phase != string(migration.Observing) || done[well].Problem != "" || f.describe(well).Key.Manager != guard.ManagerCustomer {
					t.Errorf("a neighbour: %+v", done[well])
				}
			}
			if r := done[bad]; r.Problem == "" {
				t.Errorf("it is %+v", r)
			}
			if what.job { // that stands in no plan
				return
			}
			again := []string{"migrate", "plan", "--out", "-", "--secret", one, "--secret", bad}
			out, complaints, code := f.run(again...)
			p, err := migration.LoadPlan(strings.NewReader(out))
			if err != nil || p.ID == "" || !strings.Contains(complaints, "m/bad") && !strings.Contains(complaints, bad) {
				t.Fatalf("planned again: %v\n%s%s", err, out, complaints)
			}
			partial := len(p.Missing()) > 0 || len(p.Items) == 2
			if want := map[bool]int{true: 2, false: 0}[partial]; code != want || len(p.Items)+len(p.Outside) != 2 || !p.Items[0].Safe() {
				t.Errorf("planned again: exit %d, want %d: items %+v, outside %+v", code, want, p.Items, p.Outside)
			}
		})
	}
}

// After all were begun: a dry run, another apply, and the way back.
func TestOneBadSecretHoldsUpNoWayBackOfItsNeighbours(t *testing.T) {
	for name, what := range troubles() {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			one, bad, two := f.planned()
			f.expect(0, "observing", "migrate", "apply", f.file)
			f.Clock.Advance(11 * time.Minute)
			f.begin(what, bad)
			dry := f.rows(2, "migrate", "apply", f.file, "--dry-run")
			if r := dry[bad]; r.Command != "" || r.Reason == "" {
				t.Errorf("the dry run: %+v", r)
			}
			for _, well := range []string{one, two} {
				if dry[well].Problem != "" {
					t.Errorf("the dry run of a neighbour: %+v", dry[well])
				}
			}
			back := []string{"migrate", "rollback", "--wave", "dev", "--reason", "the app broke"}
			dry = f.rows(2, append(back, "--dry-run")...)
			for _, well := range []string{one, two} {
				if !strings.Contains(dry[well].Command, "--kms-key-id ''") {
					t.Errorf("the dry run of the way back of a neighbour: %+v", dry[well])
				}
			}
			if r := dry[bad]; r.Command != "" || r.Reason == "" {
				t.Errorf("the dry run of the way back: %+v", r)
			}
			done := f.rows(2, back...)
			for _, well := range []string{one, two} {
				if done[well].Phase != string(migration.RolledBack) || f.describe(well).Key.Manager != guard.ManagerAWS {
					t.Errorf("a neighbour: %+v", done[well])
				}
			}
			if r := done[bad]; r.Error == "" {
				t.Errorf("the way back: %+v", r)
			}
		})
	}
}
