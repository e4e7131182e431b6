package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// A policy that was detached counts as attached for a while: that is waited for, and takes no answer away.
func TestAPolicyThatIsInUseForAWhileAfterItWasDetachedIsDeleted(t *testing.T) {
	l := startPlain(t)
	refused := 0
	l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
		if c.Operation == "DeletePolicy" && refused < 3 {
			refused++
			return &core.Error{Code: "PolicyInUseException", Message: "The policy is attached to one or more entities.", Status: 400}
		}
		return nil
	}
	if r := l.ask(t, "organizations.scp.kms-layer")[0]; r.Verdict != conformance.Agrees || refused != 3 {
		t.Errorf("after %d refusals: %s %q (%s %s)", refused, r.Verdict, r.Answer, r.Reason, r.Detail)
	}
	l.Lock()
	refused = 0
	l.Unlock()
	manager := l.session(t, management, "role/Admin/me", run, unwritten)
	if err := manager.AttachPolicy(t.Context(), "late", ou, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	l.cleanup(t, run, nil)
	if left := l.left(t); slices.Contains(left, run.Name("late")) || refused != 3 {
		t.Errorf("after %d refusals: %v", refused, left)
	}
}

// An answer of the removal that is lost has the SDK ask again, and AWS refuse what is done: nothing is left.
func TestARemovalWhoseAnswersAreLostHasRemoved(t *testing.T) {
	l := startPlain(t)
	own := l.session(t, account, "role/Sandbox/me", run, unwritten)
	key, err := own.CreateKey(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := own.CreateSecret(t.Context(), "s", key)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Replicate(t.Context(), secret, far, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := own.CreateAlias(t.Context(), "alias", key); err != nil {
		t.Fatal(err)
	}
	if _, err := own.CreateRole(t.Context(), "role", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, ""); err != nil {
		t.Fatal(err)
	}
	lost := map[string]bool{}
	l.Lock()
	l.Options.Faults.Lose = func(c *core.Call) bool {
		first := !lost[c.Operation]
		for _, change := range []string{"Delete", "Remove", "Schedule"} {
			if strings.HasPrefix(c.Operation, change) && first {
				lost[c.Operation] = true
				return true
			}
		}
		return false
	}
	l.Unlock()
	removed := l.cleanup(t, run, nil)
	keys := 0
	for _, r := range removed.Gone {
		if r.Kind == sandbox.Key {
			keys++
		}
	}
	if left := l.left(t); len(left) > 0 || keys != 1 {
		t.Errorf("%d keys of %v were removed, and %v are left", keys, removed.Gone, left)
	}
	for _, operation := range []string{"RemoveRegionsFromReplication", "ScheduleKeyDeletion", "DeleteSecret", "DeleteAlias", "DeleteRole"} {
		if !lost[operation] {
			t.Errorf("no answer of %s was lost: this test sees nothing", operation)
		}
	}
}
