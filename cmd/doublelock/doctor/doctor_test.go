package doctor_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/doctor"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/settings"
)

// aDeployedOrganization is the demo's organization at rest, and the environment of a person of the security account.
func aDeployedOrganization(t *testing.T) *local.Organization {
	t.Helper()
	w := localtest.New(t)
	localtest.Security(t, w)
	return w
}

// callDoctor runs the command line and returns its rows and its exit code.
func callDoctor(t *testing.T, args ...string) ([]fleet.Row, int) {
	t.Helper()
	line := commandtest.Line{New: doctor.New}
	out, errs, code := line.Run(t, append([]string{"doctor", "-o", "json", "--config", "../../../testdata/config/sample.yaml"}, args...)...)
	if code == command.Failure {
		t.Fatalf("doctor: %s", errs)
	}
	var rows []fleet.Row
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
		var row fleet.Row
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows, code
}

func TestDoctorFindsExactlyWhatWasBroken(t *testing.T) {
	w := aDeployedOrganization(t)
	rows, code := callDoctor(t)
	if findings := fleet.Findings(rows); len(findings) > 0 || code != 0 || len(rows) < 100 {
		t.Fatalf("in a sound organization: exit code %d, %d rows, findings %+v", code, len(rows), findings)
	}

	localtest.Call(t, w, local.Search, w.Second(), "events", "RemoveTargets", map[string]any{"Rule": "doublelock-key-lifecycle", "Ids": []any{"hub"}})
	localtest.Call(t, w, local.Search, w.Second(), "events", "DeleteRule", map[string]any{"Name": "doublelock-key-lifecycle"})
	deleteRole(t, w, local.Payments, settings.RoleTag)
	detach(t, w, "doublelock-keys", local.GuardedOU)
	rows, code = callDoctor(t)
	type finding struct{ Account, Region, Check, Subject, Detail string }
	var got []finding
	for _, r := range fleet.Findings(rows) {
		got = append(got, finding{r.Account, r.Region, r.Check, r.Subject, r.Detail})
	}
	want := []finding{
		{local.Management, "", fleet.CheckSCP, "doublelock-keys", "not attached to " + local.GuardedOU},
		{local.Search, w.Second(), fleet.CheckRule, "doublelock-key-lifecycle", "the rule does not exist"},
		{local.Payments, "", fleet.CheckRole, settings.RoleTag, "the role does not exist"},
	}
	if diff := cmp.Diff(want, got); diff != "" || code != command.Findings {
		t.Errorf("exit code %d (-want +got):\n%s", code, diff)
	}
}

// A person of the security account may read and no more: that the hub can change anything is not theirs to prove.
func TestDoctorNeverSaysThatTheHubCanTakeWhatItsReaderMayNot(t *testing.T) {
	aDeployedOrganization(t)
	rows, code := callDoctor(t)
	got := map[string]map[fleet.Status]int{}
	for _, r := range rows {
		if r.Check == fleet.CheckTake {
			if got[r.Subject] == nil {
				got[r.Subject] = map[fleet.Status]int{}
			}
			got[r.Subject][r.Status]++
			if r.HubOnly != (r.Status == fleet.Unknown) {
				t.Errorf("row %+v", r)
			}
		}
	}
	accounts := got[settings.RoleRead][fleet.OK]
	want := map[string]map[fleet.Status]int{settings.RoleRead: {fleet.OK: accounts}, settings.RoleTag: {fleet.Unknown: accounts}, settings.RoleChange: {fleet.Unknown: accounts}}
	if diff := cmp.Diff(want, got); diff != "" || accounts < 4 || code != 0 {
		t.Errorf("%d accounts, exit code %d (-want +got):\n%s", accounts, code, diff)
	}
	line := commandtest.Line{New: doctor.New}
	out, errs, code := line.Run(t, "doctor", "--config", "../../../testdata/config/sample.yaml")
	if out != "" || code != 0 || !strings.Contains(errs, "whether the hub can take doublelock-change and doublelock-tag; the trust policies let it") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestDoctorLooksAtTheOthersWhenOneAccountIsClosed(t *testing.T) {
	w := aDeployedOrganization(t)
	sound, _ := callDoctor(t)
	deleteRole(t, w, local.Sandbox, settings.RoleRead)
	rows, code := callDoctor(t)
	findings := fleet.Findings(rows)
	if len(findings) != 1 || findings[0].Account != local.Sandbox || findings[0].Check != fleet.CheckEnter || findings[0].Status != fleet.Fail || code != command.Findings {
		t.Errorf("exit code %d, findings %+v", code, findings)
	}
	others := func(rows []fleet.Row) []fleet.Row {
		return slices.DeleteFunc(slices.Clone(rows), func(r fleet.Row) bool { return r.Account == local.Sandbox })
	}
	if diff := cmp.Diff(others(sound), others(rows)); diff != "" {
		t.Errorf("the other accounts (-before +after):\n%s", diff)
	}
}

func deleteRole(t *testing.T, w *local.Organization, account, role string) {
	t.Helper()
	policies, _ := localtest.Call(t, w, account, w.Home(), "iam", "ListRolePolicies", map[string]any{"RoleName": role})["PolicyNames"].([]any)
	for _, name := range policies {
		localtest.Call(t, w, account, w.Home(), "iam", "DeleteRolePolicy", map[string]any{"RoleName": role, "PolicyName": name})
	}
	localtest.Call(t, w, account, w.Home(), "iam", "DeleteRole", map[string]any{"RoleName": role})
}

func detach(t *testing.T, w *local.Organization, name, target string) {
	t.Helper()
	policies, _ := localtest.Call(t, w, local.Management, w.Home(), "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})["Policies"].([]any)
	for _, p := range policies {
		if policy, _ := p.(map[string]any); policy["Name"] == name {
			localtest.Call(t, w, local.Management, w.Home(), "organizations", "DetachPolicy", map[string]any{"PolicyId": policy["Id"], "TargetId": target})
			return
		}
	}
	t.Fatalf("no policy %s", name)
}

// deployer makes a role that security engineers may take, and that may make and remove secrets.
func deployer(t *testing.T, w *local.Organization, account string) {
	t.Helper()
	localtest.Call(t, w, account, w.Home(), "iam", "CreateRole", map[string]any{"RoleName": "Deployer", "AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + local.Hub + `:role/SecurityEngineer"},"Action":"sts:AssumeRole"}]}`})
	localtest.Call(t, w, account, w.Home(), "iam", "PutRolePolicy", map[string]any{"RoleName": "Deployer", "PolicyName": "deploy", "PolicyDocument": `{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`})
}

func TestCanaryIsFollowedAndRemoved(t *testing.T) {
	w := aDeployedOrganization(t)
	localtest.Run(t, w)
	for _, account := range []string{local.Shop, local.Search, local.Payments} {
		deployer(t, w, account)
	}
	followed := map[string]fleet.Status{
		"created": fleet.OK, "event → finding": fleet.OK, "finding → tag": fleet.OK, "finding → notification": fleet.OK,
		"removed": fleet.OK, "subscriber removed": fleet.OK,
	}
	for name, tt := range map[string]struct {
		args []string
		want map[string]fleet.Status
		note string // in the detail of one hop
	}{
		"in the hub's account, which only records": {
			want: map[string]fleet.Status{"created": fleet.OK, "event → finding": fleet.OK, "event → notification": fleet.OK, "removed": fleet.OK},
			note: "not expected: the account is in mode observe",
		},
		"where owners are notified": {args: []string{"--canary-account", local.Search, "--canary-role", "Deployer"}, want: followed},
		"where it is fixed at once": {args: []string{"--canary-account", local.Payments, "--canary-role", "Deployer"}, want: followed},
		"where an SCP stops it": {
			args: []string{"--canary-account", local.Shop, "--canary-role", "Deployer"},
			want: map[string]fleet.Status{"created": fleet.OK, "subscriber removed": fleet.OK},
			note: "prevention works",
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows, code := callDoctor(t, append([]string{"--canary"}, tt.args...)...)
			got := map[string]fleet.Status{}
			details := ""
			for _, r := range rows {
				if r.Check == fleet.CheckCanary {
					got[r.Subject] = r.Status
					details += r.Detail + "\n"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || code != 0 || !strings.Contains(details, tt.note) {
				t.Errorf("exit code %d (-want +got):\n%s\n%s", code, diff, details)
			}
		})
	}
}
