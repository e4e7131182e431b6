package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
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
	// All yields every record; of a row that cannot be read why.
	All(ctx context.Context, yield func(guard.Record, *store.Unreadable) error) error
	// Load answers the zero Record for what was never seen.
	Load(ctx context.Context, resource string) (guard.Record, error)
	// Save answers guard.ErrConflict when somebody wrote since Load.
	Save(ctx context.Context, rec guard.Record) error
	store.Bookmarks
	Quarantine
}

// Quarantine keeps copies of rows that could not be read.
type Quarantine interface {
	// Quarantined yields them all, those that ended too.
	Quarantined(ctx context.Context, yield func(store.Quarantined) error) error
	// Original is the row that was copied, as it is now.
	Original(ctx context.Context, q store.Quarantined) (store.Original, error)
	// End says how it ended. One that has ended keeps its end.
	End(ctx context.Context, name, how string) error
}

// Inspector inspects one secret as if an event had pointed to it. It is safe for concurrent use.
type Inspector interface {
	// Look says whether it could be looked at, or is gone.
	Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) (seen bool, err error)
	// Silent notes that calls to an account and Region are not answered, while those to others are: its coverage finding opens.
	Silent(ctx context.Context, account, region string) error
	// Revisit closes the blind spot that a location is, if it can be looked into again.
	Revisit(ctx context.Context, account, region string) error
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
	Home        string // Region of the hub
	Table       string // name of the hub's table
	Waivers     []guard.Waiver
	Concurrency int           // inspections at a time in an account; 0 is 8
	PerAccount  time.Duration // before the other accounts had their turn; 0 is three minutes
	Now         func() time.Time
	Later       handlers.Later // may be nil
	Hides       handlers.Hides // may be nil
	Log         *slog.Logger   // one line a task, one for each location or secret that failed
}
