package queues

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
)

// batch is how many messages a call sends. Source: API reference, SendMessageBatch: at most 10.
const batch = 10

// Send puts messages into the queue with an ARN, several calls at a time. One that was not taken is an error, and those that
// were taken stay: whoever sends again sends them twice.
func Send(ctx context.Context, c *cloud.Cloud, queue string, bodies []string) error {
	a := arn.Of(queue)
	if a.Service != "sqs" {
		return fmt.Errorf("send messages: %q is not the ARN of a queue", queue)
	}
	client := session.Client(c, session.Location{Account: a.Account, Region: a.Region}, sqs.NewFromConfig)
	pool := c.Workers()
	var err error
	for part := range slices.Chunk(bodies, batch) {
		if err = pool.Do(ctx, func() error { return sendBatch(ctx, client, a, part) }); err != nil {
			break
		}
	}
	return session.Fail(errors.Join(err, pool.Wait()), "send messages to %s", queue)
}

func sendBatch(ctx context.Context, client *sqs.Client, a arn.ARN, bodies []string) error {
	in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(urlOf(a))}
	for i, body := range bodies {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body})
	}
	out, err := client.SendMessageBatch(ctx, in)
	if err != nil {
		return err
	}
	if len(out.Failed) == 0 {
		return nil
	}
	first := out.Failed[0]
	err = fmt.Errorf("%d of %d messages were not taken: %s", len(out.Failed), len(bodies), aws.ToString(first.Code))
	if !first.SenderFault {
		err = fmt.Errorf("%w: %w", guard.ErrUnavailable, err)
	}
	return err
}

func urlOf(a arn.ARN) string {
	return "https://" + arn.PartitionOf(a.Region).Regional("sqs", a.Region) + "/" + a.Account + "/" + a.Base()
}
