package hub

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/queues"
)

// Later puts messages back into the queue of the function, while AWS is down.
type Later struct {
	cloud *cloud.Cloud
	log   *slog.Logger
}

// Later opens it.
func (h Hub) Later() Later { return Later{h.Cloud, h.Log} }

// Postpone sends a copy of the message to the queue that it came from. The caller then has handled the message itself.
func (l Later) Postpone(ctx context.Context, message events.SQSMessage, delay time.Duration) error {
	err := queues.Again(ctx, l.cloud, queues.Message{Queue: message.EventSourceARN, Body: message.Body, Since: since(message)}, delay)
	if err != nil {
		l.log.ErrorContext(ctx, "put message back", "message", message.MessageId, "action", "failed", "error", err)
		return err
	}
	l.log.WarnContext(ctx, "put message back", "message", message.MessageId, "action", "postponed", "reason", "AWS could not be asked", "for", delay.String())
	return nil
}

// since is when a message was sent first.
func since(message events.SQSMessage) time.Time {
	sent := message.Attributes["SentTimestamp"]
	if first := message.MessageAttributes[queues.AttributeSince].StringValue; first != nil {
		sent = *first
	}
	at, err := strconv.ParseInt(sent, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(at)
}
