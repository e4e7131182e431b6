package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
)

// fakePath is all that a canary flies through, in memory.
type fakePath struct {
	secrets  map[string]bool // by ARN
	rec      guard.Record
	tags     map[string]string
	messages []string
	closed   int
	broken   map[string]error
	onLoad   func()
}

const canaryARN = "arn:aws:secretsmanager:" + home + ":" + member + ":secret:doublelock/canary/1-AbCdEf"

func newFakePath() *fakePath {
	return &fakePath{
		secrets: map[string]bool{}, broken: map[string]error{}, tags: map[string]string{"doublelock:state": "default"},
		rec:      guard.Record{Findings: []guard.Finding{{Control: guard.SecretDefaultKey}}},
		messages: []string{"about another secret", "doublelock/canary/1 is under the AWS managed key"},
	}
}

func (c *fakePath) Create(_ context.Context, name string, tags map[string]string) (string, error) {
	if name != "doublelock/canary/1" || tags["Owner"] != fleet.CanaryOwner {
		return "", fmt.Errorf("create %s %v", name, tags)
	}
	if err := c.broken["create"]; err != nil {
		return "", err
	}
	c.secrets[canaryARN] = true
	return canaryARN, nil
}

func (c *fakePath) Delete(ctx context.Context, arn string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.broken["delete"]; err != nil {
		return err
	}
	delete(c.secrets, arn)
	return nil
}

func (c *fakePath) Load(context.Context, string) (guard.Record, error) {
	if c.onLoad != nil {
		c.onLoad()
	}
	return c.rec, c.broken["load"]
}

func (c *fakePath) Tags(context.Context, guard.SecretRef) (map[string]string, error) {
	return c.tags, c.broken["tags"]
}

func (c *fakePath) Receive(context.Context) ([]string, error) {
	received := c.messages
	c.messages = nil
	return received, c.broken["receive"]
}

func (c *fakePath) Close(ctx context.Context) error {
	c.closed++
	return errors.Join(ctx.Err(), c.broken["close"])
}

func (c *fakePath) canary(mode guard.Mode) *fleet.Canary {
	return &fleet.Canary{
		Account: member, Region: home, Name: "doublelock/canary/1", Mode: mode, Maker: c, Traces: c,
		Subscribe: func(context.Context) (fleet.Subscriber, error) { return c, c.broken["listen"] },
		Patience:  20 * time.Millisecond, Pause: time.Millisecond, Now: func() time.Time { return time.Date(2026, 6, 2, 8, 0, 0, 0, time.UTC) },
	}
}

func TestCanary(t *testing.T) {
	const quick = ": took 0.0 s"
	for name, tt := range map[string]struct {
		mode   guard.Mode
		change func(*fakePath)
		want   []string
		left   bool // the secret is still there
	}{
		"all the way": {mode: guard.ModeNotify, want: []string{
			"ok created" + quick, "ok event → finding" + quick, "ok finding → tag" + quick, "ok finding → notification" + quick, "ok removed" + quick, "ok subscriber removed" + quick}},
		"where it is only recorded": {mode: guard.ModeObserve, want: []string{
			"ok created" + quick, "ok event → finding" + quick, "ok event → notification: not expected: the account is in mode observe, which only records", "ok removed" + quick}},
		"an SCP stops it": {mode: guard.ModeNotify,
			change: func(c *fakePath) {
				c.broken["create"] = fmt.Errorf("create secret: %w: User is not authorized with an explicit deny in a service control policy", guard.ErrDenied)
			},
			want: []string{"ok created: denied: with an explicit deny in a service control policy; prevention works, so there is nothing to follow", "ok subscriber removed" + quick}},
		"it cannot be made": {mode: guard.ModeObserve, change: func(c *fakePath) { c.broken["create"] = guard.ErrThrottled },
			want: []string{"unknown created: throttled", "ok removed" + quick}},
		"its role cannot be taken": {mode: guard.ModeObserve, change: func(c *fakePath) { c.broken["create"] = guard.ErrNotOurs },
			want: []string{"unknown created: not in a guarded account or Region"}},
		"nobody records it": {mode: guard.ModeNotify, change: func(c *fakePath) { c.rec = guard.Record{} },
			want: []string{"ok created" + quick, "fail event → finding: not within 20ms", "skipped finding → tag: the hop before it did not happen",
				"skipped finding → notification: the hop before it did not happen", "ok removed" + quick, "ok subscriber removed" + quick}},
		"nobody tags it": {mode: guard.ModeRemediate, change: func(c *fakePath) { c.tags = nil },
			want: []string{"ok created" + quick, "ok event → finding" + quick, "fail finding → tag: not within 20ms",
				"skipped finding → notification: the hop before it did not happen", "ok removed" + quick, "ok subscriber removed" + quick}},
		"nobody tells of it": {mode: guard.ModeNotify, change: func(c *fakePath) { c.messages = []string{"about another secret"} },
			want: []string{"ok created" + quick, "ok event → finding" + quick, "ok finding → tag" + quick, "fail finding → notification: not within 20ms",
				"ok removed" + quick, "ok subscriber removed" + quick}},
		"records cannot be read": {mode: guard.ModeObserve, change: func(c *fakePath) { c.rec, c.broken["load"] = guard.Record{}, guard.ErrDenied },
			want: []string{"ok created" + quick, "unknown event → finding: access denied", "ok event → notification: not expected: the account is in mode observe, which only records", "ok removed" + quick}},
		"nobody can subscribe": {mode: guard.ModeNotify, change: func(c *fakePath) { c.broken["listen"] = guard.ErrDenied },
			want: []string{"unknown subscriber: access denied", "ok created" + quick, "ok event → finding" + quick, "ok finding → tag" + quick, "ok removed" + quick}},
		"it cannot be removed": {mode: guard.ModeObserve, left: true, change: func(c *fakePath) { c.broken["delete"] = guard.ErrThrottled },
			want: []string{"ok created" + quick, "ok event → finding" + quick, "ok event → notification: not expected: the account is in mode observe, which only records", "fail removed: throttled"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakePath()
			if tt.change != nil {
				tt.change(c)
			}
			var got []string
			for _, r := range c.canary(tt.mode).Fly(t.Context()) {
				got = append(got, fmt.Sprintf("%s %s: %s", r.Status, r.Subject, r.Detail))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.secrets[canaryARN] != tt.left {
				t.Errorf("the secret is there: %v", c.secrets[canaryARN])
			}
		})
	}
}

// Ctrl-C ends the context in the middle: the canary and its subscriber are removed all the same.
func TestCanaryIsRemovedWhenTheUserHasHadEnough(t *testing.T) {
	c := newFakePath()
	c.rec = guard.Record{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.onLoad = cancel
	canary := c.canary(guard.ModeNotify)
	canary.Patience = time.Hour
	canary.Fly(ctx)
	if c.secrets[canaryARN] || c.closed != 1 {
		t.Errorf("the secret is there: %v, subscriber closed %d times", c.secrets[canaryARN], c.closed)
	}
}
