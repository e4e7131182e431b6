package remediate

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Secrets is where secrets are looked at.
type Secrets interface {
	Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error)
}

// Keys is where keys are looked at. A key that does not exist is an answer: guard.KeyMissing.
type Keys interface {
	Describe(ctx context.Context, ref guard.KeyRef) (guard.Key, error)
	Invalidate(names ...string)
}

// Records is what is remembered of each resource.
type Records interface {
	Load(ctx context.Context, resource string) (guard.Record, error)
}

// Bus publishes to the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Modes says how far the guard may go.
type Modes interface {
	Mode(ctx context.Context, account string, tags map[string]string) (guard.Mode, error)
}

// Inspector records what is true of a secret now, and publishes what follows.
type Inspector interface {
	Inspect(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error
}

// Machine is what changes secrets: *migration.Engine.
type Machine interface {
	// Resume ends what an earlier delivery of the same order began; false: nothing was.
	Resume(ctx context.Context, order guard.Notice) (migration.Job, bool, error)
	Order(ctx context.Context, o migration.Order) (migration.Job, migration.Step, error)
}

// Handler decides and orders. Its zero value is of no use: every field but Account is needed.
type Handler struct {
	Secrets   Secrets
	Keys      Keys
	Records   Records
	Bus       Bus
	Modes     Modes
	Inspector Inspector
	Machine   Machine
	KeyFor    func(account, region string, tags map[string]string) string // key ARN or alias
	Approved  guard.Approved
	Approval  *fleet.Approval // where aliases and tags approve keys; nil: not known
	Waivers   []guard.Waiver
	By        string // our role session, as the actor of what is recorded
	Source    string // what an event on the hub's bus must come from
	Account   string // and in which account; "" accepts any
	Now       func() time.Time
	Later     handlers.Later // may be nil
	Hides     handlers.Hides // may be nil
	Log       *slog.Logger
}
