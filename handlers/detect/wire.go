package detect

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Detect, getenv, now, log, settings.EnvBus)
	if err != nil {
		return nil, err
	}
	handler := on(h, secrets.NewKeys(h.Cloud))
	handler.Queue = h.Queue()
	return handler, nil
}

// NewInspector lets another function have secrets inspected, in that function's name. It shares the hub, which must have
// been opened with its bus, and the keys: what the caller invalidates is described afresh here, too.
func NewInspector(h hub.Hub, keys *secrets.Keys) Inspector { return Inspector{on(h, keys)} }

func on(h hub.Hub, keys *secrets.Keys) *Handler {
	records := table.Open(h.Cloud, h.Table)
	modes := accounts.LastModes(h.Cloud, h.Runtime, &fleet.Changes{Bookmarks: records, Now: h.Now}, accounts.Memory{Answers: h.Answers(), Now: h.Now, Log: h.Log})
	approval := accounts.KeptApproval(h.Cloud, records.Documents(fleet.OriginKind), modes, h.Runtime, h.Management, h.Now)
	return &Handler{
		Secrets: secrets.Remembering(h.Cloud, h.Answers()), Keys: keys, Records: records, Bus: h.Notices(),
		Modes: modes, Moves: accounts.Moves(h.Cloud, h.Runtime), Approval: approval, Member: modes.Member, Effects: &store.Effects{Intents: records.Intents(), Worker: h.Session + "/" + rand.Text(), Now: h.Now}, Standard: guard.Standard{Approved: h.Runtime.Approved}, Waivers: h.Runtime.GuardWaivers(),
		Regions: h.Regions, Central: slices.DeleteFunc([]string{h.Account, h.Management}, func(id string) bool { return id == "" }), Now: h.Now, Later: h.Later(), Log: h.Log,
	}
}

// Inspector inspects secrets as if an event had pointed to them.
type Inspector struct{ *Handler }

// Inspect describes a secret, and records, publishes and tags what follows.
func (i Inspector) Inspect(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error {
	_, err := i.Handler.Inspect(ctx, ref, cause)
	return err
}

// Look is Inspect that says whether the secret could be looked at, or is gone: what is recorded of it is so now.
func (i Inspector) Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) (seen bool, err error) {
	outcome, err := i.Handler.Inspect(ctx, ref, cause)
	return err == nil && outcome.Action != actionUnseen && outcome.Action != actionLeft, err
}
