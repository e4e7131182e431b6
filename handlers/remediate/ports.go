package remediate

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Secrets is where secrets are looked at and re-keyed.
type Secrets interface {
	Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error)
	// Rekey sets the key and no value. It may answer success and re-encrypt nothing.
	Rekey(ctx context.Context, ref guard.SecretRef, keyARN string) error
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

// Journal is the way back.
type Journal interface {
	store.Journal
	List(ctx context.Context, resource string, since time.Time) ([]store.JournalEntry, error)
}

// Bus tells the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Modes tells how far the guard may go.
type Modes interface {
	Mode(ctx context.Context, account string, tags map[string]string) (guard.Mode, error)
}

// Looker records what is true of a secret now, and tells what follows.
type Looker interface {
	Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error
}

// Migrations knows who reads a secret, and looks after it once its key is set.
type Migrations interface {
	// Ready says why a secret must not be put under a key, in a sentence for its owner; "" when every reader keeps
	// access. It may answer ErrPostponed.
	Ready(ctx context.Context, s guard.Secret, keyARN string) (problem string, err error)
	// Moved takes over a secret whose change is proven. It is safe to repeat.
	Moved(ctx context.Context, n guard.Notice, begun store.JournalEntry) error
}

// Limits bounds how many secrets are changed in a clock hour. 0 allows none.
type Limits struct {
	PerHour        int
	PerAccountHour int
}

// Handler re-keys secrets. Its zero value is of no use: every field but Log and Account is needed.
type Handler struct {
	Secrets    Secrets
	Keys       Keys
	Records    Records
	Journal    Journal
	Counter    store.Counter
	Bus        Bus
	Modes      Modes
	Looker     Looker
	Migrations Migrations
	KeyFor     func(account, region string, tags map[string]string) string // key ARN or alias
	Approved   guard.Approved
	Waivers    []guard.Waiver
	Limits     Limits
	By         string // our role session, for the journal
	Source     string // what an event on the hub's bus must come from
	Account    string // and in which account; "" accepts any
	Now        func() time.Time
	Sleep      func(ctx context.Context, d time.Duration) error // between two looks at a change that AWS is still making
	Log        *slog.Logger
}

func (h *Handler) log() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}
