package guard_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestAKeyIsUnusableOnlyWhereItsStateSaysSo(t *testing.T) {
	for state, want := range map[guard.KeyState]bool{
		guard.KeyEnabled: false, guard.KeyUpdating: false, guard.KeyCreating: false, guard.KeyStateUnknown: false,
		guard.KeyDisabled: true, guard.KeyPendingDeletion: true, guard.KeyPendingReplicaDeletion: true, guard.KeyPendingImport: true,
		guard.KeyUnavailable: true, guard.KeyMissing: true, "Resting": false,
	} {
		if got := inState(ownKey, state).Unusable(); got != want {
			t.Errorf("a key in state %q: %v, want %v", state, got, want)
		}
	}
}
