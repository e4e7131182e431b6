package queues

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// AttributeSince is the message attribute that says when a message came first that was put back: milliseconds since 1970.
const AttributeSince = "doublelockSince"

// Longest is how long a message is put back again and again, as long as its queue would keep it.
const Longest = 4 * 24 * time.Hour

// ErrTooOld is the answer to a message that came more than Longest ago.
var ErrTooOld = errors.New("it was put back for days")

// Message is a message as a function received it.
type Message struct {
	Queue string // ARN
	Body  string
	Since time.Time // when it was sent first; zero is not known
}

// Again sends a message to the queue that it came from, to be received after delay (15 minutes at most), as a new one that
// nobody received yet. The one that it copies is left to the caller. A repeat is harmless where handling one is.
func Again(ctx context.Context, c *cloud.Cloud, m Message, delay time.Duration) error {
	now := c.Options().Now()
	if m.Since.IsZero() {
		m.Since = now
	}
	if now.Sub(m.Since) > Longest {
		return fmt.Errorf("put message back into %s: %w", m.Queue, ErrTooOld)
	}
	a := arn.Of(m.Queue)
	if a.Service != "sqs" {
		return fmt.Errorf("put message back: %q is not the ARN of a queue", m.Queue)
	}
	client := session.Client(c, session.Location{Account: a.Account, Region: a.Region}, sqs.NewFromConfig)
	_, err := client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:    aws.String(urlOf(a)),
		MessageBody: &m.Body, DelaySeconds: int32(delay / time.Second), //nolint:gosec // 900 at most
		MessageAttributes: map[string]types.MessageAttributeValue{
			AttributeSince: {DataType: aws.String("Number"), StringValue: aws.String(strconv.FormatInt(m.Since.UnixMilli(), 10))},
		},
	})
	return session.Fail(err, "put message back into %s", m.Queue)
}
