package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Sweep, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	c, r := h.Cloud, h.Runtime
	machine := migrations.Parts{Cloud: c, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: r, By: h.Session, Now: h.Now, Log: h.Log}.Open()
	jobs := &Migrations{Engine: machine.Engine, Concurrency: c.Options().Concurrency, Log: h.Log}
	inspector := detect.NewInspector(h, secrets.NewKeys(c))
	inspector.Seen = jobs.Compare
	return &Handler{
		Accounts: enrolled{accounts.LastEnrolled(c, r, h.Management, accounts.Memory{Answers: h.Answers(), Now: h.Now, Log: h.Log})}, Regions: h.Regions, Secrets: secrets.New(c), Records: table.Open(c, h.Table),
		Inspector: inspector, Concurrency: c.Options().Concurrency, Jobs: jobs, Bus: h.Notices(), Directory: h.Directory(),
		Account: h.Account, Home: h.Home, Table: h.Table, Waivers: r.GuardWaivers(), Now: h.Now, Later: h.Later(), Hides: h.Queue(), Log: h.Log,
	}, nil
}

// enrolled are the accounts that have the member stack, by their ids.
type enrolled struct{ fleet.Enrolled }

func (e enrolled) Accounts(ctx context.Context) ([]string, error) {
	found, err := e.Enrolled.Accounts(ctx)
	ids := make([]string, 0, len(found))
	for _, account := range found {
		ids = append(ids, account.ID)
	}
	return ids, err
}
