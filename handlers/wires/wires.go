// Package wires builds every handler by its name, as its Lambda main does: for the local run and for tests.
//
// It links all of them, so no Lambda imports it.
package wires

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Handler is a function of the hub, ready to be handed batches.
type Handler interface {
	Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error)
}

// Wire builds a handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
type Wire func(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (Handler, error)

func of[H Handler](build func(context.Context, func(string) string, func() time.Time, *slog.Logger) (H, error)) Wire {
	return func(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (Handler, error) {
		return build(ctx, getenv, now, log)
	}
}
