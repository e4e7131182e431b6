package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/settings"
)

// aDeployedWorld is the demo's organization at rest, and the environment of a person of the security account.
func aDeployedWorld(t *testing.T) *world {
	t.Helper()
	c := newClock()
	env := &environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: time.Now, output: "json"}
	w, stop, err := newWorld(t.Context(), 1, c, c.Now, newReporter(newTimeline(env, c.Now, accountNames())).watcher())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	folder := t.TempDir()
	if err := writeProfiles(folder, w); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		settings.EnvEndpoint: w.url, "AWS_PROFILE": "security", "AWS_REGION": "",
		"AWS_CONFIG_FILE": filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(folder, "credentials"),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	return w
}

// callDoctor runs the command line and returns its rows and its exit code.
func callDoctor(t *testing.T, args ...string) ([]fleet.Row, int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &environment{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &errs, Now: time.Now}
	root := rootCommand(env)
	root.SetArgs(append([]string{"doctor", "-o", "json", "--config", "../../testdata/config/sample.yaml"}, args...))
	err := root.ExecuteContext(t.Context())
	code := exitCode(env, err)
	if code == exitFailure {
		t.Fatalf("doctor: %v\n%s", err, errs.String())
	}
	var rows []fleet.Row
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var row fleet.Row
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows, code
}

func TestDoctorFindsExactlyWhatWasBroken(t *testing.T) {
	w := aDeployedWorld(t)
	rows, code := callDoctor(t)
	if findings := fleet.Findings(rows); len(findings) > 0 || code != 0 || len(rows) < 100 {
		t.Fatalf("in a sound world: exit code %d, %d rows, findings %+v", code, len(rows), findings)
	}

	call(t, w, search, ireland, "events", "RemoveTargets", map[string]any{"Rule": "doublelock-key-lifecycle", "Ids": []any{"hub"}})
	call(t, w, search, ireland, "events", "DeleteRule", map[string]any{"Name": "doublelock-key-lifecycle"})
	deleteRole(t, w, payments, settings.RoleTag)
	detach(t, w, "doublelock-keys", guardedOU)
	rows, code = callDoctor(t)
	type finding struct{ Account, Region, Check, Subject, Detail string }
	var got []finding
	for _, r := range fleet.Findings(rows) {
		got = append(got, finding{r.Account, r.Region, r.Check, r.Subject, r.Detail})
	}
	want := []finding{
		{management, "", fleet.CheckSCP, "doublelock-keys", "not attached to " + guardedOU},
		{search, ireland, fleet.CheckRule, "doublelock-key-lifecycle", "the rule does not exist"},
		{payments, "", fleet.CheckRole, settings.RoleTag, "the role does not exist"},
	}
	if diff := cmp.Diff(want, got); diff != "" || code != exitFindings {
		t.Errorf("exit code %d (-want +got):\n%s", code, diff)
	}
}

func TestDoctorLooksAtTheOthersWhenOneAccountIsClosed(t *testing.T) {
	w := aDeployedWorld(t)
	sound, _ := callDoctor(t)
	deleteRole(t, w, sandbox, settings.RoleRead)
	rows, code := callDoctor(t)
	findings := fleet.Findings(rows)
	if len(findings) != 1 || findings[0].Account != sandbox || findings[0].Check != fleet.CheckEnter || findings[0].Status != fleet.Fail || code != exitFindings {
		t.Errorf("exit code %d, findings %+v", code, findings)
	}
	others := func(rows []fleet.Row) []fleet.Row {
		return slices.DeleteFunc(slices.Clone(rows), func(r fleet.Row) bool { return r.Account == sandbox })
	}
	if diff := cmp.Diff(others(sound), others(rows)); diff != "" {
		t.Errorf("the other accounts (-before +after):\n%s", diff)
	}
}

// call is a call in the world by whoever may do everything.
func call(t *testing.T, w *world, account, region, service, operation string, in map[string]any) map[string]any {
	t.Helper()
	out, err := w.aws.As("cloudformation.amazonaws.com", account, region, service, operation, in)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return out
}

func deleteRole(t *testing.T, w *world, account, role string) {
	t.Helper()
	policies, _ := call(t, w, account, virginia, "iam", "ListRolePolicies", map[string]any{"RoleName": role})["PolicyNames"].([]any)
	for _, name := range policies {
		call(t, w, account, virginia, "iam", "DeleteRolePolicy", map[string]any{"RoleName": role, "PolicyName": name})
	}
	call(t, w, account, virginia, "iam", "DeleteRole", map[string]any{"RoleName": role})
}

func detach(t *testing.T, w *world, name, target string) {
	t.Helper()
	policies, _ := call(t, w, management, virginia, "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})["Policies"].([]any)
	for _, p := range policies {
		if policy, _ := p.(map[string]any); policy["Name"] == name {
			call(t, w, management, virginia, "organizations", "DetachPolicy", map[string]any{"PolicyId": policy["Id"], "TargetId": target})
			return
		}
	}
	t.Fatalf("no policy %s", name)
}

// alive lets what happens in the world go on while a test looks.
func alive(t *testing.T, w *world) {
	t.Helper()
	w.clock.run()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = w.settle(ctx)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// deployer makes a role that security engineers may take, and that may make and remove secrets.
func deployer(t *testing.T, w *world, account string) {
	t.Helper()
	call(t, w, account, virginia, "iam", "CreateRole", map[string]any{"RoleName": "Deployer", "AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub + `:role/SecurityEngineer"},"Action":"sts:AssumeRole"}]}`})
	call(t, w, account, virginia, "iam", "PutRolePolicy", map[string]any{"RoleName": "Deployer", "PolicyName": "deploy", "PolicyDocument": `{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`})
}

func TestCanaryIsFollowedAndRemoved(t *testing.T) {
	w := aDeployedWorld(t)
	alive(t, w)
	for _, account := range []string{shop, search, payments} {
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
		"where owners are told":     {args: []string{"--canary-account", search, "--canary-role", "Deployer"}, want: followed},
		"where it is fixed at once": {args: []string{"--canary-account", payments, "--canary-role", "Deployer"}, want: followed},
		"where an SCP stops it": {
			args: []string{"--canary-account", shop, "--canary-role", "Deployer"},
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
