package migrate_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/migration"
)

// fixture is the demo's organization and the command line of somebody who may change secrets in it.
type fixture struct {
	*testing.T
	*local.Organization
	file string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	w := localtest.New(t)
	f := &fixture{T: t, Organization: w, file: filepath.Join(t.TempDir(), "plan.json")}
	f.become("remediate")
	return f
}

// become gives the command line the environment and credentials of a function of the hub.
func (f *fixture) become(function string) {
	f.Helper()
	localtest.ActAsFunction(f.T, f.Organization, function)
}

// own gives it the credentials of somebody of an account, and nothing else.
func (f *fixture) own(account, who string) {
	f.Helper()
	keys, err := f.AWS.Principal(account, who)
	if err != nil {
		f.Fatal(err)
	}
	f.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	f.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	f.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
}

// run runs the command line and returns what it printed and its exit code.
func (f *fixture) run(args ...string) (stdout, stderr string, code int) {
	f.Helper()
	return commandtest.Line{New: migrate.New, Now: f.Clock.Now}.Run(f.T, args...)
}

// expect runs it and holds exit code and output to what is said.
func (f *fixture) expect(code int, contains string, args ...string) string {
	f.Helper()
	out, complaints, got := f.run(args...)
	if got != code || !strings.Contains(out+complaints, contains) {
		f.Fatalf("%v: exit %d, want %d with %q\n%s%s", args, got, code, contains, out, complaints)
	}
	return out
}

func (f *fixture) secret(name string) string {
	f.Helper()
	people, _, err := f.Workload(f.Context(), local.By("terraform", local.Search, local.Virginia))
	if err != nil {
		f.Fatal(err)
	}
	arn, err := people.Create(f.Context(), secrets.NewSecret{Name: name, Tags: map[string]string{"environment": "dev"}})
	if err != nil {
		f.Fatal(err)
	}
	return arn
}

func TestMigrateTakesASecretFromDefaultToSealedAndAnotherBack(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "keeps", "migrate", "show", f.file)
	f.expect(0, "secretsmanager UpdateSecret --secret-id "+arn, "migrate", "apply", f.file, "--dry-run")
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.expect(0, "observing", "migrate", "apply", f.file) // again: nothing more to do yet
	f.Clock.Advance(25 * time.Hour)
	f.expect(0, "waiting for its owner to write a new version", "migrate", "apply", f.file)

	f.own(local.Search, "role/terraform/terraform")
	f.expect(0, "AWSPREVIOUS still opens", "migrate", "seal", arn)
	f.become("remediate")
	f.expect(0, "AWSPREVIOUS still opens", "migrate", "apply", f.file)
	f.Clock.Advance(11 * time.Minute)
	f.own(local.Search, "role/terraform/terraform")
	f.expect(0, "sealed: every labelled version", "migrate", "seal", arn)
	f.expect(0, "sealed already", "migrate", "seal", arn)
	f.become("remediate")
	f.expect(0, "sealed", "migrate", "apply", f.file)

	var status migration.Summary
	if err := json.Unmarshal([]byte(f.expect(0, "", "migrate", "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Rows) != 1 || status.Rows[0].Sealed != 1 || status.Rows[0].Wave != migration.Development {
		t.Errorf("status %+v", status)
	}
	f.expect(1, "say why", "migrate", "rollback", "--secret", arn)
	f.expect(0, "--kms-key-id \"\"", "migrate", "rollback", "--secret", arn, "--reason", "the app broke", "--dry-run")
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	f.expect(1, "nothing that could be set back", "migrate", "rollback", "--secret", arn, "--reason", "again")
}

func TestApplyRefusesAPlanWhoseFactsChanged(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	people, _, err := f.Workload(f.Context(), local.By("terraform", local.Search, local.Virginia))
	if err != nil {
		t.Fatal(err)
	}
	if err := people.PutValue(context.Background(), arn, ""); err != nil {
		t.Fatal(err)
	}
	f.expect(2, "changed: search/index: versions of the secret", "migrate", "apply", f.file)
	f.expect(0, "WAVE", "migrate", "status")
}

func TestAPlanThatBreaksAReaderIsFindings(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.AWS.AddRole(local.Search, "legacy", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"},{"Effect":"Deny","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:444444444444:key/*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/doublelock/secrets"}}}]}`)
	f.expect(2, "legacy would lose access", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(2, "blocked", "migrate", "apply", f.file)
	f.expect(0, "security search/index (blocked)", "migrate", "status")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn, "--accept", "arn:aws:iam::444444444444:role/legacy")
	f.expect(0, "observing", "migrate", "apply", f.file)
}
