package watchdog

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/fleet/live/deployment"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/outbox"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Watchdog, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	c, r := h.Cloud, h.Runtime
	machine := migrations.Parts{Cloud: c, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: r, By: h.Session, Now: h.Now, Log: h.Log}.Open()
	var uses Uses
	if r.Migration.Forwards() {
		uses = machine.Reads
	}
	return &Handler{
		Heartbeat: &Coverage{
			Uses:    uses,
			Fleet:   deployment.Health(c, r, deployment.Hub{Management: h.Management, Account: h.Account, Home: h.Home, Regions: h.Regions, Reads: r.Migration.Forwards()}, accounts.Memory{Answers: h.Answers(), Now: h.Now, Log: h.Log}),
			Records: table.Open(c, h.Table), Bus: h.Notices(), Namespace: settings.MetricNamespace, Metric: settings.MetricCoverage, Now: h.Now, Log: h.Log,
		},
		Reads:   Migrations{Engine: machine.Engine, Secrets: secrets.New(c), Log: h.Log},
		Account: h.Account, Outbox: h.Notices(), Namespace: settings.MetricNamespace, Late: settings.MetricLate, TooLate: outbox.TooLate, Brake: machine.Engine.Effects, Paused: settings.MetricPaused, Now: h.Now, Later: h.Later(), Hides: h.Queue(), Log: h.Log,
	}, nil
}
