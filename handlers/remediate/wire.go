package remediate

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
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Remediate, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	c, r, keys, records := h.Cloud, h.Runtime, secrets.NewKeys(h.Cloud), table.Open(h.Cloud, h.Table)
	all := accounts.Modes(c, r, &fleet.Changes{Bookmarks: records, Now: h.Now}, h.Now)
	approval := accounts.KeptApproval(c, records.Documents(fleet.OriginKind), all, r, h.Management, h.Now)
	approval.Afresh = true
	machine := migrations.Parts{Cloud: c, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: r, By: h.Session, Now: h.Now, Log: h.Log}.Open()
	return &Handler{
		Secrets: secrets.New(c), Keys: keys, Records: records, Bus: h.Notices(), Modes: modes{all}, Inspector: detect.NewInspector(h, keys),
		Machine: machine.Engine, KeyFor: r.KeyFor, Approved: r.Approved, Approval: approval, Waivers: r.GuardWaivers(),
		By: h.Session, Source: settings.EventSource, Account: h.Account, Now: h.Now, Later: h.Later(), Hides: h.Queue(), Log: h.Log,
	}, nil
}

// modes are those of now, or none: what changes a secret rests on no answer that AWS gave before.
type modes struct{ *fleet.Modes }

func (m modes) Mode(ctx context.Context, account string, tags map[string]string) (guard.Mode, error) {
	mode, _, err := m.Modes.Mode(ctx, account, tags)
	return mode, err
}
