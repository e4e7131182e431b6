package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/arn"
)

// Ear hears what is published to a topic while it is open: a queue of its own, subscribed to the topic. It is for a
// person who checks that messages arrive. Close removes both again.
type Ear struct {
	c            *Cloud
	at           place
	queue        string // URL
	subscription string // ARN
}

// Listen makes a queue beside a topic and subscribes it, with our own credentials. What could not be finished is
// removed again.
func (c *Cloud) Listen(ctx context.Context, topicARN, queueName string) (*Ear, error) {
	topic := arn.Of(topicARN)
	if topic.Service != "sns" {
		return nil, fmt.Errorf("listen to topic: %q is not a topic ARN", topicARN)
	}
	e := &Ear{c: c, at: place{account: topic.Account, region: topic.Region}}
	if err := e.open(ctx, topicARN, queueName, topic); err != nil {
		return nil, errors.Join(fail(err, "listen to %s", topicARN), e.Close(context.WithoutCancel(ctx)))
	}
	return e, nil
}

func (e *Ear) open(ctx context.Context, topicARN, name string, topic arn.ARN) error {
	queueARN := topic.Partition.New("sqs", topic.Region, topic.Account, name).String()
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queueARN,
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": topicARN}},
	}}})
	if err != nil {
		return err
	}
	made, err := e.sqs().CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		"Policy": string(policy), "MessageRetentionPeriod": "3600",
	}})
	if err != nil {
		return err
	}
	e.queue = aws.ToString(made.QueueUrl)
	subscribed, err := e.sns().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topicARN, Protocol: aws.String("sqs"), Endpoint: &queueARN, ReturnSubscriptionArn: true,
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	if err != nil {
		return err
	}
	e.subscription = aws.ToString(subscribed.SubscriptionArn)
	return nil
}

func (e *Ear) sqs() *sqs.Client {
	return clientFor(e.c, "sqs", e.at, func(cfg aws.Config) *sqs.Client { return sqs.NewFromConfig(cfg) })
}

func (e *Ear) sns() *sns.Client {
	return clientFor(e.c, "sns", e.at, func(cfg aws.Config) *sns.Client { return sns.NewFromConfig(cfg) })
}

// Hear waits up to a second for messages and returns their texts. A message may be heard twice.
func (e *Ear) Hear(ctx context.Context) ([]string, error) {
	out, err := e.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &e.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
	if err != nil {
		return nil, fail(err, "receive messages")
	}
	var texts []string
	for _, m := range out.Messages {
		texts = append(texts, aws.ToString(m.Body))
		if _, err := e.sqs().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &e.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return texts, fail(err, "delete message")
		}
	}
	return texts, nil
}

// Close removes the subscription and the queue.
func (e *Ear) Close(ctx context.Context) error {
	var failed []error
	if e.subscription != "" {
		_, err := e.sns().Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &e.subscription})
		failed = append(failed, fail(err, "unsubscribe %s", e.subscription))
	}
	if e.queue != "" {
		_, err := e.sqs().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &e.queue})
		failed = append(failed, fail(err, "delete queue %s", e.queue))
	}
	return errors.Join(failed...)
}
