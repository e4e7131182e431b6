package detect_test

import (
	"context"
	"os"
	"path/filepath"
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
