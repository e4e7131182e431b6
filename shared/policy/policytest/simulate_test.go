package policytest_test

import (
	"errors"
	"os"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/judge"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

const root = "../../.." // of the repository

// TestAgreesWithSimulator compares our answers with those of npm @cloud-copilot/iam-simulate, run as a process. Every
// difference is explained in differences, and an explanation that is no longer needed fails as well.
func TestAgreesWithSimulator(t *testing.T) {
	if _, err := judge.Opinions(t.Context(), root, []any{}); errors.Is(err, judge.ErrNotInstalled) {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	compared, seen := 0, map[string]bool{}
	for file, list := range loadCases(t) {
		var sent []any
		for _, c := range list {
			if _, beyond := beyondSimulator(c.(map[string]any)); !beyond {
				sent = append(sent, c)
			}
		}
		cases, err := policytest.Read(sent)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, theirs := range simulate(t, sent) {
			compared++
			compare(t, cases[i], theirs, seen)
		}
	}
	for name := range differences {
		if !seen[name] {
			t.Errorf("no case differs any more, or there is none: %q", name)
		}
	}
	if compared < 200 {
		t.Errorf("only %d cases were compared", compared)
	}
	t.Logf("%d cases compared, %d explained differences", compared, len(seen))
}

func compare(t *testing.T, c policytest.Case, theirs judge.Opinion, seen map[string]bool) {
	t.Helper()
	ours := policytest.Run(c)
	why, explained := differences[c.Name]
	switch {
	case theirs.Answer == ours.Decision.Answer && explained:
		t.Errorf("%s: no difference, but one is explained: %s", c.Name, why)
	case theirs.Answer == ours.Decision.Answer:
	case theirs.Error != "" && len(ours.Decision.Unreadable) > 0 && ours.Decision.Answer == policy.Unknown:
		// both find a document that AWS would refuse
	case explained:
		seen[c.Name] = true
	case theirs.Error != "":
		t.Errorf("%s: the simulator cannot answer: %s; we say %s", c.Name, theirs.Error, ours.Decision.Answer)
	default:
		t.Errorf("%s: the simulator says %s, we %s: %s", c.Name, theirs.Answer, ours.Decision.Answer, ours.Decision.Why)
	}
}

// beyondSimulator tells cases about things that the simulator does not know.
func beyondSimulator(c map[string]any) (why string, beyond bool) {
	request, _ := c["request"].(map[string]any)
	principal, _ := request["principal"].(map[string]any)
	switch {
	case c["grants"] != nil:
		return "KMS grants", true
	case c["managementAccount"] != nil:
		return "the management account", true
	case request["unknownContext"] != nil:
		return "unknown context", true
	case principal != nil && principal["type"] != "Anonymous":
		return "principals with more than an ARN", true
	case c["name"] == "a policy given as text is parsed":
		return "policies as text", true
	}
	return "", false
}

func simulate(t *testing.T, cases []any) []judge.Opinion {
	t.Helper()
	if len(cases) == 0 {
		return nil
	}
	opinions, err := judge.Opinions(t.Context(), root, cases)
	if err != nil {
		t.Fatal(err)
	}
	if len(opinions) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(opinions), len(cases))
	}
	return opinions
}
