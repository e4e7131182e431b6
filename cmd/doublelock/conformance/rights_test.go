package conformance_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestTheRightsArePrintedAsAPolicy(t *testing.T) {
	stdout, stderr, code := run(t, "--print-rights", "--region", "cn-north-1")
	var policy struct{ Statement []struct{ Effect string } }
	if err := json.Unmarshal([]byte(stdout), &policy); err != nil || code != 0 || len(policy.Statement) < 5 || !strings.Contains(stdout, "arn:aws-cn:iam::*:role/doublelock-conformance-*") {
		t.Errorf("%v, exit code %d: %s%s", err, code, stdout, stderr)
	}
	if strings.Contains(stdout, "organizations:AttachPolicy") {
		t.Error("rights of the second set are in the first")
	}
	for _, more := range [][]string{{"--ou", "ou-ab12-11111111", "--account", account}, nil} { // a policy names neither
		if stdout, stderr, _ := run(t, append([]string{"--print-rights", "--organization"}, more...)...); !strings.Contains(stdout, "organizations:AttachPolicy") {
			t.Errorf("rights of the second set are missing: %s", stderr)
		}
	}
}

// What the rights let somebody do beyond a run is said, and the service-linked role is of the one service that makes it.
func TestWhatTheRightsReachBeyondARunIsSaid(t *testing.T) {
	stdout, stderr, code := run(t, "--print-rights")
	for _, want := range []string{"can have every right in the account", "an existing key can be tagged"} {
		if code != 0 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, standard error lacks %q: %s", code, want, stderr)
		}
	}
	var policy struct {
		Statement []struct {
			Action    []string
			Condition map[string]map[string]string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &policy); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range policy.Statement {
		if slices.Contains(s.Action, "iam:CreateServiceLinkedRole") {
			found = s.Condition["StringEquals"]["iam:AWSServiceName"] == "apidestinations.events.amazonaws.com"
		}
	}
	if !found {
		t.Errorf("a service-linked role of any service: %s", stdout)
	}
}

// Two that have the printed rights, and no others, run the second set and leave nothing.
func TestTheRightsOfTheSecondSetAreEnoughForBothThatActInIt(t *testing.T) {
	for name, only := range map[string][]string{
		"one of the second set":    {"--question", "organizations.scp.empty-key"},
		"both sets":                {"--question", "organizations.scp.alias", "--question", "kms.trailing-days", "--question", "lambda.rotation.invoke"},
		"none of the second alone": {"--question", "secretsmanager.empty-key.condition"},
	} {
		t.Run(name, func(t *testing.T) {
			a, cache := sandboxAccount(t, management)
			const role = "Limited"
			line := append([]string{"--organization", "--ou", "ou-ab12-sandbox1", "--account", account, "--role", role}, only...)
			stdout, stderr, code := run(t, append(slices.Clone(line), "--print-rights")...)
			var policies struct{ Management, Sandbox json.RawMessage }
			if err := json.Unmarshal([]byte(stdout), &policies); err != nil || code != 0 {
				t.Fatalf("%v, exit code %d: %s", err, code, stderr)
			}
			if strings.Contains(string(policies.Sandbox), "organizations:") || !strings.Contains(string(policies.Management), "arn:aws:iam::"+account+":role/"+role) {
				t.Errorf("the rights are with the wrong one: %s", stdout)
			}
			a.AddRole(management, "Person", `{"Version":"2012-10-17","Statement":[]}`, string(policies.Management))
			a.AddRole(account, role, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+management+`:root"},"Action":"sts:AssumeRole"}]}`, string(policies.Sandbox))
			_, stderr, code = run(t, append(slices.Clone(line), "--yes")...)
			if code != 0 || made(t, a) > 0 || len(states(t, cache)) > 0 {
				t.Errorf("exit code %d, %d things and %v are left of a run at %s: %s", code, made(t, a), states(t, cache), os.Getenv("AWS_ENDPOINT_URL"), stderr)
			}
			if _, stderr, code = run(t, append(slices.Clone(line), "--cleanup", "--yes")...); code != 0 {
				t.Errorf("cleanup: exit code %d: %s", code, stderr)
			}
		})
	}
}
