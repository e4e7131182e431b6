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
	"github.com/doublelock/doublelock/shared/fleet/live"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	return wireAs(ctx, handlers.Detect, getenv, now, log)
}

// WireLooker builds what lets another function have secrets looked at, in that function's name.
func WireLooker(ctx context.Context, function string, getenv func(string) string, now func() time.Time, log *slog.Logger) (Looker, error) {
	h, err := wireAs(ctx, function, getenv, now, log)
	return Looker{h}, err
}

func wireAs(ctx context.Context, function string, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, function, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	return &Handler{
		Secrets: secrets.New(h.Cloud), Keys: secrets.NewKeys(h.Cloud), Records: table.Open(h.Cloud, h.Table), Bus: bus.Open(h.Cloud, h.Bus),
		Modes: live.Modes(h.Cloud, h.Runtime, h.Now), Standard: guard.Standard{Approved: h.Runtime.Approved}, Waivers: h.Runtime.GuardWaivers(),
		Now: h.Now, Log: h.Log,
	}, nil
}

// Looker looks at secrets as if an event had pointed to them.
type Looker struct{ h *Handler }

// Look looks at a secret, and records, publishes and tags what follows.
func (l Looker) Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error {
	_, err := l.h.Look(ctx, ref, cause)
	return err
}
