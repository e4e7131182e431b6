package detect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Secrets is where secrets are described and tagged.
type Secrets interface {
	// Describe answers guard.ErrGone, ErrDenied, ErrNotOurs or ErrThrottled where it cannot answer with a secret.
	Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error)
	// Tag adds tags. Service-owned and deleted secrets answer guard.ErrRefused.
	Tag(ctx context.Context, ref guard.SecretRef, tags map[string]string) error
}

// Keys is where keys are described. What it says may be minutes old unless Invalidate is called first.
type Keys interface {
	Describe(ctx context.Context, ref guard.KeyRef) (guard.Key, error)
	Invalidate(names ...string)
	// InStore lists the keys of a custom key store, and those of its account and Region of which nobody may say where they are.
	InStore(ctx context.Context, account, region, store string) ([]guard.Key, error)
}

// Records is what is remembered of each resource.
type Records interface {
	// Load answers the zero Record for what was never seen.
	Load(ctx context.Context, resource string) (guard.Record, error)
	// Save stores the record with Revision one higher, or answers guard.ErrConflict when somebody wrote since Load.
	Save(ctx context.Context, rec guard.Record) error
	// Under lists the secrets that a key or alias leads to, and those of which nothing but that can be read.
	Under(ctx context.Context, ref guard.EntryRef) ([]guard.Entry, []store.Unreadable, error)
	// Prune takes away what leads to a secret and is not in its record.
	Prune(ctx context.Context, ref guard.EntryRef, secret string) error
	// Bookmark is what was remembered under a name; "" is nothing.
	Bookmark(ctx context.Context, name string) (string, error)
}

// Queue is the handler's own queue.
type Queue interface {
	// Send puts messages into the queue with an ARN. What was sent before an error stays there.
	Send(ctx context.Context, queue string, bodies []string) error
}

// Bus notifies the rest of the hub. Publishing again is harmless: receivers drop repeats by ID.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Modes says how far the guard may go.
type Modes interface {
	// Mode is that of now, or as of a time before where AWS Organizations cannot say where the account is; else asOf is zero.
	Mode(ctx context.Context, account string, tags map[string]string) (mode guard.Mode, asOf time.Time, err error)
}

// Moves judges accounts that were moved in the organization.
type Moves interface {
	// Lost names what bound an account under the root or OU from and does not under to. It errs where that cannot be known.
	Lost(ctx context.Context, account, from, to string) ([]string, error)
}

// Handler inspects what events point to. Its zero value is of no use: every field is needed.
type Handler struct {
	Secrets  Secrets
	Keys     Keys
	Records  Records
	Bus      Bus
	Modes    Modes
	Effects  *store.Effects // through which tags are written
	Standard guard.Standard
	Approval *fleet.Approval                                         // where aliases and tags approve keys; nil: not known
	Member   func(ctx context.Context, account string) (bool, error) // whether an account is of the organization; nil: not known
	Regions  []string                                                // guarded: where a secret may have its primary
	Central  []string                                                // accounts where CDK deploys the guard: the hub's and the management's
	Moves    Moves                                                   // nil: every move of an account is reported
	Waivers  []guard.Waiver
	Seen     func(ctx context.Context, s guard.Secret) error // hands on what was described, for others to compare; nil: nobody does
	Now      func() time.Time
	Queue    Queue          // where the secrets under a key go, each as a message of its own; nil: they are inspected at once
	Later    handlers.Later // may be nil
	Log      *slog.Logger   // one line an event: event, name, account, region, secret or key, action, reason

	seen    locations
	refused refusals
}

// sightedFor is how long a process takes it that no blind spot is recorded of a location. Another process may have opened
// one, and it must close in this one too.
const sightedFor = 5 * time.Minute

// locations remembers where an inspection succeeded, so that the record of a blind spot is not read for each event.
// Forgetting is harmless.
type locations struct {
	mu sync.Mutex
	at map[string]time.Time // when nothing was open
}

func (l *locations) has(location string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.at[location]
	return known && now.Sub(at) < sightedFor
}

func (l *locations) set(location string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[string]time.Time{}
	}
	l.at[location] = now
}

func (l *locations) forget(location string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, location)
}
