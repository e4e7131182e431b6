package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) sqs() *sqs.Client { return session.Client(s.c, s.at(), sqs.NewFromConfig) }

// CreateQueue makes a queue that EventBridge may send to for rules of the account, and answers its URL and ARN.
func (s *Session) CreateQueue(ctx context.Context, what string) (url, queueARN string, err error) {
	name, err := s.intend(Queue, what)
	if err != nil {
		return "", "", err
	}
	queueARN = s.Partition().New("sqs", s.region, s.account, name).String()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage",
		"Resource":%q,"Condition":{"StringEquals":{"aws:SourceAccount":%q}}}]}`, queueARN, s.account)
	out, err := s.sqs().CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"Policy": policy}, Tags: map[string]string{TagKey: string(s.run)}})
	if err != nil {
		return "", "", session.Fail(err, "create queue %s", name)
	}
	return aws.ToString(out.QueueUrl), queueARN, nil
}

// Event is what an event says of where it comes from.
type Event struct {
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
}

// Waiting are some of the events in a queue. They stay there: the same may be seen later again.
func (s *Session) Waiting(ctx context.Context, url string) ([]Event, error) {
	out, err := s.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
	if err != nil {
		return nil, session.Fail(err, "receive from queue")
	}
	events := make([]Event, len(out.Messages))
	for at, m := range out.Messages {
		if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &events[at]); err != nil {
			return nil, fmt.Errorf("decode event in queue: %w", err)
		}
	}
	return events, nil
}

func (s *Session) removeQueue(ctx context.Context, name string) error {
	out, err := s.sqs().GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return session.Fail(err, "find queue %s", name)
	}
	tags, err := s.sqs().ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: out.QueueUrl})
	if err != nil {
		return session.Fail(err, "list tags of queue %s", name)
	}
	if !s.run.owns(name, tags.Tags[TagKey]) {
		return notOurs(Queue, name)
	}
	_, err = s.sqs().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	return session.Fail(err, "delete queue %s", name)
}

func (s *Session) findQueues(ctx context.Context) ([]string, error) {
	prefix := s.run.prefix()
	var names []string
	pages := sqs.NewListQueuesPaginator(s.sqs(), &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(1000)}) // without, there is no next page
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list queues")
		}
		for _, url := range page.QueueUrls {
			names = append(names, url[strings.LastIndexByte(url, '/')+1:])
		}
	}
	return names, nil
}
