package migrate_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// operate makes the command line a person with the deployed role of operators, while the hub works.
func (f *fixture) operate(person string) {
	f.Helper()
	localtest.ActAsOperator(f.T, f.Organization, person)
}

const anna = "arn:aws:sts::222222222222:assumed-role/doublelock-operator/anna"

// A person plans, applies and goes back without a right to change anything: the hub does it, under the person's name.
func TestAnOperatorMigratesASecretAndGoesBack(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	localtest.Serve(t, f.Organization)
	f.operate("anna")
	f.expect(0, "is recorded by "+anna, "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(1, "say why: --reason", "migrate", "apply", f.file)
	f.expect(1, "say why: --reason", "migrate", "apply", f.file, "--dry-run")
	f.expect(0, "aws secretsmanager update-secret", "migrate", "apply", f.file, "--dry-run", "--reason", "CHG-1")
	if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
		t.Fatal("a dry run moved it")
	}
	f.expect(0, "observing", "migrate", "apply", f.file, "--reason", "CHG-1")
	if s := f.describe(arn); s.Key.Manager != guard.ManagerCustomer {
		t.Fatal("the hub has not moved it")
	}
	f.expect(0, "asked for by "+anna+" at 2026-09-01T", "migrate", "status")
	f.expect(0, ": CHG-1", "migrate", "status")
	f.expect(0, "asked for: CHG-1", "migrate", "history", arn, "--phases")
	f.expect(0, anna, "migrate", "history", arn)

	f.expect(0, "update-secret --region us-east-1 --secret-id "+arn+" --kms-key-id ''", "migrate", "rollback", "--secret", arn, "--reason", "the app broke", "--dry-run")
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
		t.Fatal("the hub has not set it back")
	}
	f.expect(0, `reason="the app broke"`, "migrate", "history", arn)
	f.expect(0, "the app broke", "migrate", "history", arn, "--phases")
	if mail := f.AWS.Mailbox(); strings.Contains(mailText(t, mail), "failed") {
		t.Errorf("somebody was mailed of a failure:\n%v", mail)
	}
}

// What an operator says of windows and going ahead binds the job, with the operator's name.
func TestWhatAnOperatorOverridesIsTheOperatorsWord(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	localtest.Serve(t, f.Organization)
	f.operate("anna")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "outside the change windows", "migrate", "apply", f.file, "--reason", "CHG-1", "--window", "Mon-Thu 22:00-04:00")
	f.expect(0, "by "+anna, "migrate", "status")
	f.expect(0, "observing", "migrate", "apply", f.file, "--reason", "CHG-2", "--window", "00:00-24:00")
	f.Clock.Advance(25 * time.Hour)
	f.expect(0, "sealing", "migrate", "apply", f.file, "--reason", "CHG-2", "--go-ahead", "the owner")
	f.expect(0, "nothing was changed", "migrate", "rollback", "--secret", f.unmoved("search/other"), "--reason", "wrong", "--dry-run")
}

// What the plan says is blocked ends a run with exit code 2, whether the hub has answered or not, and its dry run alike.
func TestWhatThePlanBlocksIsPartialToAnOperator(t *testing.T) {
	for name, works := range map[string]bool{"the hub answers": true, "the hub is silent": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			made := localtest.Call(t, f.Organization, local.Sandbox, f.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "sb/1", "SecretString": "x"})
			arn, _ := made["ARN"].(string)
			stop := localtest.Serve(t, f.Organization)
			f.operate("anna")
			const blocked = "is approved by an alias that its owner can move"
			f.expect(2, blocked, "migrate", "plan", "--out", f.file, "--secret", arn)
			if !works {
				stop()
				migrate.WaitForTheHub(t, time.Second)
			}
			f.expect(2, blocked, "migrate", "apply", f.file, "--reason", "CHG-1", "--dry-run")
			f.expect(2, blocked, "migrate", "apply", f.file, "--reason", "CHG-1")
		})
	}
}

// unmoved is a secret whose job has not changed it.
func (f *fixture) unmoved(name string) string {
	f.Helper()
	arn := f.secret(name)
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "outside the change windows", "migrate", "apply", f.file, "--reason", "CHG-3", "--window", "Mon-Thu 22:00-04:00")
	return arn
}

// The hub applies what an operator looked at. A plan that was edited, with its digest computed again, is none.
func TestAPlanThatWasEditedIsRefused(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	localtest.Serve(t, f.Organization)
	f.operate("anna")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.Clock.Advance(time.Second)
	f.become("detect") // which may make a plan, and record none
	other := f.file + "2"
	f.expect(0, "safe", "migrate", "plan", "--out", other, "--secret", arn)
	f.operate("anna")
	for _, args := range [][]string{{"--dry-run"}, nil} {
		f.expect(1, "no operator has recorded it: it was edited, or made without the role doublelock-operator",
			append([]string{"migrate", "apply", other, "--reason", "CHG-1"}, args...)...)
	}
	raw, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, bytes.Replace(raw, []byte(`"wave": "dev"`), []byte(`"wave": "prod"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	f.expect(1, "its digest does not fit its content: it was edited; plan again instead", "migrate", "apply", other, "--reason", "CHG-1")
	if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
		t.Error("it was moved")
	}
}

// Whoever may neither change secrets nor ask for it does nothing, and says so: in a dry run, too.
func TestWhoMayNotAskTheHubLeavesNothingBehind(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.become("detect")
	const mayNot = "may not change secrets in " + local.Search + ", and only sessions of arn:aws:iam::222222222222:role/doublelock-operator may ask the hub to"
	f.expect(2, mayNot, "migrate", "apply", f.file, "--dry-run")
	f.expect(2, mayNot, "migrate", "apply", f.file)
	jobs, _, err := migration.All(t.Context(), f.jobs())
	if err != nil || len(jobs) != 0 {
		t.Errorf("jobs %+v, error %v", jobs, err)
	}
}

func mailText(t *testing.T, mail any) string {
	t.Helper()
	raw, err := json.Marshal(mail)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A wave that is halted goes on by the word of an operator, which each secret that went wrong keeps.
func TestAnOperatorLetsAHaltedWaveGoOn(t *testing.T) {
	f := newFixture(t)
	first, second := f.secret("search/index"), f.secret("search/orders")
	localtest.Serve(t, f.Organization)
	f.operate("anna")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", first, "--secret", second)
	f.expect(0, "observing", "migrate", "apply", f.file, "--reason", "CHG-1")
	f.expect(2, "wave prod is not halted", "migrate", "resume", "--wave", "prod", "--reason", "mended")
	for _, arn := range []string{first, second} {
		f.expect(0, "rolled_back", "migrate", "rollback", "--secret", arn, "--reason", "the app broke")
	}
	f.expect(2, "doublelock migrate resume --wave dev --reason TEXT", "migrate", "apply", f.file, "--reason", "CHG-1")
	f.expect(1, "say why: --reason", "migrate", "resume", "--wave", "dev")
	f.expect(0, "search/orders", "migrate", "resume", "--wave", "dev", "--reason", "the policy is mended")
	f.expect(2, "wave dev is not halted", "migrate", "resume", "--wave", "dev", "--reason", "again")
	f.expect(0, "its wave goes on: the policy is mended", "migrate", "history", second, "--phases")
	f.expect(0, anna, "migrate", "history", second, "--phases")
}
