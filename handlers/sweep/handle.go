package sweep

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/trail"
)

// The scheduled tasks of this handler.
const (
	TaskSweep  = "sweep"
	TaskDigest = "digest"
)

// reserve is kept before the function's own deadline, to write down how far the sweep came.
const reserve = 20 * time.Second

// Handle takes a batch of scheduled tasks. One that failed is named in the answer and comes again. A sweep that ran out
// of time did not fail: the next one goes on where it ended.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.WhileAlive(ctx, batch, h.Hides, func(ctx context.Context) (events.SQSEventResponse, error) {
		return handlers.OneByOne(ctx, batch, reserve, h.Later, h.legible, func(ctx context.Context, message events.SQSMessage) error {
			err := h.one(ctx, []byte(message.Body))
			if err != nil {
				h.Log.ErrorContext(ctx, "task", "message", message.MessageId, "action", "failed", "error", err)
			}
			return err
		})
	})
}

func (h *Handler) one(ctx context.Context, body []byte) error {
	task, err := h.task(body)
	if err != nil {
		return err
	}
	switch task {
	case TaskSweep:
		return h.Sweep(ctx)
	case TaskDigest:
		return h.Digest(ctx)
	default:
		h.Log.WarnContext(ctx, "task", "action", "ignored", "reason", "no task of the hub")
		return nil
	}
}

func (h *Handler) legible(message events.SQSMessage) error {
	_, err := h.task([]byte(message.Body))
	return err
}

// task is what a message asks for, "" where it is none of the hub's.
func (h *Handler) task(body []byte) (string, error) {
	task, err := trail.Task(body, h.Account)
	if err == nil && task != "" && task != TaskSweep && task != TaskDigest {
		err = fmt.Errorf("task %q is not the sweep's", task)
	}
	return task, err
}
