package conformance_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// What is attached to the OU of the sandbox account refuses nothing to others who work in it.
func TestTheServiceControlPoliciesOfARunDenyItsOwnRoleAlone(t *testing.T) {
	l := startPlain(t)
	var contents []string
	l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
		if c.Operation == "CreatePolicy" {
			var in struct{ Content string }
			if err := json.Unmarshal(c.Input, &in); err != nil {
				return err
			}
			contents = append(contents, in.Content)
		}
		return nil
	}
	var ids []string
	for _, q := range conformance.Questions() {
		if q.Need == conformance.NeedsOrganization {
			ids = append(ids, q.ID)
		}
	}
	for _, r := range l.ask(t, ids...) {
		if r.Verdict != conformance.Agrees {
			t.Errorf("%s: %s %s %s", r.Question, r.Verdict, r.Reason, r.Detail)
		}
	}
	l.Lock()
	l.Options.Faults.Refuse = nil
	l.Unlock()
	if len(contents) < len(ids) {
		t.Fatalf("%d policies for %d questions", len(contents), len(ids))
	}
	organizations := func(operation string, input map[string]any) map[string]any {
		out, err := l.As("test.amazonaws.com", management, "us-east-1", "organizations", operation, input)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	other := l.session(t, account, "role/Other/me", run, unwritten)
	key, err := other.CreateKey(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for n, content := range contents {
		made := organizations("CreatePolicy", map[string]any{"Name": "again", "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": content})
		id := made["Policy"].(map[string]any)["PolicySummary"].(map[string]any)["Id"]
		organizations("AttachPolicy", map[string]any{"PolicyId": id, "TargetId": ou})
		for _, under := range []string{key, ""} {
			secret, err := other.CreateSecret(t.Context(), fmt.Sprintf("other-%d-%t", n, under == ""), under)
			if err != nil {
				t.Errorf("%s denies another: %v", content, err)
				continue
			}
			for _, next := range []string{key, ""} {
				if err := other.SetKey(t.Context(), secret, next); err != nil {
					t.Errorf("%s denies another: %v", content, err)
				}
			}
		}
		organizations("DetachPolicy", map[string]any{"PolicyId": id, "TargetId": ou})
		organizations("DeletePolicy", map[string]any{"PolicyId": id})
	}
}
