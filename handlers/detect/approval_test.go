package detect_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
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

// origins keeps documents by their id.
type origins map[string]store.Document

func (o origins) Load(_ context.Context, group, id string) (store.Document, error) {
	doc := o[id]
	doc.Group, doc.ID = group, id
	return doc, nil
}

func (o origins) Save(_ context.Context, doc store.Document, encode func(json.RawMessage) (json.RawMessage, error)) error {
	body, err := encode(doc.Body)
	doc.Body, doc.Revision = body, doc.Revision+1
	o[doc.ID] = doc
	return err
}

// An alias whose setter is not known approves nothing for certain: the secret is not said to be without a finding, until it is known.
func TestASecretUnderAKeyWhoseApprovalNobodyKnowsIsNotWithoutAFinding(t *testing.T) {
	w := newWorld()
	k := w.keys[cmk]
	k.Aliases, k.AliasesSet = []string{"alias/approved"}, map[string]time.Time{"alias/approved": w.now}
	w.keys[cmk] = k
	h := w.handler()
	h.Standard.Approved.Aliases, h.Approval = []string{"alias/approved"}, protecting("r-root")
	h.Approval.Now = func() time.Time { return w.now }
	h.Approval.Origins = &fleet.Origins{Documents: origins{}, Approved: h.Standard.Approved, Approver: func(role string) bool { return strings.HasSuffix(role, "/Deploy") }}
	s := w.add("app", cmk)
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1"}, w.kinds()); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
	if got := w.published[0].Describe(); got != "its key "+cmk+" is approved by alias/approved, which was set at 2026-11-21 09:00 UTC, and who set it is not known yet" {
		t.Errorf("it says %q", got)
	}
	if got := s.Tags[guard.TagControls]; got != string(guard.OrgCoverage) {
		t.Errorf("it is tagged with the controls %q", got)
	}
	handle(t, h, call{name: "UpdateAlias", alias: "alias/approved", key: cmk}.body()) // the event, of an approver
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1", "finding_resolved DL.ORG.1"}, w.kinds()); diff != "" {
		t.Errorf("published in the end (-want +got):\n%s", diff)
	}
	if got := s.Tags[guard.TagControls]; got != "none" {
		t.Errorf("it is tagged with the controls %q in the end", got)
	}
}
