package operate

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Operate, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	machine := migrations.Parts{Cloud: h.Cloud, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: h.Runtime, By: h.Session, Now: h.Now, Log: h.Log}.Open()
	return &Handler{
		Machine: machine.Engine, Dispatch: migrations.Dispatch(h.Cloud, h.Table), Operator: getenv(settings.EnvOperator),
		Session: func(name string) string {
			return arn.PartitionOf(h.Home).New("sts", "", h.Account, "assumed-role/"+settings.RoleOperator+"/"+name).String()
		},
		Hides: h.Queue(), Now: h.Now, Log: h.Log,
	}, nil
}
