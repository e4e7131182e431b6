package cloud_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/subscriber"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
)

func TestContractDoctor(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"an outline names every secret and its tags":          outline,
		"a subscriber receives and leaves nothing behind":     topicReceived,
		"an subscriber on a topic that is not leaves nothing": subscriberToNothing,
		"a member's queue is read through its role":           memberQueue,
		"a workload acts in another account by its role":      workloadElsewhere,
	})
}

func outline(t *testing.T, w *world) {
	account := w.account(t)
	want := []string{create(t, w, account, "app/a", ""), create(t, w, account, "app/b", "")}
	slices.Sort(want)
	var got []string
	err := secrets.New(w.cloud(t, nil)).Outline(t.Context(), account, region, func(s guard.Secret) error {
		if s.Account != account || s.Region != region || !strings.HasPrefix(s.Name, "app/") {
			t.Errorf("secret %+v", s)
		}
		got = append(got, s.ARN)
		return nil
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	enough := errors.New("enough")
	if err := secrets.New(w.cloud(t, nil)).Outline(t.Context(), account, region, func(guard.Secret) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func topicReceived(t *testing.T, w *world) {
	topic, err := w.sns(t).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("received")})
	if err != nil {
		t.Fatal(err)
	}
	c := w.cloud(t, nil)
	owner, err := subscriber.Subscribe(t.Context(), c, *topic.TopicArn, "doublelock-canary-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := topics.New(c).Publish(t.Context(), *topic.TopicArn, "", "hello", nil, nil); err != nil {
		t.Fatal(err)
	}
	var received []string
	for deadline := time.Now().Add(20 * time.Second); len(received) == 0 && time.Now().Before(deadline); {
		if received, err = owner.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"hello"}, received); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if err := owner.Close(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := w.sns(t).ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: topic.TopicArn})
	if err != nil || len(left.Subscriptions) > 0 {
		t.Errorf("subscriptions left: %+v, %v", left, err)
	}
	noQueue(t, w, "doublelock-canary-1")
}

func noQueue(t *testing.T, w *world, name string) {
	t.Helper()
	if out, err := w.sqs(t).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name}); err == nil {
		t.Errorf("the queue is still there: %s", *out.QueueUrl)
	}
}

func subscriberToNothing(t *testing.T, w *world) {
	c := w.cloud(t, nil)
	if _, err := subscriber.Subscribe(t.Context(), c, "arn:aws:sns:"+region+":"+hub+":never", "doublelock-canary-2"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("error %v, want ErrGone", err)
	}
	noQueue(t, w, "doublelock-canary-2")
	if _, err := subscriber.Subscribe(t.Context(), c, "arn:aws:sqs:"+region+":"+hub+":never", "doublelock-canary-3"); err == nil {
		t.Error("a queue passes for a topic")
	}
}

func memberQueue(t *testing.T, w *world) {
	account := w.account(t)
	client := sqs.NewFromConfig(w.config(t, account, region))
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("doublelock-forward-dlq")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String("lost")}); err != nil {
		t.Fatal(err)
	}
	c := w.cloud(t, nil)
	waiting, _ := held(t, client, *made.QueueUrl)
	q, err := queues.ReadMember(t.Context(), c, account, region, "doublelock-forward-dlq")
	if err != nil || q.Waiting != waiting || waiting < 1 {
		t.Errorf("queue %+v, %v, want %d waiting", q, err, waiting)
	}
	if _, err := queues.ReadMember(t.Context(), c, account, region, "never"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("error %v, want ErrGone", err)
	}
	if _, err := queues.ReadMember(t.Context(), c, "member", region, "never"); !errors.Is(err, guard.ErrNotOurs) {
		t.Errorf("error %v, want ErrNotOurs", err)
	}
}

// The read role stands for a role that somebody may take: here it is who makes the call that matters, not its rights.
func workloadElsewhere(t *testing.T, w *world) {
	account := w.account(t)
	c := w.cloud(t, nil)
	here := create(t, w, account, "app/there", "")
	if err := secrets.NewWorkloadIn(c, account, region, "doublelock-read").Describe(t.Context(), here); err != nil {
		t.Errorf("in the account: %v", err)
	}
	if err := secrets.NewWorkload(c, region).Describe(t.Context(), here); err == nil {
		t.Error("our own credentials reach another account's secret")
	}
}
