package ledger

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Ledger, getenv, now, log)
	if err != nil {
		return nil, err
	}
	kept := table.Open(h.Cloud, h.Table).DocumentsFor(fleet.LedgerKind, fleet.KeepLedger)
	return &Handler{Uses: fleet.Reads{Ledger: kept, Now: h.Now}, Later: h.Later(), Log: h.Log}, nil
}
