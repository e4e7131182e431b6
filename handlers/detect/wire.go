package detect

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	return wireAs(ctx, handlers.Detect, getenv, now, log)
}

// WireInspector builds what lets another function have secrets inspected, in that function's name.
func WireInspector(ctx context.Context, function string, getenv func(string) string, now func() time.Time, log *slog.Logger) (Inspector, error) {
	h, err := wireAs(ctx, function, getenv, now, log)
	return Inspector{h}, err
}

func wireAs(ctx context.Context, function string, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, function, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	return &Handler{
		Secrets: secrets.New(h.Cloud), Keys: secrets.NewKeys(h.Cloud), Records: table.Open(h.Cloud, h.Table), Bus: bus.Open(h.Cloud, h.Bus),
		Modes: accounts.Modes(h.Cloud, h.Runtime, h.Now), Standard: guard.Standard{Approved: h.Runtime.Approved}, Waivers: h.Runtime.GuardWaivers(),
		Now: h.Now, Log: h.Log,
	}, nil
}

// Inspector inspects secrets as if an event had pointed to them.
type Inspector struct{ h *Handler }

// Inspect describes a secret, and records, publishes and tags what follows.
func (i Inspector) Inspect(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error {
	_, err := i.h.Inspect(ctx, ref, cause)
	return err
}
