package hub

import (
	"context"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/queues"
)

// Queue sends messages to the queue of the function.
type Queue struct{ cloud *cloud.Cloud }

// Queue opens it.
func (h Hub) Queue() Queue { return Queue{h.Cloud} }

// Send puts messages into the queue with an ARN.
func (q Queue) Send(ctx context.Context, queue string, bodies []string) error {
	return queues.Send(ctx, q.cloud, queue, bodies)
}
