// Package subscriber receives what is published to an SNS topic. It stands apart from topics and queues: no function
// subscribes.
package subscriber

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Subscriber receives what is published to a topic while it is open: through a queue of its own, subscribed to the topic.
// It is for a person who checks that messages arrive. Close removes both again.
type Subscriber struct {
	c            *cloud.Cloud
	at           session.Location
	queue        string // URL
	subscription string // ARN
}

// Subscribe makes a queue beside a topic and subscribes it, with our own credentials. What could not be finished is
// removed again.
func Subscribe(ctx context.Context, c *cloud.Cloud, topicARN, queueName string) (*Subscriber, error) {
	topic := arn.Of(topicARN)
	if topic.Service != "sns" {
		return nil, fmt.Errorf("subscribe to topic: %q is not a topic ARN", topicARN)
	}
	s := &Subscriber{c: c, at: session.Location{Account: topic.Account, Region: topic.Region}}
	if err := s.open(ctx, topicARN, queueName, topic); err != nil {
		return nil, errors.Join(session.Fail(err, "subscribe to %s", topicARN), s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Subscriber) open(ctx context.Context, topicARN, name string, topic arn.ARN) error {
	queueARN := topic.Partition.New("sqs", topic.Region, topic.Account, name).String()
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queueARN,
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": topicARN}},
	}}})
	if err != nil {
		return err
	}
	made, err := s.sqs().CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		"Policy": string(policy), "MessageRetentionPeriod": "3600",
	}})
	if err != nil {
		return err
	}
	s.queue = aws.ToString(made.QueueUrl)
	subscribed, err := s.sns().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topicARN, Protocol: aws.String("sqs"), Endpoint: &queueARN, ReturnSubscriptionArn: true,
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	if err != nil {
		return err
	}
	s.subscription = aws.ToString(subscribed.SubscriptionArn)
	return nil
}

func (s *Subscriber) sqs() *sqs.Client {
	return session.Client(s.c, s.at, sqs.NewFromConfig)
}

func (s *Subscriber) sns() *sns.Client {
	return session.Client(s.c, s.at, sns.NewFromConfig)
}

// Receive waits up to a second for messages and returns their texts. A message may come twice.
func (s *Subscriber) Receive(ctx context.Context) ([]string, error) {
	out, err := s.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
	if err != nil {
		return nil, session.Fail(err, "receive messages")
	}
	var texts []string
	for _, m := range out.Messages {
		texts = append(texts, aws.ToString(m.Body))
		if _, err := s.sqs().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return texts, session.Fail(err, "delete message")
		}
	}
	return texts, nil
}

// Close removes the subscription and the queue.
func (s *Subscriber) Close(ctx context.Context) error {
	var failed []error
	if s.subscription != "" {
		_, err := s.sns().Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &s.subscription})
		failed = append(failed, session.Fail(err, "unsubscribe %s", s.subscription))
	}
	if s.queue != "" {
		_, err := s.sqs().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &s.queue})
		failed = append(failed, session.Fail(err, "delete queue %s", s.queue))
	}
	return errors.Join(failed...)
}
