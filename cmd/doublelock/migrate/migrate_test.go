package migrate_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
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

// dryRun holds what --dry-run prints as JSON and CSV to one secret with one command.
func (f *fixture) dryRun(secret, begin string, args ...string) {
	f.Helper()
	var printed struct {
		Secrets []struct{ Secret, Name, Command string }
	}
	if err := json.Unmarshal([]byte(f.expect(0, "", append(args, "--dry-run", "-o", "json")...)), &printed); err != nil {
		f.Fatal(err)
	}
	if len(printed.Secrets) != 1 || printed.Secrets[0].Secret != secret || !strings.HasPrefix(printed.Secrets[0].Command, begin) {
		f.Errorf("%v as JSON: %+v, want %s with %s", args, printed, secret, begin)
	}
	rows, err := csv.NewReader(strings.NewReader(f.expect(0, "", append(args, "--dry-run", "-o", "csv")...))).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][1] != "command" || rows[1][1] != printed.Secrets[0].Command {
		f.Errorf("%v as CSV: %q, %v", args, rows, err)
	}
}

func (f *fixture) secret(name string) string {
	f.Helper()
	people, _, err := f.Workload(f.Context(), local.By("terraform", local.Search, f.Home()))
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
	printed := f.expect(0, "safe", "migrate", "plan", "--out", "-", "--secret", arn)
	if _, err := migration.LoadPlan(strings.NewReader(printed)); err != nil {
		t.Errorf("a plan to standard output: %v\n%s", err, printed)
	}
	update := "aws secretsmanager update-secret --region " + f.Home() + " --secret-id " + arn + " --kms-key-id "
	f.expect(0, update+"arn:aws:kms:", "migrate", "apply", f.file, "--dry-run")
	f.dryRun(arn, update, "migrate", "apply", f.file)
	f.expect(1, "is in wave prod; doublelock migrate show", "migrate", "apply", f.file, "--wave", "prod")
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.expect(0, "observing", "migrate", "apply", f.file) // again: nothing more to do yet
	f.expect(0, "search/index: --go-ahead is not taken: its hours of observing are not over", "migrate", "apply", f.file, "--go-ahead", "alice")
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
	f.expect(0, update+"''\n", "migrate", "rollback", "--secret", arn, "--reason", "the app broke", "--dry-run")
	f.dryRun(arn, update+"''", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	f.expect(1, "nothing that could be set back", "migrate", "rollback", "--secret", arn, "--reason", "again")
}

func TestRollbackOfASecretThatWasNeverMovedSaysSo(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "outside the change windows", "migrate", "apply", f.file, "--window", "Mon-Thu 22:00-04:00")
	f.expect(0, "# search/index: nothing was changed", "migrate", "rollback", "--secret", arn, "--reason", "wrong wave", "--dry-run")
	f.expect(2, "nothing was changed about 1 secret", "migrate", "rollback", "--secret", arn, "--reason", "wrong wave")
	f.Clock.Advance(14 * time.Hour) // the window is open
	f.sweep()
	if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
		t.Error("the sweep moved it all the same")
	}
}

// Whoever must undo or explain a change finds it in the journal: what was before, and who changed it.
func TestTheJournalIsRead(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(1, "no migration knows a secret search/index", "migrate", "history", "search/index")
	f.expect(1, "Doublelock has not changed it", "migrate", "history", arn)
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "observing", "migrate", "apply", f.file)
	var entries []store.JournalEntry
	if err := json.Unmarshal([]byte(f.expect(0, "", "migrate", "history", "search/index", "-o", "json")), &entries); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(entries, func(e store.JournalEntry) bool { return e.Action == "UpdateSecret" })
	if at < 0 {
		t.Fatalf("no change in %+v", entries)
	}
	change := entries[at]
	if before, recorded := change.Before["kmsKeyId"]; !recorded || before != "" || change.After["kmsKeyId"] != f.describe(arn).Key.ARN || !strings.HasPrefix(change.By, "arn:aws:sts::222222222222:assumed-role/") {
		t.Errorf("the change is %+v", change)
	}
	f.expect(0, "UpdateSecret", "migrate", "history", arn)
	f.Clock.Advance(time.Hour)
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	if history := f.expect(0, `reason="the app broke"`, "migrate", "history", arn); !strings.Contains(history, change.By) {
		t.Errorf("who set it back is not in\n%s", history)
	}
}

// A window that is given once binds the hub: its sweep re-keys nothing outside, though its own settings know no window.
func TestAWindowOfApplyBindsTheSweep(t *testing.T) {
	f := newFixture(t) // a Tuesday, 09:00
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(1, "is never open", "migrate", "apply", f.file, "--window", "10:00-10:00")
	f.expect(0, "outside the change windows: the next opens Tue 2026-09-01 22:00 UTC", "migrate", "apply", f.file, "--window", "Mon-Thu 22:00-04:00")
	for range 3 {
		f.Clock.Advance(time.Hour)
		f.sweep()
		if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
			t.Fatalf("re-keyed at %s", f.Clock.Now())
		}
	}
	f.become("remediate")
	_, rules, _ := f.run("migrate", "apply", f.file) // without the flag
	if !strings.Contains(rules, "changes Mon,Tue,Wed,Thu 22:00-04:00 UTC") || strings.Contains(rules, "changes always") {
		t.Errorf("the rules that bind are not those that apply prints: %s", rules)
	}
	f.expect(0, "the next opens Tue 2026-09-01 22:00 UTC", "migrate", "apply", f.file)
	status := f.expect(0, "windows Mon,Tue,Wed,Thu 22:00-04:00, by arn:aws:sts::222222222222:assumed-role/", "migrate", "status")
	if !strings.Contains(status, "at 2026-09-01T09:") {
		t.Errorf("status does not say when the window was set:\n%s", status)
	}
	f.Clock.Advance(11 * time.Hour)
	f.sweep()
	if s := f.describe(arn); s.Key.Manager != guard.ManagerCustomer {
		t.Errorf("not re-keyed at %s", f.Clock.Now())
	}
}

// sweep is what the hub does every hour.
func (f *fixture) sweep() {
	f.Helper()
	localtest.Schedule(f.T, f.Organization, settings.TaskSweep, "sweep")
}

func (f *fixture) describe(arn string) guard.Secret {
	f.Helper()
	keys, err := f.AWS.Principal(local.Search, "role/terraform/terraform")
	if err != nil {
		f.Fatal(err)
	}
	c, err := f.Open(f.Context(), f.Home(), keys)
	if err != nil {
		f.Fatal(err)
	}
	s, err := secrets.New(c).Describe(f.Context(), guard.SecretRef{ID: arn})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// What doublelock.yaml says of migrations is what plan and apply promise.
func TestEachSettingOfMigrationsReachesTheCommandLine(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.configure(func(r *settings.Runtime) {
		r.Migration = settings.Migration{ObserveHours: 72, WatchHours: 96, RotateTwice: true, RescueGrants: true}
		r.Limits = settings.Limits{ChangesPerHour: 7, ChangesPerAccountPerHour: 3}
	})
	const rules = "observe 72h0m0s, watch 96h0m0s, changes always, at most 7 an hour and 3 in one account, at most 10 rescues a day, access is kept by workloads, rotate twice, go back by itself, rescue by grant"
	f.expect(0, "rules: "+rules, "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "rules: "+rules, "migrate", "show", f.file)
	_, complaints, _ := f.run("migrate", "apply", f.file)
	if !strings.Contains(complaints, "rules: "+rules) {
		t.Errorf("apply says %q", complaints)
	}
	f.Clock.Advance(71 * time.Hour)
	f.expect(0, "observing its readers", "migrate", "apply", f.file)
	f.become("remediate") // whose settings say 24 hours
	f.sweep()
	f.expect(0, "observing its readers", "migrate", "apply", f.file)
	f.Clock.Advance(2 * time.Hour)
	f.sweep()
	f.expect(0, "waiting for its owner", "migrate", "apply", f.file)
}

// configure changes what the environment says of the settings.
func (f *fixture) configure(change func(*settings.Runtime)) {
	f.Helper()
	r, err := settings.ParseRuntime(os.Getenv(settings.EnvConfig))
	if err != nil {
		f.Fatal(err)
	}
	change(&r)
	raw, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Setenv(settings.EnvConfig, string(raw))
}

func TestStatusShowsASecretThatItsOwnerSealedSince(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "observing", "migrate", "apply", f.file)
	for range 2 {
		f.own(local.Search, "role/terraform/terraform")
		f.expect(0, "seal", "migrate", "seal", arn)
		f.Clock.Advance(11 * time.Minute)
	}
	f.become("remediate")
	var status migration.Summary
	if err := json.Unmarshal([]byte(f.expect(0, "", "migrate", "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Rows) != 1 || status.Rows[0].Sealed != 1 || status.Rows[0].Rekeyed != 0 {
		t.Errorf("status %+v", status)
	}
}

func TestApplyRefusesAPlanWhoseFactsChanged(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	people, _, err := f.Workload(f.Context(), local.By("terraform", local.Search, f.Home()))
	if err != nil {
		t.Fatal(err)
	}
	if err := people.PutValue(context.Background(), arn, ""); err != nil {
		t.Fatal(err)
	}
	f.expect(2, "changed: search/index: versions of the secret", "migrate", "apply", f.file)
	f.expect(0, "WAVE", "migrate", "status")
}

// The hub moves a secret of the plan while apply still inspects the accounts. That is no change which somebody else made.
func TestApplyBesideTheSweepTakesItsMoveForThePlansOwn(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "outside the change windows", "migrate", "apply", f.file, "--window", "Mon-Thu 22:00-04:00")
	f.Clock.Advance(14 * time.Hour)
	f.become("remediate")
	var once sync.Once
	f.through(func(body string) {
		if strings.Contains(body, "GetAccountAuthorizationDetails") {
			once.Do(f.sweep)
		}
	})
	out, complaints, code := f.run("migrate", "apply", f.file)
	if s := f.describe(arn); s.Key.Manager != guard.ManagerCustomer {
		t.Fatal("the hub has not moved it meanwhile")
	}
	if code != 0 || !strings.Contains(out, "observing") || strings.Contains(complaints, "changed") {
		t.Errorf("exit %d\n%s%s", code, out, complaints)
	}
}

// through has every call of the command line pass by somebody who reads it before it arrives.
func (f *fixture) through(reads func(body string)) {
	f.Helper()
	aws, err := url.Parse(os.Getenv(settings.EnvEndpoint))
	if err != nil {
		f.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(aws)
		r.Out.Host = r.In.Host // which is signed
	}}
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reads(string(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	f.Cleanup(between.Close)
	f.Setenv(settings.EnvEndpoint, between.URL)
}

func TestAPlanThatBreaksAReaderIsFindings(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.AWS.AddRole(local.Search, "legacy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"},{"Effect":"Deny","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:444444444444:key/*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/doublelock/secrets"}}}]}`)
	f.expect(2, "legacy would lose access", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(2, "blocked", "migrate", "apply", f.file)
	f.expect(0, "security search/index (blocked)", "migrate", "status")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn, "--accept", "arn:aws:iam::444444444444:role/legacy")
	f.expect(0, "observing", "migrate", "apply", f.file)
}

// A typing error in --accept is no decision about a reader.
func TestWhoIsAcceptedToLoseAccessExists(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	plan := []string{"migrate", "plan", "--out", f.file, "--secret", arn, "--accept"}
	f.expect(1, "doublelock: migrate plan: --accept arn:aws:iam::444444444444:role/legcay: account 444444444444 has no such principal; ", append(plan, "arn:aws:iam::444444444444:role/legcay")...)
	f.expect(1, "doublelock: migrate plan: --accept arn:aws-cn:iam::444444444444:role/legacy: the secrets are in partition aws, whose ARNs begin with arn:aws:\n", append(plan, "arn:aws-cn:iam::444444444444:role/legacy")...)
	if _, err := os.Stat(f.file); err == nil {
		t.Error("a plan was written all the same")
	}
	// Of an account that nobody read nothing is known, and one that is there may read another secret.
	f.expect(0, "note: --accept arn:aws:iam::999988887777:role/app: it reads no secret of this plan", append(plan, "arn:aws:iam::999988887777:role/app")...)
	f.AWS.AddRole(local.Search, "idle", `{"Version":"2012-10-17","Statement":[]}`, `{"Version":"2012-10-17","Statement":[]}`)
	f.expect(0, "note: --accept arn:aws:iam::444444444444:role/idle: it reads no secret of this plan", append(plan, "arn:aws:iam::444444444444:role/idle")...)
}
