package local_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/testdata/config"
)

// recorded finds the record of a resource whose ARN contains a text.
func recorded(t *testing.T, w *local.Organization, part string) (found guard.Record) {
	t.Helper()
	err := w.Records.All(t.Context(), func(rec guard.Record, _ *store.Unreadable) error {
		if strings.Contains(rec.Resource, part) {
			found = rec
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func createSecret(t *testing.T, w *local.Organization, account, region, name string) {
	t.Helper()
	keys, err := w.AWS.Principal(account, "role/Engineer/you")
	if err != nil {
		t.Fatal(err)
	}
	client, err := w.Open(t.Context(), region, keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.NewWorkload(client, region).Create(t.Context(), secrets.NewSecret{Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// inEveryPartition runs a test in the organization of each.
func inEveryPartition(t *testing.T, test func(*testing.T, *local.Organization)) {
	for _, partition := range config.Partitions() {
		t.Run(string(partition), func(t *testing.T) { test(t, localtest.In(t, partition)) })
	}
}

// The forward rules are off, so no event reports a new secret: the sweep finds it, the heartbeat finds the silence,
// and both end when they should.
func TestWhatNoEventReportsIsFoundByTheClock(t *testing.T) {
	inEveryPartition(t, whatNoEventReportsIsFoundByTheClock)
}

func whatNoEventReportsIsFoundByTheClock(t *testing.T, w *local.Organization) {
	rules := []string{"doublelock-secret-changes", "doublelock-labels"} // either would report a new secret
	for _, rule := range rules {
		localtest.Call(t, w, local.Search, w.Second(), "events", "DisableRule", map[string]any{"Name": rule})
	}
	createSecret(t, w, local.Search, w.Second(), "not/reported")
	if rec := recorded(t, w, "not/reported"); rec.Revision > 0 {
		t.Fatalf("it was reported: %+v", rec)
	}

	localtest.Schedule(t, w, settings.TaskSweep, "sweep")
	rec := recorded(t, w, "not/reported")
	if rec.State != guard.StateDefault || len(rec.Open()) == 0 {
		t.Errorf("after the sweep: %+v", rec)
	}

	localtest.Schedule(t, w, settings.TaskHeartbeat, "watchdog")
	silent := recorded(t, w, w.Partition.New("events", w.Second(), local.Search, "").String())
	open := silent.Open()
	if len(open) != 1 || open[0].Control != guard.OrgCoverage || !strings.Contains(open[0].Describe(), "doublelock-labels: state is DISABLED") {
		t.Errorf("after the heartbeat: %+v", silent)
	}
	if !slices.ContainsFunc(w.AWS.Mailbox(), func(m localaws.Mail) bool { return strings.Contains(m.Subject, "Doublelock cannot look here") }) {
		t.Error("nobody was notified of the silence")
	}

	for _, rule := range rules {
		localtest.Call(t, w, local.Search, w.Second(), "events", "EnableRule", map[string]any{"Name": rule})
	}
	localtest.Schedule(t, w, settings.TaskHeartbeat, "watchdog")
	if open := recorded(t, w, w.Partition.New("events", w.Second(), local.Search, "").String()).Open(); len(open) > 0 {
		t.Errorf("after the rule was enabled: %+v", open)
	}
}

// Organizations writes its events in one Region of each partition, which in China is not where the hub is.
func TestADetachedPolicyIsNoticed(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, w *local.Organization) {
		list := localtest.Call(t, w, local.Management, w.Home(), "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})
		policies, _ := list["Policies"].([]any)
		for _, entry := range policies {
			if policy, _ := entry.(map[string]any); policy["Name"] == "doublelock-keys" {
				localtest.Call(t, w, local.Management, w.Home(), "organizations", "DetachPolicy", map[string]any{"PolicyId": policy["Id"], "TargetId": local.GuardedOU})
			}
		}
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := map[arn.Partition]string{arn.Standard: "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1"}[w.Partition]
		if !slices.ContainsFunc(w.AWS.Mailbox(), func(m localaws.Mail) bool {
			return strings.Contains(m.Subject, "was tampered with (111111111111 "+at+")") && strings.Contains(m.Body, "DetachPolicy on p-")
		}) {
			t.Errorf("nobody was notified: %+v", w.AWS.Mailbox())
		}
	})
}

func TestTheDigestReachesOwners(t *testing.T) {
	w := localtest.New(t)
	createSecret(t, w, local.Search, w.Home(), "left/open")
	w.Clock.Advance(24 * time.Hour)
	before := len(w.AWS.Mailbox())
	localtest.Schedule(t, w, settings.TaskDigest, "sweep")
	localtest.Schedule(t, w, settings.TaskDigest, "sweep")
	news := slices.DeleteFunc(w.AWS.Mailbox()[before:], func(m localaws.Mail) bool { return m.Protocol != "email" })
	if len(news) != 1 || !strings.Contains(news[0].Subject, "1 resource still needs you") {
		t.Errorf("messages: %+v", news)
	}
}
