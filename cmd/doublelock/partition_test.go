package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/audit"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/doctor"
	"github.com/doublelock/doublelock/cmd/doublelock/keys"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/cmd/doublelock/scp"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/testdata/config"
)

// partitioned is the demo's organization after its story in one partition, and the command line there.
type partitioned struct {
	*local.Organization
	config string // its doublelock.yaml
}

// run runs a command, and holds its exit code and what it prints to the partition.
func (p partitioned) run(t *testing.T, code int, what func(*command.Env) *cobra.Command, args ...string) (stdout, stderr string) {
	t.Helper()
	out, errs, got := commandtest.Line{New: what, Now: p.Clock.Now}.Run(t, args...)
	if got != code {
		t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, code, out, errs)
	}
	if foreign := localtest.OfOtherPartitions(p.Partition, out+errs); foreign != nil {
		t.Errorf("%q names %q", args, foreign)
	}
	return out, errs
}

func TestCommandsInEveryPartition(t *testing.T) {
	for _, partition := range config.Partitions() {
		t.Run(string(partition), func(t *testing.T) {
			w, stop, err := demo.Play(t.Context(), &command.Env{Printer: output.New(io.Discard, io.Discard, os.Getenv)}, local.Options{Partition: partition, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(stop)
			p := partitioned{w, filepath.Join(t.TempDir(), "doublelock.yaml")}
			if err := os.WriteFile(p.config, w.Sample.Text, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run("audit", p.audit)
			t.Run("doctor", p.doctor)
			t.Run("migrate plan", p.plan)
			t.Run("keys policy", p.keysPolicy)
			t.Run("scp render", p.scpRender)
			t.Run("scp simulate", p.scpSimulate)
		})
	}
}

func (p partitioned) audit(t *testing.T) {
	localtest.ActAs(t, p.Organization, local.Search, "role/Engineer/you")
	_, summary := p.run(t, command.Findings, audit.New, "audit", "--region", p.Home(), "--region", p.Second())
	if want := "5 secrets in account 444444444444: 2 default, 1 dual, 1 sealed, 0 drifted, 1 foreign, 0 unknown\n"; summary != want {
		t.Errorf("summary %q, want %q", summary, want)
	}
}

func (p partitioned) doctor(t *testing.T) {
	localtest.Security(t, p.Organization)
	out, _ := p.run(t, 0, doctor.New, "doctor", "-o", "json", "--config", p.config)
	if rows := strings.Count(out, "\n"); rows < 100 || strings.Count(out, `"unknown"`) != strings.Count(out, `"hubOnly":true`) { // what only the hub can prove is never ok
		t.Errorf("%d rows:\n%s", rows, out)
	}
}

func (p partitioned) plan(t *testing.T) {
	localtest.ActAsFunction(t, p.Organization, "remediate")
	file := filepath.Join(t.TempDir(), "plan.json")
	p.run(t, command.Findings, migrate.New, "migrate", "plan", "--out", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if foreign := localtest.OfOtherPartitions(p.Partition, string(text)); foreign != nil {
		t.Errorf("the plan names %q", foreign)
	}
	plan, err := migration.LoadPlan(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, item := range plan.Items {
		got[item.Name] = string(item.State) + ", safe"
		if !item.Safe() {
			got[item.Name] = string(item.State) + ", blocked"
		}
	}
	want := map[string]string{ // who is blocked has a reader that would lose access
		"payments/batch": "default, blocked", "payments/settlement": "default, blocked", "payments/webhook": "dual, safe",
		"search/index": "default, safe", "search/tokens": "dual, safe", "shop/db": "default, safe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// A printed policy is given to a key: its writer puts a secret under it, its reader opens that, and nobody uses it past
// Secrets Manager.
func (p partitioned) keysPolicy(t *testing.T) {
	reader, writer := p.Partition.Role(local.Search, "app-reader"), p.Partition.Role(local.Search, "app-writer")
	policy, _ := p.run(t, 0, keys.New, "keys", "policy", "--shape", "app", "--account", local.Search, "--region", p.Home(), "--reader", reader, "--writer", writer)
	made := localtest.Call(t, p.Organization, local.Search, p.Home(), "kms", "CreateKey", map[string]any{"Policy": policy})
	metadata, _ := made["KeyMetadata"].(map[string]any)
	key, _ := metadata["Arn"].(string)
	allow := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}]}`
	}
	p.AWS.AddRole(local.Search, "app-writer", allow(`[]`), allow(`["secretsmanager:CreateSecret","secretsmanager:DescribeSecret"]`))
	p.AWS.AddRole(local.Search, "app-reader", allow(`[]`), allow(`"secretsmanager:GetSecretValue"`))
	people, _, err := p.Workload(t.Context(), local.By("app-writer", local.Search, p.Home()))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := people.Create(t.Context(), secrets.NewSecret{Name: "search/app", KeyID: &key})
	if err != nil {
		t.Fatalf("the writer cannot use the key: %v", err)
	}
	as := func(service, operation string, in map[string]any) error {
		_, err := p.AWS.AsPrincipal(local.Search, "role/app-reader/you", p.Home(), service, operation, in)
		return err
	}
	if err := as("secretsmanager", "GetSecretValue", map[string]any{"SecretId": secret}); err != nil {
		t.Errorf("the reader cannot open it: %v", err)
	}
	if err := as("kms", "GenerateDataKey", map[string]any{"KeyId": key, "KeySpec": "AES_256"}); err == nil {
		t.Error("the key is used past Secrets Manager")
	}
}

// What is rendered is what the deployed templates attached.
func (p partitioned) scpRender(t *testing.T) {
	out, _ := p.run(t, 0, scp.New, "scp", "render", "-o", "json", "--config", p.config)
	var rendered []struct {
		Name     string
		Document json.RawMessage
	}
	if err := json.Unmarshal([]byte(out), &rendered); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	for _, r := range rendered {
		want[r.Name] = document(t, r.Document)
	}
	got := map[string]any{}
	list := localtest.Call(t, p.Organization, local.Management, p.Home(), "organizations", "ListPoliciesForTarget",
		map[string]any{"TargetId": local.GuardedOU, "Filter": "SERVICE_CONTROL_POLICY"})
	policies, _ := list["Policies"].([]any)
	for _, entry := range policies {
		summary, _ := entry.(map[string]any)
		if aws, _ := summary["AwsManaged"].(bool); aws {
			continue
		}
		described := localtest.Call(t, p.Organization, local.Management, p.Home(), "organizations", "DescribePolicy", map[string]any{"PolicyId": summary["Id"]})
		policy, _ := described["Policy"].(map[string]any)
		content, _ := policy["Content"].(string)
		name, _ := summary["Name"].(string)
		got[name] = document(t, []byte(content))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 2 {
		t.Errorf("%d SCPs (-rendered +attached):\n%s", len(want), diff)
	}
}

// The ways around are tried in the partition: of the configuration, or of the calls where only a policy is named.
func (p partitioned) scpSimulate(t *testing.T) {
	folder := t.TempDir()
	calls := filepath.Join(folder, "calls.json")
	row, err := json.Marshal([]map[string]any{{
		"name": "read", "principal": p.Partition.Role(local.Shop, "app"), "action": "secretsmanager:GetSecretValue", "expected": "passes",
		"resource": p.Partition.New("secretsmanager", p.Home(), local.Shop, "secret:shop/db-AbCdEf").String(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(calls, row, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, 0, scp.New, "scp", "render", "--config", p.config, "--dir", folder)
	for _, args := range [][]string{{"--config", p.config}, {"--candidate", filepath.Join(folder, "doublelock-keys.json")}} {
		out, _ := p.run(t, 0, scp.New, append([]string{"scp", "simulate", "-o", "json", "--requests", calls}, args...)...)
		var found struct {
			Honest []struct{ Name, Answer string }
		}
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		for _, call := range found.Honest {
			if call.Answer != "Allowed" {
				t.Errorf("%q: %s: %s", args, call.Name, call.Answer)
			}
		}
		if len(found.Honest) == 0 {
			t.Errorf("%q: no honest call was tried", args)
		}
	}
}

func document(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
