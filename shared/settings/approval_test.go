package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/settings"
)

func warnings(t *testing.T, raw []byte) string {
	t.Helper()
	file, err := settings.Read("f", raw, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range file.Warnings() {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func TestAFileIsWarnedWhereItsOwnPeopleApproveKeys(t *testing.T) {
	const fix = "; set protectApproval: true or scp: true there, or approve its keys by account or ARN"
	alias := "f:39:15: warning: in stage STAGES the owner of a key can move alias/doublelock/secrets, so it approves none there" + fix
	tag := "f:40:5: warning: in stage STAGES the owner of a key can write its tags, so they approve none there" + fix
	both := func(stages string) string { return strings.ReplaceAll(alias+"\n"+tag, "STAGES", stages) }
	for name, c := range map[string]struct{ old, changed, want string }{
		"one stage without the SCP":  {"", "", both("watching")},
		"two stages without the SCP": {"    mode: remediate\n    protectApproval: true\n", "    mode: remediate\n    protectApproval: false\n", both("fixing, watching")},
		"every stage has it":         {"    mode: observe\n", "    mode: observe\n    protectApproval: true\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw := mustRead(t, "sample.yaml")
			if c.old != "" {
				raw = sampleWith(t, c.old, c.changed)
			}
			if diff := cmp.Diff(c.want, warnings(t, raw)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := warnings(t, mustRead(t, "minimal.yaml")); got != "" {
		t.Errorf("where no alias or tag approves: %s", got)
	}
}

func TestAStageThatFixesWithKeysThatItsOwnPeopleApproveIsWarned(t *testing.T) {
	raw := string(mustRead(t, "minimal.yaml"))
	raw = strings.Replace(raw, "targets: [r-ab12]", "targets: [r-ab12]\n    mode: remediate", 1) + "keys: {createPerAccount: true, approved: {aliases: [alias/doublelock/secrets]}}\n" +
		"owners: {channels: {security-team: {email: a@example.com}}}\n"
	if got := warnings(t, []byte(raw)); !strings.Contains(got, "remediates, and no key is approved there: aliases and tags are its own people's to write; set protectApproval: true") {
		t.Errorf("got %q", got)
	}
}

// The functions judge by it what the policy exempts. Their environment is small: where no alias and no tag approves, nobody is named.
func TestTheFunctionsKnowWhoMayApproveWhereANameApproves(t *testing.T) {
	c := settings.Config{
		Organization: settings.Organization{SecurityAccount: "222222222222", DeployRoles: []string{"arn:aws:iam::*:role/OrgDeploy", "arn:aws:iam::*:role/Keys"}},
		Keys: settings.Keys{Approved: settings.Approved{
			Accounts: []string{"222222222222"},
			Managers: []settings.Manager{{Role: "arn:aws:iam::*:role/KeyManager"}, {Role: "arn:aws:iam::*:role/Keys"}},
		}},
	}
	if got := c.Runtime().Approvers.Roles(); len(got) > 0 {
		t.Errorf("no alias and no tag approves, and named are %v", got)
	}
	c.Keys.Approved.Tags = map[string]string{"approved": "yes"}
	text, err := c.Runtime().Env()
	if err != nil {
		t.Fatal(err)
	}
	read, err := settings.ParseRuntime(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"arn:*:iam::*:role/stacksets-exec-*", "arn:*:iam::222222222222:role/cdk-*-cfn-exec-role-*",
		"arn:aws:iam::*:role/OrgDeploy", "arn:aws:iam::*:role/Keys", "arn:aws:iam::*:role/KeyManager",
	}
	if diff := cmp.Diff(want, read.Approvers.Roles()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
