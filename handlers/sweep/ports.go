package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/store"
)

// Accounts lists the accounts that hold anything worth inspecting.
type Accounts interface {
	Accounts(ctx context.Context) ([]string, error)
}

// Secrets lists what is there.
type Secrets interface {
	// Outline yields every secret of an account and Region by its ARN, name and tags. It answers guard.ErrDenied or
	// guard.ErrNotOurs where we may not look.
	Outline(ctx context.Context, account, region string, yield func(guard.Secret) error) error
}

// Records is what is remembered.
type Records interface {
	All(ctx context.Context, yield func(guard.Record) error) error
	store.Bookmarks
}

// Inspector inspects one secret as if an event had pointed to it. It is safe for concurrent use.
type Inspector interface {
	Inspect(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error
}

// Jobs moves on what takes longer than one event.
type Jobs interface {
	Advance(ctx context.Context) error
}

// Bus notifies the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Handler sweeps and digests. Jobs may be nil.
type Handler struct {
	Accounts    Accounts
	Regions     []string // guarded Regions
	Secrets     Secrets
	Records     Records
	Inspector   Inspector
	Jobs        Jobs
	Bus         Bus
	Directory   notify.Directory
	Account     string // the hub's: tasks of others are ignored
	Concurrency int    // inspections at a time; 0 is 8
	Now         func() time.Time
	Log         *slog.Logger // one line a task, one for each location or secret that failed
}
