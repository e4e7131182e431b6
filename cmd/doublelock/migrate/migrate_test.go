package migrate_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/world"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/world/worldtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/migration"
)

// yard is the demo's organization and the command line of somebody who may change secrets in it.
type yard struct {
	*testing.T
	*world.World
	file string
}

func newYard(t *testing.T) *yard {
	t.Helper()
	w := worldtest.New(t)
	y := &yard{T: t, World: w, file: filepath.Join(t.TempDir(), "plan.json")}
	y.become("remediate")
	return y
}

// become gives the command line the environment and credentials of a function of the hub.
func (y *yard) become(function string) {
	y.Helper()
	worldtest.ActAsFunction(y.T, y.World, function)
}

// own gives it the credentials of somebody of an account, and nothing else.
func (y *yard) own(account, who string) {
	y.Helper()
	keys, err := y.AWS.Principal(account, who)
	if err != nil {
		y.Fatal(err)
	}
	y.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	y.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	y.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
}

// run runs the command line and returns what it printed and its exit code.
func (y *yard) run(args ...string) (stdout, stderr string, code int) {
	y.Helper()
	return commandtest.Line{New: migrate.New, Now: y.Clock.Now}.Run(y.T, args...)
}

// expect runs it and holds exit code and output to what is said.
func (y *yard) expect(code int, contains string, args ...string) string {
	y.Helper()
	out, complaints, got := y.run(args...)
	if got != code || !strings.Contains(out+complaints, contains) {
		y.Fatalf("%v: exit %d, want %d with %q\n%s%s", args, got, code, contains, out, complaints)
	}
	return out
}

func (y *yard) secret(name string) string {
	y.Helper()
	people, _, err := y.Workload(y.Context(), world.By("terraform", world.Search, world.Virginia))
	if err != nil {
		y.Fatal(err)
	}
	arn, err := people.Create(y.Context(), secrets.NewSecret{Name: name, Tags: map[string]string{"environment": "dev"}})
	if err != nil {
		y.Fatal(err)
	}
	return arn
}

func TestMigrateTakesASecretFromDefaultToSealedAndAnotherBack(t *testing.T) {
	y := newYard(t)
	arn := y.secret("search/index")
	y.expect(0, "safe", "migrate", "plan", "--out", y.file, "--secret", arn)
	y.expect(0, "keeps", "migrate", "show", y.file)
	y.expect(0, "secretsmanager UpdateSecret --secret-id "+arn, "migrate", "apply", y.file, "--dry-run")
	y.expect(0, "observing", "migrate", "apply", y.file)
	y.expect(0, "observing", "migrate", "apply", y.file) // again: nothing more to do yet
	y.Clock.Advance(25 * time.Hour)
	y.expect(0, "waiting for its owner to write a new version", "migrate", "apply", y.file)

	y.own(world.Search, "role/terraform/terraform")
	y.expect(0, "AWSPREVIOUS still opens", "migrate", "seal", arn)
	y.become("remediate")
	y.expect(0, "AWSPREVIOUS still opens", "migrate", "apply", y.file)
	y.Clock.Advance(11 * time.Minute)
	y.own(world.Search, "role/terraform/terraform")
	y.expect(0, "sealed: every labelled version", "migrate", "seal", arn)
	y.expect(0, "sealed already", "migrate", "seal", arn)
	y.become("remediate")
	y.expect(0, "sealed", "migrate", "apply", y.file)

	var status migration.Summary
	if err := json.Unmarshal([]byte(y.expect(0, "", "migrate", "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Rows) != 1 || status.Rows[0].Sealed != 1 || status.Rows[0].Wave != migration.Development {
		t.Errorf("status %+v", status)
	}
	y.expect(1, "say why", "migrate", "rollback", "--secret", arn)
	y.expect(0, "--kms-key-id \"\"", "migrate", "rollback", "--secret", arn, "--reason", "the app broke", "--dry-run")
	y.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	y.expect(1, "nothing that could be set back", "migrate", "rollback", "--secret", arn, "--reason", "again")
}

func TestApplyRefusesAPlanWhoseFactsChanged(t *testing.T) {
	y := newYard(t)
	arn := y.secret("search/index")
	y.expect(0, "safe", "migrate", "plan", "--out", y.file, "--secret", arn)
	people, _, err := y.Workload(y.Context(), world.By("terraform", world.Search, world.Virginia))
	if err != nil {
		t.Fatal(err)
	}
	if err := people.PutValue(context.Background(), arn, ""); err != nil {
		t.Fatal(err)
	}
	y.expect(2, "changed: search/index: versions of the secret", "migrate", "apply", y.file)
	y.expect(0, "WAVE", "migrate", "status")
}

func TestAPlanThatBreaksAReaderIsFindings(t *testing.T) {
	y := newYard(t)
	arn := y.secret("search/index")
	y.AWS.AddRole(world.Search, "legacy", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"},{"Effect":"Deny","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:444444444444:key/*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/doublelock/secrets"}}}]}`)
	y.expect(2, "legacy would lose access", "migrate", "plan", "--out", y.file, "--secret", arn)
	y.expect(2, "blocked", "migrate", "apply", y.file)
	y.expect(0, "security search/index (blocked)", "migrate", "status")
	y.expect(0, "safe", "migrate", "plan", "--out", y.file, "--secret", arn, "--accept", "arn:aws:iam::444444444444:role/legacy")
	y.expect(0, "observing", "migrate", "apply", y.file)
}
