package local

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/handlers/remediate"
	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
)

// batchHandler is a handler of the hub, ready to be handed batches.
type batchHandler interface {
	Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error)
}

// wire builds a function as its Lambda main does. The answer takes payloads and gives answers as the Lambda service
// writes them: what the Lambda runtime does in AWS.
func wire(ctx context.Context, name string, getenv func(string) string, now func() time.Time, log *slog.Logger) (func(context.Context, []byte) ([]byte, error), error) {
	var h batchHandler
	var err error
	switch name {
	case handlers.Detect:
		h, err = detect.Wire(ctx, getenv, now, log)
	case handlers.Alert:
		h, err = alert.Wire(ctx, getenv, now, log)
	case handlers.Remediate:
		h, err = remediate.Wire(ctx, getenv, now, log)
	case handlers.Sweep:
		h, err = sweep.Wire(ctx, getenv, now, log)
	case handlers.Watchdog:
		h, err = watchdog.Wire(ctx, getenv, now, log)
	default:
		err = fmt.Errorf("no handler is called %s", name)
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var batch events.SQSEvent
		if err := json.Unmarshal(payload, &batch); err != nil {
			return nil, fmt.Errorf("invoke %s: read payload: %w", name, err)
		}
		answer, err := h.Handle(ctx, batch)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	}, nil
}
