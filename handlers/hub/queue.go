package hub

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/queues"
)

// Queue sends messages to the queue of the function.
type Queue struct{ cloud *cloud.Cloud }

// Queue opens it.
func (h Hub) Queue() Queue { return Queue{h.Cloud} }

// Hide keeps a message that the function received from others, from now on and for d.
func (q Queue) Hide(ctx context.Context, message events.SQSMessage, d time.Duration) error {
	return queues.Hide(ctx, q.cloud, message.EventSourceARN, message.ReceiptHandle, d)
}

// Send puts messages into the queue with an ARN.
func (q Queue) Send(ctx context.Context, queue string, bodies []string) error {
	return queues.Send(ctx, q.cloud, queue, bodies)
}
