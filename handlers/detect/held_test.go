package detect_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// A worker died while it wrote tags. Until its lease is over the event of the next one is not broken: it must wait, and not be
// parked after five tries.
func TestAnEventThatWaitsForADeadWorkersLeaseIsNotTakenForBroken(t *testing.T) {
	w := newWorld()
	s := w.add("app", "")
	dead := store.Intent{Target: s.ARN + "|tags", Fence: 1, Owner: "dead", Lease: store.DefaultLease.String()}
	if ok, err := w.intents.SetIntent(t.Context(), dead); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err := w.handler().Inspect(t.Context(), guard.SecretRef{Account: account, Region: region, ID: s.ARN}, guard.Cause{})
	if err == nil || !guard.Passing(err) {
		t.Errorf("passing: %t, of %v", guard.Passing(err), err)
	}
}
