package local_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/settings"
)

// A service that the hub stands on is down for six hours. What happened meanwhile reaches people when it is back, without
// anybody's help: a finding, which a sweep would find again, and what was tampered with, which nothing would.
func TestWhatHappensInSixHoursOfAnOutageIsNotifiedOfAfterwardsWithoutAPerson(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of an organization")
	}
	for service, name := range map[string]string{
		"sns": "SNS", "events": "EventBridge", "kms": "KMS", "organizations": "Organizations", "dynamodb": "DynamoDB", "secretsmanager": "Secrets Manager",
	} {
		t.Run(name, func(t *testing.T) {
			w := localtest.New(t)
			down := true
			w.AWS.Lock()
			w.AWS.Options.Faults.Down = func(c *core.Call) bool { return down && c.Service == service }
			w.AWS.Unlock()

			localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "made/in-the-outage", "SecretString": "x"})
			detach(t, w, "doublelock-keys")
			pass(t, w, 6*time.Hour)
			w.AWS.Lock()
			down = false
			w.AWS.Unlock()
			pass(t, w, 2*time.Hour)

			found, tampered := 0, 0
			for _, m := range w.AWS.Mailbox() {
				if m.Protocol == "email" && strings.Contains(m.Body, "made/in-the-outage is under the AWS managed key") {
					found++
				}
				if m.Protocol == "email" && strings.Contains(m.Body, " was tampered with.") {
					tampered++
				}
			}
			if found != 1 || tampered != 1 {
				t.Errorf("%d mails of the finding and %d of what was tampered with, want one each", found, tampered)
			}
			for _, worker := range w.Functions() {
				if n := parked(t, w, settings.SessionPrefix+worker+"-dlq"); n != "0" {
					t.Errorf("%s messages of %s are parked", n, worker)
				}
			}
		})
	}
}

// detach takes a policy off its unit, which is tampering.
func detach(t *testing.T, w *local.Organization, name string) {
	t.Helper()
	list := localtest.Call(t, w, local.Management, w.Home(), "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})
	policies, _ := list["Policies"].([]any)
	for _, entry := range policies {
		if policy, _ := entry.(map[string]any); policy["Name"] == name {
			localtest.Call(t, w, local.Management, w.Home(), "organizations", "DetachPolicy", map[string]any{"PolicyId": policy["Id"], "TargetId": local.GuardedOU})
		}
	}
}

// pass lets hours go by, with what the clock starts meanwhile.
func pass(t *testing.T, w *local.Organization, d time.Duration) {
	t.Helper()
	for end, beat := w.Clock.Now().Add(d), w.Clock.Now(); w.Clock.Now().Before(end); {
		if !w.Clock.Now().Before(beat) {
			localtest.Schedule(t, w, settings.TaskHeartbeat, "watchdog")
			localtest.Schedule(t, w, settings.TaskRollUp, "alert")
			beat = beat.Add(30 * time.Minute)
		}
		next := beat
		if at, waits := w.AWS.NextRetry(); waits && at.Before(next) {
			next = at
		}
		w.Clock.Advance(max(next.Sub(w.Clock.Now()), time.Second))
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// parked counts what is in a dead-letter queue.
func parked(t *testing.T, w *local.Organization, queue string) string {
	t.Helper()
	url := "https://" + w.Partition.Regional("sqs", w.Home()) + "/" + local.Hub + "/" + queue
	out := localtest.Call(t, w, local.Hub, w.Home(), "sqs", "GetQueueAttributes", map[string]any{"QueueUrl": url, "AttributeNames": []string{"All"}})
	attributes, _ := out["Attributes"].(map[string]any)
	n, _ := attributes["ApproximateNumberOfMessages"].(string)
	return n
}
