package local

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers/wires"
)

// wire builds a function as its Lambda main does. The answer takes payloads and gives answers as the Lambda service
// writes them: what the Lambda runtime does in AWS.
func wire(ctx context.Context, name string, getenv func(string) string, now func() time.Time, log *slog.Logger) (func(context.Context, []byte) ([]byte, error), error) {
	build, found := wires.All()[name]
	if !found {
		return nil, fmt.Errorf("no handler is called %s", name)
	}
	h, err := build(ctx, getenv, now, log)
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
