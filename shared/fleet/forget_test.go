package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
)

// bookmarks are those of a table, which may be away, and how often they were read.
type bookmarks struct {
	marks map[string]string
	err   error
	reads int
}

func (b *bookmarks) Bookmark(_ context.Context, name string) (string, error) {
	b.reads++
	return b.marks[name], b.err
}

func (b *bookmarks) SetBookmark(_ context.Context, name, value string) error {
	if b.err == nil {
		b.marks[name] = value
	}
	return b.err
}

// An event says that a policy was detached, or that an account was moved: what was read before ends there, in the process that
// read the event at once, and in every other within a minute.
func TestWhatIsKnownOfApprovalEndsWithAnEventOfItsChange(t *testing.T) {
	const account, open = "333333333333", "ou-open"
	now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	targets, path := []string{"ou-guarded"}, []string{"r-root", "ou-guarded"}
	table := &bookmarks{marks: map[string]string{}}
	process := func() *fleet.Approval {
		clock := func() time.Time { return now }
		changes := &fleet.Changes{Bookmarks: table, Now: clock}
		modes := &fleet.Modes{
			Now: clock, Changes: changes,
			Accounts: func(context.Context) ([]fleet.Account, time.Time, error) {
				return []fleet.Account{{ID: account, Path: path, Active: true}}, time.Time{}, nil
			},
		}
		return &fleet.Approval{
			Management: "111111111111", Now: clock, Path: modes.Path, Changes: changes, Protected: protects(guard.Pass),
			SCPs: func(context.Context) ([]fleet.SCP, error) { return attached(targets...), nil },
		}
	}
	reader, other := process(), process()
	judged := func(a *fleet.Approval) guard.Outcome {
		t.Helper()
		approved, err := a.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, approvedKey(account))
		if err != nil {
			t.Fatal(err)
		}
		return approved.Allows(approvedKey(account), account)
	}
	was := guard.Pass
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
		if got := judged(reader); got != was {
			t.Errorf("%s, and nothing said so: %s, want %s", step.sentence, got, was)
		}
		if err := reader.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := judged(reader); got != step.want {
			t.Errorf("%s: %s, want %s", step.sentence, got, step.want)
		}
		now = now.Add(time.Minute)
		if got := judged(other); got != step.want {
			t.Errorf("%s, and another process read of it: %s, want %s", step.sentence, got, step.want)
		}
		was = step.want
	}
	reads := table.reads
	for range 5 {
		judged(reader)
		judged(other)
	}
	if table.reads > reads+1 { // the reader's minute is over
		t.Errorf("ten questions read the table %d times", table.reads-reads)
	}
	now, table.err = now.Add(time.Minute), guard.ErrUnavailable
	if _, err := other.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, approvedKey(account)); !errors.Is(err, guard.ErrUnavailable) {
		t.Errorf("whether something has changed cannot be asked: %v", err)
	}
	if err := reader.Forget(t.Context()); !errors.Is(err, guard.ErrUnavailable) {
		t.Errorf("it cannot be recorded: %v", err)
	}
	if err := (*fleet.Approval)(nil).Forget(t.Context()); err != nil {
		t.Errorf("where nobody can ask: %v", err)
	}
}
