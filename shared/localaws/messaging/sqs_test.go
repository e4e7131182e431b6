package messaging_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func TestMessagesAreHiddenWhileTheyAreHandled(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, _ := c.makeQueue(t, hub, "work", map[string]string{"VisibilityTimeout": "30"})
	client := sqs.NewFromConfig(c.as(t, hub))
	must[*sqs.SendMessageOutput](t)(client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("hello"),
		MessageAttributes: map[string]types.MessageAttributeValue{"kind": {DataType: aws.String("String"), StringValue: aws.String("test")}}}))
	receive := func() []types.Message {
		return must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})).Messages
	}
	first := receive()
	if len(first) != 1 || *first[0].Body != "hello" || *first[0].MessageAttributes["kind"].StringValue != "test" {
		t.Fatalf("received %v", first)
	}
	if got := receive(); len(got) > 0 {
		t.Errorf("received a hidden message: %v", got)
	}
	c.now = c.now.Add(30 * time.Second)
	again := receive()
	if len(again) != 1 || again[0].Attributes["ApproximateReceiveCount"] != "2" || again[0].Attributes["SentTimestamp"] != "1772445600000" {
		t.Fatalf("received %v", again)
	}
	must[*sqs.DeleteMessageOutput](t)(client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: again[0].ReceiptHandle}))
	attributes := must[*sqs.GetQueueAttributesOutput](t)(client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "QueueArn"}})).Attributes
	want := map[string]string{"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "QueueArn": "arn:aws:sqs:eu-central-1:111122223333:work"}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("after its deletion: %s", diff)
	}
}

func TestTheMessageReceivedTooOftenGoesToTheDeadLetterQueue(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	dead, deadARN := c.makeQueue(t, hub, "dead", nil)
	url, _ := c.makeQueue(t, hub, "work", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":2}`})
	client := sqs.NewFromConfig(c.as(t, hub))
	must[*sqs.SendMessageOutput](t)(client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("poison")}))
	counts := []int{}
	for range 4 {
		out := must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}))
		counts = append(counts, len(out.Messages))
	}
	if diff := cmp.Diff([]int{1, 1, 0, 0}, counts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"poison"}, c.bodies(t, hub, dead)); diff != "" {
		t.Error(diff)
	}
}

func TestLongPollingWaitsForAMessage(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, _ := c.makeQueue(t, hub, "work", nil)
	client := sqs.NewFromConfig(c.as(t, hub))
	got := make(chan *sqs.ReceiveMessageOutput, 1)
	go func() {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
		}
		got <- out
	}()
	must[*sqs.SendMessageOutput](t)(client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}))
	if out := <-got; len(out.Messages) != 1 {
		t.Errorf("received %v", out.Messages)
	}
}

func TestABatchSendsEachOfItsMessages(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, _ := c.makeQueue(t, hub, "work", map[string]string{"MaximumMessageSize": "1024"})
	client := sqs.NewFromConfig(c.as(t, hub))
	send := func(ids, bodies []string) (*sqs.SendMessageBatchOutput, error) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i, id := range ids {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &bodies[i]})
		}
		return client.SendMessageBatch(t.Context(), in)
	}
	out := must[*sqs.SendMessageBatchOutput](t)(send([]string{"a", "b", "c"}, []string{"one", strings.Repeat("x", 1025), "three"}))
	if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "b" || !out.Failed[0].SenderFault || *out.Successful[1].Id != "c" {
		t.Errorf("sent %+v, failed %+v", out.Successful, out.Failed)
	}
	got := c.bodies(t, hub, url)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"one", "three"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := send([]string{"a", "a"}, []string{"one", "two"}); err == nil || !strings.Contains(err.Error(), "BatchEntryIdsNotDistinct") {
		t.Errorf("an id that is there twice: %v", err)
	}
	eleven := strings.Split("0123456789x", "")
	if _, err := send(eleven, eleven); err == nil || !strings.Contains(err.Error(), "TooManyEntriesInBatchRequest") {
		t.Errorf("eleven messages: %v", err)
	}
}

func TestQueueErrors(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, _ := c.makeQueue(t, hub, "work", nil)
	client := sqs.NewFromConfig(c.as(t, hub))
	for sentence, r := range map[string]struct {
		call func() error
		says string
	}{
		"a queue that does not exist": {func() error {
			_, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("none")})
			var want *types.QueueDoesNotExist
			if !errors.As(err, &want) {
				t.Errorf("err = %v, want a QueueDoesNotExist", err)
			}
			return err
		}, "does not exist"},
		"the same name with other attributes": {func() error {
			_, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{"VisibilityTimeout": "7"}})
			return err
		}, "already exists"},
		"a timeout over twelve hours": {func() error {
			_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": "43201"}})
			return err
		}, "Invalid value"},
		"an attribute that does not exist": {func() error {
			_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Colour": "red"}})
			return err
		}, "Unknown Attribute"},
		"a dead-letter queue that does not exist": {func() error {
			_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:111122223333:none","maxReceiveCount":"3"}`}})
			return err
		}, "Dead letter target does not exist"},
		"eleven messages at once": {func() error {
			_, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11})
			return err
		}, "Must be between 1 and 10"},
		"a message over 1 MiB": {func() error {
			_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
			return err
		}, "shorter than 1048576 bytes"},
		"the queue of another account without its policy": {func() error {
			_, err := sqs.NewFromConfig(c.as(t, member)).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
			return err
		}, "not authorized to perform: sqs:SendMessage"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if err := r.call(); err == nil || !strings.Contains(err.Error(), r.says) {
				t.Errorf("err = %v, want %q in it", err, r.says)
			}
		})
	}
}

func TestAMessageInFlightIsHiddenFromNowOn(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := sqs.NewFromConfig(c.as(t, hub))
	url, _ := c.makeQueue(t, hub, "work", map[string]string{"VisibilityTimeout": "600"})
	must[*sqs.SendMessageOutput](t)(client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("one")}))
	receive := func() []types.Message {
		return must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})).Messages
	}
	hide := func(receipt string, seconds int32) error {
		_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: &receipt, VisibilityTimeout: seconds})
		return err
	}
	first := *receive()[0].ReceiptHandle
	if err := hide(first, 10); err != nil {
		t.Fatal(err)
	}
	if got := receive(); len(got) != 0 {
		t.Errorf("it is received while it is hidden: %+v", got)
	}
	c.now = c.now.Add(11 * time.Second)
	for name, err := range map[string]error{"of one that is visible again": hide(first, 10), "for 13 hours": hide(*receive()[0].ReceiptHandle, 13*3600)} {
		if err == nil {
			t.Errorf("the visibility %s is changed", name)
		}
	}
}
