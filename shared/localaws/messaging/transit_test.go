package messaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	hub    = "111122223333"
	member = "444455556666"
	third  = "777788889999"
	home   = "eu-central-1"
)

// cloud is a local AWS with an organization of three accounts, and a clock that the test moves.
type cloud struct {
	*localaws.AWS
	url string
	now time.Time
}

func newCloud(t testing.TB, faults localaws.Faults) *cloud {
	t.Helper()
	c := &cloud{now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	c.AWS = localaws.New(localaws.Options{Now: func() time.Time { return c.now }, Seed: 7, Faults: faults})
	c.Organization("o-exampleorg", hub)
	c.AddAccount("", member, "member")
	c.AddAccount("", third, "third")
	url, stop, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c.url = url
	return c
}

// as configures an SDK for an administrator of an account.
func (c *cloud) as(t testing.TB, account string) aws.Config {
	t.Helper()
	return c.signed(t, account, "role/Admin/dana")
}

func (c *cloud) signed(t testing.TB, account, principal string) aws.Config {
	t.Helper()
	key, err := c.Principal(account, principal)
	if err != nil {
		t.Fatal(err)
	}
	return aws.Config{Region: home, BaseEndpoint: &c.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)}
}

func (c *cloud) settle(t testing.TB) {
	t.Helper()
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// makeQueue makes a queue that EventBridge and SNS may send to, and returns URL and ARN.
func (c *cloud) makeQueue(t testing.TB, account, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:" + home + ":" + account + ":" + name
	all := map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","sns.amazonaws.com"]},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`}
	for k, v := range attributes {
		all[k] = v
	}
	out := must[*sqs.CreateQueueOutput](t)(sqs.NewFromConfig(c.as(t, account)).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: all}))
	return *out.QueueUrl, arn
}

func (c *cloud) makeRule(t testing.TB, account, bus, name, pattern string, state ebtypes.RuleState, targets ...ebtypes.Target) {
	t.Helper()
	events := eventbridge.NewFromConfig(c.as(t, account))
	must[*eventbridge.PutRuleOutput](t)(events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern, EventBusName: &bus, State: state}))
	out := must[*eventbridge.PutTargetsOutput](t)(events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: targets}))
	if out.FailedEntryCount > 0 {
		t.Fatal(*out.FailedEntries[0].ErrorMessage)
	}
}

func (c *cloud) put(t testing.TB, account, bus, source, detail string) *eventbridge.PutEventsOutput {
	t.Helper()
	return must[*eventbridge.PutEventsOutput](t)(eventbridge.NewFromConfig(c.as(t, account)).PutEvents(t.Context(), &eventbridge.PutEventsInput{
		Entries: []ebtypes.PutEventsRequestEntry{{EventBusName: &bus, Source: &source, DetailType: aws.String("Test"), Detail: &detail}}}))
}

// bodies receives and deletes everything in a queue.
func (c *cloud) bodies(t testing.TB, account, url string) []string {
	t.Helper()
	client := sqs.NewFromConfig(c.as(t, account))
	var all []string
	for {
		out := must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10}))
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			all = append(all, *m.Body)
			must[*sqs.DeleteMessageOutput](t)(client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}))
		}
	}
}

// addFunction makes a function that a queue feeds.
func (c *cloud) addFunction(t testing.TB, account, name, queue string, f localaws.Function) {
	t.Helper()
	client := lambda.NewFromConfig(c.as(t, account))
	c.AddRole(account, name, strings.ReplaceAll(trusting, "events.", "lambda."), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes"],"Resource":"`+queue+`"}]}`)
	must[*lambda.CreateFunctionOutput](t)(client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &name,
		Role: aws.String("arn:aws:iam::" + account + ":role/" + name), Code: &lambdatypes.FunctionCode{ZipFile: []byte("-")}, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Timeout: aws.Int32(60), Environment: &lambdatypes.Environment{Variables: map[string]string{"TABLE": "doublelock"}}}))
	must[*lambda.CreateEventSourceMappingOutput](t)(client.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: &name,
		EventSourceArn: &queue, BatchSize: aws.Int32(5), FunctionResponseTypes: []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures}}))
	c.RegisterFunction(account, home, name, f)
}

// numbers is the n of each event {"detail":{"n":1}} in an SQS batch, with message ids.
func numbers(t testing.TB, payload []byte) (ns []int, ids []string) {
	t.Helper()
	var batch struct {
		Records []struct{ MessageID, Body string }
	}
	if err := json.Unmarshal(payload, &batch); err != nil {
		t.Error(err)
	}
	for _, r := range batch.Records {
		var event struct{ Detail struct{ N int } }
		if err := json.Unmarshal([]byte(r.Body), &event); err != nil {
			t.Error(err)
		}
		ns, ids = append(ns, event.Detail.N), append(ids, r.MessageID)
	}
	return ns, ids
}

// pipeline is rule → queue (→ dead letters after two receives) → function.
func (c *cloud) pipeline(t testing.TB, f localaws.Function) (queue, dead string) {
	t.Helper()
	dead, deadARN := c.makeQueue(t, hub, "dead", nil)
	queue, arn := c.makeQueue(t, hub, "work", map[string]string{"VisibilityTimeout": "60",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`})
	c.makeRule(t, hub, "default", "work", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &arn})
	c.addFunction(t, hub, "work", arn, f)
	return queue, dead
}

func TestSettleFeedsFunctionsInBatches(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	var got [][]int
	c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		got = append(got, ns)
		return nil, nil
	})
	for n := range 7 {
		c.put(t, hub, "default", "test", fmt.Sprintf(`{"n":%d}`, n))
	}
	if len(got) != 0 {
		t.Fatal("something moved before Settle")
	}
	c.settle(t)
	batches := [][]int{{0, 1, 2, 3, 4}, {5, 6}}
	if diff := cmp.Diff(batches, got); diff != "" {
		t.Error(diff)
	}
	want := localaws.Stats{Events: c.Stats().Events, Matched: 7, Delivered: 7, Invocations: 2}
	if want.Events < 7 { // CloudTrail's own events of the set-up come on top
		t.Errorf("events = %d, want 7 at least", want.Events)
	}
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"TABLE": "doublelock"}, c.FunctionEnvironment(hub, home, "work")); diff != "" {
		t.Error(diff)
	}
}

func TestAFunctionMayCallBackAndCauseMoreEvents(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	var got []int
	c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		for _, n := range ns {
			if got = append(got, n); n < 3 {
				c.put(t, hub, "default", "test", fmt.Sprintf(`{"n":%d}`, n+1))
			}
		}
		return nil, nil
	})
	c.put(t, hub, "default", "test", `{"n":0}`)
	c.settle(t)
	if diff := cmp.Diff([]int{0, 1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailedItemsComeBackAfterTheVisibilityTimeoutAndEndInTheDeadLetterQueue(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	var got []int
	failing := true
	queue, dead := c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, ids := numbers(t, payload)
		got = append(got, ns...)
		i := slices.Index(ns, 1)
		if i < 0 || !failing {
			return []byte(`{"batchItemFailures":[]}`), nil
		}
		return fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, ids[i]), nil
	})
	for n := range 3 {
		c.put(t, hub, "default", "test", fmt.Sprintf(`{"n":%d}`, n))
	}
	c.settle(t)
	at, ok := c.NextRetry()
	if want := c.now.Add(time.Minute); !ok || !at.Equal(want) {
		t.Fatalf("next retry = %v %v, want %v", at, ok, want)
	}
	c.settle(t) // nothing is visible
	c.now = at
	c.settle(t)
	if at, ok = c.NextRetry(); !ok {
		t.Fatal("the second failure is not hidden")
	}
	c.now = at
	c.settle(t)
	if diff := cmp.Diff([]int{0, 1, 2, 1}, got); diff != "" {
		t.Error(diff)
	}
	if s := c.Stats(); s.InDLQ != 1 || s.DeadLettered != 1 || s.InFlight != 0 {
		t.Errorf("stats = %+v", s)
	}
	failing = false
	client := sqs.NewFromConfig(c.as(t, hub))
	must[*sqs.StartMessageMoveTaskOutput](t)(client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String("arn:aws:sqs:" + home + ":" + hub + ":dead")}))
	c.settle(t)
	if diff := cmp.Diff([]int{0, 1, 2, 1, 1}, got); diff != "" {
		t.Error(diff)
	}
	if left := append(c.bodies(t, hub, queue), c.bodies(t, hub, dead)...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestABatchFailsAsAWholeOn(t *testing.T) {
	for sentence, f := range map[string]localaws.Function{
		"an error": func(context.Context, []byte) ([]byte, error) { return nil, errors.New("boom") },
		"a panic":  func(context.Context, []byte) ([]byte, error) { panic("boom") },
		"an unknown identifier": func(context.Context, []byte) ([]byte, error) {
			return []byte(`{"batchItemFailures":[{"itemIdentifier":"x"}]}`), nil
		},
		"an answer that is broken": func(context.Context, []byte) ([]byte, error) { return []byte(`{`), nil },
	} {
		t.Run(sentence, func(t *testing.T) {
			c := newCloud(t, localaws.Faults{})
			c.pipeline(t, f)
			c.put(t, hub, "default", "test", `{"n":1}`)
			c.put(t, hub, "default", "test", `{"n":2}`)
			c.settle(t)
			if s := c.Stats(); s.InFlight != 2 || s.Invocations != 1 {
				t.Errorf("stats = %+v", s)
			}
		})
	}
}

func TestDuplicateNextDeliversTwice(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	var got []int
	c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		got = append(got, ns...)
		return nil, nil
	})
	c.DuplicateNext(1)
	c.put(t, hub, "default", "test", `{"n":1}`)
	c.put(t, hub, "default", "test", `{"n":2}`)
	c.settle(t)
	if diff := cmp.Diff([]int{1, 1, 2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReorderNextTurnsTheOrderAround(t *testing.T) {
	for sentence, c := range map[string]struct {
		hold int
		want []int
	}{
		"a pair":                      {2, []int{1, 0, 2}},
		"more than there are to come": {5, []int{2, 1, 0}},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud := newCloud(t, localaws.Faults{})
			var got []int
			cloud.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
				ns, _ := numbers(t, payload)
				got = append(got, ns...)
				return nil, nil
			})
			cloud.ReorderNext(c.hold)
			for n := range 3 {
				cloud.put(t, hub, "default", "test", fmt.Sprintf(`{"n":%d}`, n))
			}
			cloud.settle(t)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// faulty plays 40 events through a cloud that duplicates and reorders, and returns what the function saw.
func faulty(t *testing.T) ([]int, localaws.Stats) {
	c := newCloud(t, localaws.Faults{Duplicate: 0.3, Reorder: 4})
	var got []int
	c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		got = append(got, ns...)
		return nil, nil
	})
	for n := range 40 {
		c.put(t, hub, "default", "test", fmt.Sprintf(`{"n":%d}`, n))
	}
	c.settle(t)
	return got, c.Stats()
}

func TestOneSeedGivesOneOrder(t *testing.T) {
	first, stats := faulty(t)
	again, _ := faulty(t)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	if slices.IsSorted(first) || stats.Reordered == 0 {
		t.Error("nothing was reordered")
	}
	if stats.Duplicated == 0 || len(first) != 40+stats.Duplicated {
		t.Errorf("%d of 40 seen, %d duplicated", len(first), stats.Duplicated)
	}
	seen := map[int]bool{}
	for _, n := range first {
		seen[n] = true
	}
	if len(seen) != 40 {
		t.Errorf("only %d of 40 events arrived", len(seen))
	}
}

// trusting is the trust policy of a role for EventBridge.
const trusting = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

const ofOrganization = `{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}`

func TestRunDeliversByItself(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	arrived := make(chan []int, 1)
	c.pipeline(t, func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		arrived <- ns
		return nil, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(ctx) }()
	c.put(t, hub, "default", "test", `{"n":1}`)
	if diff := cmp.Diff([]int{1}, <-arrived); diff != "" {
		t.Error(diff)
	}
	cancel()
	<-ended
}

func TestSettleEndsWithItsContext(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
}
