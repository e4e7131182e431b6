package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// lastWords is an organization that may be down, and what was kept of it.
type lastWords struct {
	fleet.Organization
	accounts []fleet.Account
	err      error
	asked    int
	kept     map[string]store.Answer
}

func (o *lastWords) Accounts(context.Context) ([]fleet.Account, error) {
	o.asked++
	return o.accounts, o.err
}

func (o *lastWords) Last(_ context.Context, question string) (store.Answer, error) {
	return o.kept[question], nil
}

func (o *lastWords) Keep(_ context.Context, question string, a store.Answer) error {
	o.kept[question] = a
	return nil
}

var nine = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func TestTheAccountsThatWereListedLastStandInForADay(t *testing.T) {
	now := nine
	o := &lastWords{accounts: []fleet.Account{{ID: "111122223333", Name: "shop", Path: []string{"r-1", "ou-1"}, Active: true}}, kept: map[string]store.Answer{}}
	r := fleet.Remembered{Organization: o, Answers: o, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	list := func(age time.Duration, wantErr error, wantAsOf time.Time) {
		t.Helper()
		now = nine.Add(age)
		got, asOf, err := r.Last(t.Context())
		if !errors.Is(err, wantErr) || !asOf.Equal(wantAsOf) {
			t.Errorf("after %s: as of %s, %v, want %s, %v", age, asOf, err, wantAsOf, wantErr)
		}
		if diff := cmp.Diff(o.accounts, got); wantErr == nil && diff != "" {
			t.Errorf("after %s (-want +got):\n%s", age, diff)
		}
	}
	o.err = guard.ErrUnavailable
	list(0, guard.ErrUnavailable, time.Time{}) // nobody ever listed them
	o.err = nil
	list(0, nil, time.Time{})
	o.err = guard.ErrUnavailable
	list(time.Hour, nil, nine)
	o.err = guard.ErrNotOurs // the role is gone
	list(24*time.Hour, nil, nine)
	list(24*time.Hour+time.Second, guard.ErrNotOurs, time.Time{})
	o.err = nil
	list(48*time.Hour, nil, time.Time{})
}

func TestModesInAWarmProcess(t *testing.T) {
	now := nine
	o := &lastWords{accounts: []fleet.Account{{ID: "111122223333", Path: []string{"r-1", "ou-notify"}}}, kept: map[string]store.Answer{}}
	r := fleet.Remembered{Organization: o, Answers: o, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	modes := &fleet.Modes{
		Of: func(_ string, path []string, _ map[string]string) guard.Mode {
			if len(path) > 0 && path[0] == "ou-notify" {
				return guard.ModeNotify
			}
			return guard.ModeObserve
		},
		ByPath: func(string) bool { return true }, Accounts: r.Last, Now: func() time.Time { return now },
	}
	for _, step := range []struct {
		sentence string
		age      time.Duration
		err      error
		account  string
		mode     guard.Mode
		asOf     time.Time
		asked    int // in all
		wantErr  bool
	}{
		{"asked", 0, nil, "111122223333", guard.ModeNotify, time.Time{}, 1, false},
		{"believed for an hour", 59 * time.Minute, nil, "111122223333", guard.ModeNotify, time.Time{}, 1, false},
		{"asked again", time.Hour, nil, "111122223333", guard.ModeNotify, time.Time{}, 2, false},
		{"an account that is not there", time.Hour, nil, "999988887777", guard.ModeObserve, time.Time{}, 2, false},
		{"it may have joined: asked again", 65 * time.Minute, nil, "999988887777", guard.ModeObserve, time.Time{}, 3, false},
		{"down", 3 * time.Hour, guard.ErrUnavailable, "111122223333", guard.ModeNotify, nine.Add(65 * time.Minute), 4, false},
		{"down, and not asked for each event", 3*time.Hour + 59*time.Second, guard.ErrUnavailable, "111122223333", guard.ModeNotify, nine.Add(65 * time.Minute), 4, false},
		{"an account that was not there has no mode by an old list", 3*time.Hour + 59*time.Second, guard.ErrUnavailable, "999988887777", "", time.Time{}, 4, true},
		{"back within a minute", 3*time.Hour + time.Minute, nil, "111122223333", guard.ModeNotify, time.Time{}, 5, false},
		{"down for longer than a day", 28*time.Hour + 2*time.Minute, guard.ErrUnavailable, "111122223333", "", time.Time{}, 6, true},
	} {
		now, o.err = nine.Add(step.age), step.err
		mode, asOf, err := modes.Mode(t.Context(), step.account, nil)
		if mode != step.mode || !asOf.Equal(step.asOf) || (err != nil) != step.wantErr || o.asked != step.asked {
			t.Errorf("%s: %q as of %s, %v, asked %d times; want %q as of %s, asked %d times", step.sentence, mode, asOf, err, o.asked, step.mode, step.asOf, step.asked)
		}
		if step.wantErr && !errors.Is(err, guard.ErrUnavailable) {
			t.Errorf("%s: %v, want one that passes", step.sentence, err)
		}
		member, err := modes.Member(t.Context(), step.account)
		if known := step.err == nil; known != (err == nil) || member != (known && step.mode == guard.ModeNotify) {
			t.Errorf("%s: a member: %v, %v", step.sentence, member, err)
		}
	}
}
