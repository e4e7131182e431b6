package detect_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
)

// Between the event that a policy was detached and the next look there is no time in which a key counts as approved by it.
func TestAPolicyThatIsDetachedApprovesNothingFromItsEventOn(t *testing.T) {
	event, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trail", "events", "detach-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DetachPolicy", "UpdatePolicy", "DeletePolicy", "DisablePolicyType", "MoveAccount"} {
		w := newWorld()
		k := w.keys[cmk]
		k.Tags = map[string]string{"approved": "yes"}
		w.keys[cmk] = k
		targets := []string{"r-root"}
		h := w.handler()
		h.Standard.Approved.Tags, h.Approval = map[string]string{"approved": "yes"}, protecting()
		h.Approval.SCPs = func(context.Context) ([]fleet.SCP, error) { return []fleet.SCP{{Targets: targets}}, nil }
		one, two := w.add("one", cmk), w.add("two", cmk)
		handle(t, h, call{name: "CreateSecret", secret: one.ARN}.body())
		if len(w.published) > 0 {
			t.Fatalf("published %v of an approved key", w.kinds())
		}
		targets = nil
		handle(t, h, strings.Replace(string(event), `"eventName": "DetachPolicy"`, `"eventName": "`+name+`"`, 1))
		handle(t, h, call{name: "CreateSecret", secret: two.ARN}.body())
		if diff := cmp.Diff([]string{"tampered", "finding_opened DL.SECRET.5"}, w.kinds()); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", name, diff)
		}
	}
}

// The way back is as short: an owner who attaches the policy again has no finding that says that nothing protects the key.
func TestAPolicyThatBindsAgainApprovesFromItsEventOn(t *testing.T) {
	event, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trail", "events", "detach-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]string{
		"AttachPolicy": `{"policyId":"p-exampleid1","targetId":"ou-1"}`, "EnablePolicyType": `{"rootId":"r-root","policyType":"SERVICE_CONTROL_POLICY"}`,
		"UpdatePolicy": `{"policyId":"p-exampleid1"}`, "MoveAccount": `{"accountId":"111122223333","sourceParentId":"r-root","destinationParentId":"ou-1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			k := w.keys[cmk]
			k.Tags = map[string]string{"approved": "yes"}
			w.keys[cmk] = k
			var targets []string
			h := w.handler()
			h.Standard.Approved.Tags, h.Approval = map[string]string{"approved": "yes"}, protecting()
			h.Approval.SCPs = func(context.Context) ([]fleet.SCP, error) { return []fleet.SCP{{Targets: targets}}, nil }
			one, two := w.add("one", cmk), w.add("two", cmk)
			handle(t, h, call{name: "CreateSecret", secret: one.ARN}.body())
			targets = []string{"r-root"}
			body := strings.Replace(string(event), `"eventName": "DetachPolicy"`, `"eventName": "`+name+`"`, 1)
			handle(t, h, regexp.MustCompile(`(?s)"requestParameters": \{.*?\}`).ReplaceAllString(body, `"requestParameters": `+request))
			handle(t, h, call{name: "CreateSecret", secret: two.ARN}.body())
			want := []string{"finding_opened DL.SECRET.5"} // of the first secret
			if name == "UpdatePolicy" {
				want = append(want, "tampered")
			}
			if diff := cmp.Diff(want, w.kinds()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}
