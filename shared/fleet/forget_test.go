package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
)

// An event says that a policy was detached, or that an account was moved: what was read before ends there.
func TestWhatIsKnownOfApprovalEndsWithAnEventOfItsChange(t *testing.T) {
	const account, open = "333333333333", "ou-open"
	now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	targets, path := []string{"ou-guarded"}, []string{"r-root", "ou-guarded"}
	modes := &fleet.Modes{
		Now: func() time.Time { return now },
		Accounts: func(context.Context) ([]fleet.Account, time.Time, error) {
			return []fleet.Account{{ID: account, Path: path, Active: true}}, time.Time{}, nil
		},
	}
	a := &fleet.Approval{
		Management: "111111111111", Now: modes.Now, Path: modes.Path, Moved: modes.Forget, Protected: protects(guard.Pass),
		SCPs: func(context.Context) ([]fleet.SCP, error) { return attached(targets...), nil },
	}
	judged := func() guard.Outcome {
		t.Helper()
		approved, err := a.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, approvedKey(account))
		if err != nil {
			t.Fatal(err)
		}
		return approved.Allows(approvedKey(account), account)
	}
	for _, step := range []struct {
		sentence string
		change   func()
		want     guard.Outcome
	}{
		{"the policy is attached above it", func() {}, guard.Pass},
		{"the policy is detached", func() { targets = nil }, guard.Fail},
		{"it is attached again", func() { targets = []string{"ou-guarded"} }, guard.Pass},
		{"the account is moved", func() { path = []string{"r-root", open} }, guard.Fail},
	} {
		step.change()
		if err := a.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := judged(); got != step.want {
			t.Errorf("%s: %s, want %s", step.sentence, got, step.want)
		}
	}
	if err := (*fleet.Approval)(nil).Forget(t.Context()); err != nil {
		t.Errorf("where nobody can ask: %v", err)
	}
}
