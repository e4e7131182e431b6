package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/ledger"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

const secret = "arn:aws:secretsmanager:eu-central-1:333333333333:secret:app/db-AbCdEf"

var (
	at = time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
)

// kept is what was noted, by who, what and day.
type kept struct {
	uses  map[string]bool
	calls int
	pulse []time.Time
	err   error
}

func (k *kept) Note(_ context.Context, at migration.Location, id string, found []migration.Sighting) error {
	k.calls++
	if k.err != nil {
		return k.err
	}
	for _, f := range found {
		k.uses[fmt.Sprintf("%s %s %s %s %s %s", at.Account, id, f.Principal, f.Does, f.Version, f.Last.Format(time.DateOnly))] = true
	}
	return nil
}

func (k *kept) Pulse(_ context.Context, _ migration.Location, sent time.Time) error {
	k.pulse = append(k.pulse, sent)
	return nil
}

func handler() (*ledger.Handler, *kept) {
	k := &kept{uses: map[string]bool{}}
	return &ledger.Handler{Uses: k, Log: slog.New(slog.DiscardHandler)}, k
}

// event is CloudTrail's record of a call, as EventBridge forwards it.
func event(name, role string, when time.Time, request string) string {
	service := "secretsmanager"
	if name == "DescribeRule" {
		service = "events"
	}
	return fmt.Sprintf(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.%[5]s","account":"333333333333","time":%[3]q,"region":"eu-central-1","resources":[],
		"detail":{"eventVersion":"1.11","eventID":"e","eventName":%[1]q,"eventSource":"%[5]s.amazonaws.com","eventTime":%[3]q,"awsRegion":"eu-central-1","recipientAccountId":"333333333333",
		"eventType":"AwsApiCall","readOnly":true,"managementEvent":true,"requestParameters":%[4]s,"responseElements":null,
		"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::333333333333:assumed-role/%[2]s/doublelock-task","accountId":"333333333333",
		"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::333333333333:role/%[2]s","accountId":"333333333333","userName":%[2]q}}}}}`,
		name, role, when.Format(time.RFC3339), request, service)
}

func read(role string, when time.Time, version string) string {
	return event("GetSecretValue", role, when, fmt.Sprintf(`{"secretId":%q,"versionStage":%q}`, secret, version))
}

func look(role string, when time.Time) string {
	return event("DescribeRule", role, when, `{"name":"doublelock-reads"}`)
}

func handle(t *testing.T, h *ledger.Handler, bodies ...string) (failed []string) {
	t.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprint("m", i), Body: body})
	}
	answer, err := h.Handle(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

func TestWhoUsedASecretIsKeptByPrincipalVersionAndDayAlone(t *testing.T) {
	h, k := handler()
	failed := handle(t, h, read("app", at, "AWSCURRENT"), read("app", at.Add(time.Hour), "AWSPREVIOUS"), read("app", at.Add(24*time.Hour), ""),
		event("PutSecretValue", "writer", at, fmt.Sprintf(`{"secretId":%q}`, secret)), event("TagResource", "tagger", at, fmt.Sprintf(`{"secretId":%q}`, secret)),
		read("doublelock-read", at, "AWSCURRENT"))
	want := map[string]bool{}
	for _, line := range []string{"app reads  2026-06-01", "app reads AWSPREVIOUS 2026-06-01", "app reads  2026-06-02", "writer writes  2026-06-01"} {
		want["333333333333 "+secret+" arn:aws:iam::333333333333:role/"+line] = true
	}
	if diff := cmp.Diff(want, k.uses); diff != "" || len(failed) > 0 {
		t.Errorf("failed %v, kept (-want +got):\n%s", failed, diff)
	}
}

// A process asks the table once a day for each principal, however often the secret is read.
func TestASecretThatIsReadAllDayIsWrittenOnceADayForEachPrincipal(t *testing.T) {
	h, k := handler()
	random := rand.New(rand.NewPCG(1, 1))
	var storm []string
	for i := range 3000 {
		body := read(fmt.Sprint("app-", i%3), at.Add(time.Duration(i)*29*time.Second), "") // 24 hours
		storm = append(storm, body)
		if i%2 == 0 {
			storm = append(storm, body)
		}
	}
	random.Shuffle(len(storm), func(i, j int) { storm[i], storm[j] = storm[j], storm[i] })
	for len(storm) > 0 {
		n := min(100, len(storm))
		if failed := handle(t, h, storm[:n]...); len(failed) > 0 {
			t.Fatalf("failed %v", failed)
		}
		storm = storm[n:]
	}
	if k.calls > 6 || len(k.uses) != 6 { // three principals, two days
		t.Errorf("%d writes, kept %v", k.calls, k.uses)
	}
}

func TestOurOwnLookAtTheRuleIsThePulse(t *testing.T) {
	h, k := handler()
	failed := handle(t, h, look("doublelock-read", at), look("doublelock-read", at.Add(time.Minute)), look("somebody", at.Add(time.Hour)),
		event("DescribeRule", "doublelock-read", at.Add(time.Hour), `{"name":"doublelock-labels"}`))
	if diff := cmp.Diff([]time.Time{at.Add(time.Minute)}, k.pulse); diff != "" || len(failed) > 0 || len(k.uses) > 0 {
		t.Errorf("failed %v, kept %v, pulses (-want +got):\n%s", failed, k.uses, diff)
	}
}

// A pulse says that what was read before it was kept.
func TestAPulseDoesNotOvertakeReadsThatCouldNotBeKept(t *testing.T) {
	h, k := handler()
	k.err = guard.ErrThrottled
	bodies := []string{read("app", at, ""), read("app", at, ""), look("doublelock-read", at.Add(time.Minute)), "{"}
	if diff := cmp.Diff([]string{"m0", "m1", "m2", "m3"}, handle(t, h, bodies...)); diff != "" || len(k.pulse) > 0 {
		t.Errorf("pulses %v, failed (-want +got):\n%s", k.pulse, diff)
	}
	k.err = nil
	if failed := handle(t, h, bodies[:3]...); len(failed) > 0 || len(k.pulse) != 1 || len(k.uses) != 1 {
		t.Errorf("again: failed %v, pulses %v, kept %v", failed, k.pulse, k.uses)
	}
}

// What cannot be kept because the document is broken is not tried for days, and not taken for kept.
func TestReadsOfABrokenDocumentAreGivenUpAndNotRemembered(t *testing.T) {
	h, k := handler()
	k.err = fmt.Errorf("note: %w", &store.Unreadable{ID: secret})
	for range 2 {
		if failed := handle(t, h, read("app", at, "")); len(failed) > 0 {
			t.Errorf("failed %v", failed)
		}
	}
	if k.calls != 2 {
		t.Errorf("tried %d times, want each time", k.calls)
	}
}
