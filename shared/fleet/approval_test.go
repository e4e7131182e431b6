package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
)

// approvedKey is a key of an account that an alias approves, and nothing else.
func approvedKey(account string) guard.Key {
	return guard.Key{ARN: "arn:aws:kms:us-east-1:" + account + ":key/1", Account: account, Manager: guard.ManagerCustomer, Aliases: []string{"alias/ok"}, Tags: map[string]string{}}
}

// attached is a policy with these targets, or none at all.
func attached(targets ...string) []fleet.SCP {
	if len(targets) == 0 {
		return nil
	}
	return []fleet.SCP{{Name: "doublelock-approval", Content: "ours", Targets: targets}}
}

// protects judges every policy alike.
func protects(outcome guard.Outcome) func([]string, string, string) guard.Outcome {
	return func([]string, string, string) guard.Outcome { return outcome }
}

func TestAnAliasApprovesWhereTheSCPIsAttachedNow(t *testing.T) {
	const management = "111111111111"
	paths := map[string][]string{"333333333333": {"ou-guarded", "r-root"}, "444444444444": {"ou-open", "r-root"}, management: {"r-root"}}
	for name, c := range map[string]struct {
		attached []string
		account  string
		failed   error
		hub      string // the management account as the hub knows it
		want     guard.Outcome
		err      bool
		asOf     time.Time // of the path, where Organizations cannot say it now
	}{
		"on an OU above it":                           {attached: []string{"ou-guarded"}, account: "333333333333", hub: management, want: guard.Pass},
		"on the root":                                 {attached: []string{"r-root"}, account: "444444444444", hub: management, want: guard.Pass},
		"on the account itself":                       {attached: []string{"444444444444"}, account: "444444444444", hub: management, want: guard.Pass},
		"on another OU":                               {attached: []string{"ou-guarded"}, account: "444444444444", hub: management, want: guard.Fail},
		"detached from everything":                    {account: "333333333333", hub: management, want: guard.Fail},
		"the management account below the root":       {attached: []string{"r-root"}, account: management, hub: management, want: guard.Fail},
		"an account of another organization":          {attached: []string{"r-root", "999999999999"}, account: "999999999999", hub: management, want: guard.Fail},
		"the management account is not known":         {attached: []string{"r-root"}, account: "333333333333", want: guard.Unknown},
		"the hub may not look at the organization":    {failed: guard.ErrDenied, account: "333333333333", hub: management, want: guard.Unknown},
		"there is no role to look with":               {failed: guard.ErrNotOurs, account: "333333333333", hub: management, want: guard.Unknown},
		"where it was an hour ago approves nothing":   {attached: []string{"ou-guarded"}, account: "333333333333", hub: management, failed: guard.ErrUnavailable, asOf: time.Unix(1, 0), err: true},
		"Organizations is busy, which is tried again": {failed: guard.ErrThrottled, account: "333333333333", hub: management, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &fleet.Approval{
				Management: c.hub, Now: time.Now,
				SCPs: func(context.Context) ([]fleet.SCP, error) {
					if c.asOf.IsZero() {
						return attached(c.attached...), c.failed
					}
					return attached(c.attached...), nil
				},
				Protected: protects(guard.Pass),
				Path: func(_ context.Context, account string) ([]string, time.Time, error) {
					return paths[account], c.asOf, nil
				},
			}
			approved, err := a.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, approvedKey(c.account))
			if c.err {
				if !errors.Is(err, c.failed) {
					t.Errorf("error %v", err)
				}
				return
			}
			if got := approved.Allows(approvedKey(c.account), c.account); err != nil || got != c.want {
				t.Errorf("%s, error %v; want %s", got, err, c.want)
			}
		})
	}
}

// What is attached counts by what it denies, in the Regions of the keys.
func TestAnAliasApprovesByWhatThePoliciesAboveTheAccountDeny(t *testing.T) {
	const account = "333333333333"
	at := func(region string) guard.Key {
		k := approvedKey(account)
		k.ARN = "arn:aws:kms:" + region + ":" + account + ":key/1"
		return k
	}
	above := []fleet.SCP{
		{Name: "doublelock-approval", Content: "renamed", Targets: []string{"r-root"}},
		{Name: "doublelock-approval-2", Content: "elsewhere", Targets: []string{"ou-other"}},
		{Name: "doublelock-approval-3", Content: "below", Targets: []string{"ou-1", account}},
	}
	for name, c := range map[string]struct {
		east, west guard.Outcome
		keys       []guard.Key
		want       guard.Outcome
	}{
		"they deny it":                      {guard.Pass, guard.Fail, []guard.Key{at("us-east-1")}, guard.Pass},
		"they have our name, and deny less": {guard.Fail, guard.Pass, []guard.Key{at("us-east-1")}, guard.Fail},
		"what they deny is not known":       {guard.Unknown, guard.Pass, []guard.Key{at("us-east-1")}, guard.Unknown},
		"in one of two Regions":             {guard.Pass, guard.Fail, []guard.Key{at("us-east-1"), at("us-west-2")}, guard.Fail},
		"known in one of two Regions":       {guard.Unknown, guard.Pass, []guard.Key{at("us-east-1"), at("us-west-2")}, guard.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			var asked [][]string
			a := &fleet.Approval{
				Management: "111111111111", Now: time.Now,
				SCPs: func(context.Context) ([]fleet.SCP, error) { return above, nil },
				Path: func(context.Context, string) ([]string, time.Time, error) {
					return []string{"ou-1", "r-root"}, time.Time{}, nil
				},
				Protected: func(contents []string, id, region string) guard.Outcome {
					if asked = append(asked, contents); id != account {
						t.Errorf("asked about %s", id)
					}
					return map[string]guard.Outcome{"us-east-1": c.east, "us-west-2": c.west}[region]
				},
			}
			for range 2 {
				approved, err := a.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, c.keys...)
				if got := approved.Allows(c.keys[0], account); err != nil || got != c.want {
					t.Errorf("%s, error %v; want %s", got, err, c.want)
				}
			}
			if len(asked) > len(c.keys) || !cmp.Equal(asked[0], []string{"renamed", "below"}) {
				t.Errorf("judged %v, for %d Regions", asked, len(c.keys))
			}
		})
	}
}

// Organizations has a small quota: it is asked where the answer decides, and once an hour.
func TestOrganizationsIsAskedOnlyWhereItDecides(t *testing.T) {
	now, asked := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC), 0
	a := &fleet.Approval{
		Management: "111111111111", Now: func() time.Time { return now },
		SCPs:      func(context.Context) ([]fleet.SCP, error) { asked++; return attached("r-root"), nil },
		Protected: protects(guard.Pass),
		Path: func(context.Context, string) ([]string, time.Time, error) {
			return []string{"r-root"}, time.Time{}, nil
		},
	}
	byAlias := guard.Approved{Accounts: []string{"222222222222"}, Aliases: []string{"alias/ok"}}
	other := approvedKey("333333333333")
	other.Aliases = []string{"alias/other"}
	for _, k := range []guard.Key{approvedKey("222222222222"), other, {Account: "333333333333", Manager: guard.ManagerAWS}} {
		if _, err := a.Of(t.Context(), byAlias, k); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 0 {
		t.Errorf("asked %d times about keys that need no alias, or have none", asked)
	}
	var counts []int
	for _, passed := range []time.Duration{0, time.Minute, 58 * time.Minute, 2 * time.Minute} {
		now = now.Add(passed)
		if _, err := a.Of(t.Context(), byAlias, approvedKey("333333333333"), approvedKey("444444444444")); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, asked)
	}
	if diff := cmp.Diff([]int{1, 1, 1, 2}, counts); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	var nobody *fleet.Approval
	if approved, err := nobody.Of(t.Context(), byAlias, approvedKey("333333333333")); err != nil || approved.Allows(approvedKey("333333333333"), "333333333333") != guard.Unknown {
		t.Errorf("where nobody can ask: error %v", err)
	}
}

func TestWhoeverWaitsForAnotherToAskOrganizationsWaitsNoLongerThanItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		key, approved := approvedKey("111122223333"), guard.Approved{Aliases: []string{"alias/ok"}}
		a := &fleet.Approval{
			Path:       func(context.Context, string) ([]string, time.Time, error) { return []string{"r-1"}, time.Time{}, nil },
			SCPs:       func(context.Context) ([]fleet.SCP, error) { <-answer; return attached("r-1"), nil },
			Protected:  protects(guard.Pass),
			Management: "999988887777", Now: time.Now,
		}
		first := make(chan error)
		go func() {
			_, err := a.Of(t.Context(), approved, key)
			first <- err
		}()
		synctest.Wait() // the first has asked
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Of(ctx, approved, key); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second got %v, want that its time is over", err)
		}
		close(answer)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}
