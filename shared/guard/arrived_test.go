package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
)

// A copy of another account's secret is shown how its replication stands, and is measured by it in its own account.
func TestACopyOfAnotherAccountsSecretIsSealedOnlyWhereItHasArrived(t *testing.T) {
	const primary = "arn:aws:secretsmanager:eu-central-1:444455556666:secret:db-AbCdEf"
	for status, want := range map[string]struct {
		state   guard.LockState
		outcome guard.Outcome
		says    string
	}{
		"InSync":     {guard.StateSealed, guard.Pass, ""},
		"Failed":     {guard.StateUnknown, guard.Fail, "replication to account 111122223333 failed, so what is read there is not known to be what the secret holds; Secrets Manager says: the key is disabled."},
		"Pending":    {guard.StateUnknown, guard.Unknown, "account 111122223333"},
		"InProgress": {guard.StateUnknown, guard.Unknown, "account 111122223333"},
		"Detached":   {guard.StateUnknown, guard.Unknown, "account 111122223333"},
		"":           {guard.StateUnknown, guard.Unknown, "account 111122223333"}, // it was not kept
		"Resting":    {guard.StateUnknown, guard.Unknown, "account 111122223333"}, // of next year
	} {
		s := secret(ownKey, ownKey)
		s.CopyOf, s.CopyStatus = primary, status
		if status == "Failed" {
			s.CopyMessage = "the key is disabled."
		}
		if got := guard.StateOf(s, ""); got != want.state {
			t.Errorf("%q: it is %s, want %s", status, got, want.state)
		}
		verdicts := guard.Evaluate(s, guard.Standard{}, now)
		at := slices.IndexFunc(verdicts, func(v guard.Verdict) bool { return v.Control.ID == guard.SecretReplicaKey })
		if v := verdicts[at]; v.Outcome != want.outcome || !strings.Contains(v.Describe(), want.says) {
			t.Errorf("%q: %s is %s: %s, want %s: %s", status, guard.SecretReplicaKey, v.Outcome, v.Describe(), want.outcome, want.says)
		}
	}
	empty := secret(ownKey)
	empty.Versions, empty.CopyOf, empty.CopyStatus = nil, primary, "Pending"
	if got := guard.StateOf(empty, ""); got != guard.StateUnknown {
		t.Errorf("one that holds no version yet is %s", got)
	}
	dual := secret(ownKey, ownKey, awsKey)
	dual.CopyOf, dual.CopyStatus = primary, "Failed"
	if got := guard.StateOf(dual, ""); got != guard.StateDual {
		t.Errorf("one that opens with an older key is %s", got)
	}
}
