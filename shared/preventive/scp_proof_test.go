package preventive_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy/policytest"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// everything is what the caller's own policy allows, and what AWS attaches next to an SCP.
var everything = map[string]any{
	"Version":   "2012-10-17",
	"Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}},
}

// attached are the SCPs of a stage as a case takes them: one entry per level.
func attached(t *testing.T, stage string) []any {
	t.Helper()
	c := config()
	if stage == "approving" || stage == "next" {
		c = approving()
	}
	if stage == "approving" {
		stage = "guarded"
	}
	if stage == "own" {
		stage, c.Keys = "guarded", settings.Keys{Create: true}
	}
	scps, err := preventive.SCPs(c)
	if err != nil {
		t.Fatal(err)
	}
	level := []any{map[string]any{"name": "FullAWSAccess", "policy": everything}}
	for _, scp := range scps {
		for _, target := range scp.Targets {
			if target == "ou-ab12-"+stage {
				level = append(level, map[string]any{"name": scp.Name, "policy": decoded(t, scp.Content)})
			}
		}
	}
	if len(level) < 3 && stage != "next" || len(level) < 2 {
		t.Fatalf("stage %s has %d policies", stage, len(level))
	}
	return []any{
		map[string]any{"orgIdentifier": "r-ab12", "policies": []any{map[string]any{"name": "FullAWSAccess", "policy": everything}}},
		map[string]any{"orgIdentifier": "ou-ab12-" + stage, "policies": level},
	}
}

func decoded(t *testing.T, content string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(content), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// scpCases are the requests as policytest and the simulator read them.
func scpCases(t *testing.T) []any {
	t.Helper()
	stages := map[string][]any{}
	var cases []any
	for _, r := range scpRequests {
		if stages[r.stage] == nil {
			stages[r.stage] = attached(t, r.stage)
		}
		c := map[string]any{
			"name":                   r.name,
			"identityPolicies":       []any{map[string]any{"name": "everything", "policy": everything}},
			"serviceControlPolicies": stages[r.stage],
			"request": map[string]any{
				"action": r.action, "principal": r.by, "context": merged(caller(r.by), r.context),
				"resource": map[string]any{"resource": r.on, "accountId": ownerOf(r)},
			},
			"expected": map[string]any{"response": r.expected},
		}
		if r.exempt {
			c["managementAccount"] = "both"
		}
		if strings.HasPrefix(r.action, "kms:") && r.on != "*" {
			c["resourcePolicy"] = delegating(accountOf(r.on))
		}
		cases = append(cases, c)
	}
	return plainList(t, cases)
}

// caller are the condition keys that AWS fills in for a principal. A session's aws:PrincipalArn is its role's.
func caller(arn string) map[string]any {
	role := arn
	if session, ok := strings.CutPrefix(arn, "arn:aws:sts::"); ok {
		account, rest, _ := strings.Cut(session, ":assumed-role/")
		name, _, _ := strings.Cut(rest, "/")
		role = "arn:aws:iam::" + account + ":role/" + name
	}
	return map[string]any{"aws:PrincipalArn": role, "aws:PrincipalAccount": accountOf(arn)}
}

// delegating is a key policy that leaves everything to IAM, so that only the SCP decides.
func delegating(account string) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"}, "Action": "kms:*", "Resource": "*",
	}}}
}

// plainList makes what encoding/json would decode, as readers of cases expect it.
func plainList(t *testing.T, cases []any) []any {
	t.Helper()
	raw, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	var out []any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// ownerOf is the account of what a request is about; what has no ARN yet is made in the caller's own.
func ownerOf(r scpRequest) string {
	if r.on == "*" {
		return accountOf(r.by)
	}
	return accountOf(r.on)
}

// accountOf is the fifth part of an ARN.
func accountOf(arn string) string { return string(bytes.Split([]byte(arn), []byte(":"))[4]) }

func TestSCPsAnswerEveryRequestAsMeant(t *testing.T) {
	cases, err := policytest.Read(scpCases(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("%d requests", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if result := policytest.Run(c); string(result.Decision.Answer) != string(c.Expected) {
				t.Errorf("got %s, want %s: %s", result.Decision.Answer, c.Expected, result.Decision.Why)
			}
		})
	}
}

// differs explains where the simulator is known to answer otherwise.
var differs = map[string]string{
	"the management account creates without a key": "the simulator does not know the management account",
	"approval: the management account is not held": "the simulator does not know the management account",
	"a service-linked role creates without a key":  "the simulator applies SCPs to service-linked roles; Organizations does not",
}

func TestTheSimulatorAgreesOnEveryRequest(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "node_modules", "@cloud-copilot", "iam-simulate")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: run make setup", err)
		}
		t.Skipf("%v: run make setup to compare", err)
	}
	input, err := json.Marshal(scpCases(t))
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(root, "testdata", "policy", "simulate.mjs"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &problems
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("run simulator: %v: %s", err, problems.String())
	}
	var answers []struct{ Answer, Error string }
	if err := json.Unmarshal(output, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(scpRequests) {
		t.Fatalf("%d answers to %d requests", len(answers), len(scpRequests))
	}
	for i, r := range scpRequests {
		why, explained := differs[r.name]
		switch agrees := answers[i].Answer == r.expected; {
		case agrees && explained:
			t.Errorf("%s: no difference, but one is explained: %s", r.name, why)
		case !agrees && !explained:
			t.Errorf("%s: the simulator says %s %s, want %s", r.name, answers[i].Answer, answers[i].Error, r.expected)
		}
	}
}
