package migration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/store"
)

// ErrBusy says that another worker is at the secret. It is a guard.ErrConflict: it passes when that one is done.
var ErrBusy error = busy{}

// heldError is a store.ErrHeld, which says what ErrBusy does and by whom.
type heldError struct{ error }

func (e heldError) Unwrap() []error { return []error{ErrBusy, e.error} }

type busy struct{}

func (busy) Error() string { return "another worker is at this secret" }

func (busy) Is(target error) bool { return target == guard.ErrConflict }

// ErrNothingToUndo says that the migration changed nothing about a secret.
var ErrNothingToUndo = errors.New("nothing was changed that could be undone")

// ErrLeft says that these credentials may not take the role that changes secrets. That is no failure of the secret: its
// job stays as it was, and the hub's sweep goes on with it.
var ErrLeft = errors.New("left to the hub, whose sweep goes on within the hour: these credentials cannot take doublelock-change")

// Secrets looks at secrets and changes them. No method reads a value.
type Secrets interface {
	Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error)
	// Rekey sets the key, "" is the AWS managed one. It may answer success and re-encrypt nothing.
	Rekey(ctx context.Context, ref guard.SecretRef, keyARN string) error
	Rotate(ctx context.Context, ref guard.SecretRef) error
	RemoveReplica(ctx context.Context, ref guard.SecretRef, region string) error
	AddReplica(ctx context.Context, ref guard.SecretRef, region, keyARN string) error
	Tag(ctx context.Context, ref guard.SecretRef, tags map[string]string) error
	Untag(ctx context.Context, ref guard.SecretRef, names ...string) error
}

// Grants lets single principals use a key for a while.
type Grants interface {
	// Grant allows kms:Decrypt for one secret, and answers the same id when asked again under the same name.
	Grant(ctx context.Context, key guard.KeyRef, name, grantee, secretARN string) (id string, err error)
	// Retire ends a grant that Grant made. One that is gone already is no error.
	Retire(ctx context.Context, key guard.KeyRef, id string) error
	// Given lists the grants on a key: their names by their ids.
	Given(ctx context.Context, key guard.KeyRef) (map[string]string, error)
}

// Store keeps jobs. Load answers the zero Job for a secret that has none, and *store.Unreadable for one that cannot be read;
// Save answers guard.ErrConflict when somebody wrote since it was loaded, and stores it with Revision one higher than it
// came. List yields why instead of a job that cannot be read, and goes on.
type Store interface {
	Load(ctx context.Context, secret string) (Job, error)
	Save(ctx context.Context, j Job) error
	List(ctx context.Context, yield func(Job, *store.Unreadable) error) error
	// Answered reports that a denied read was answered so long ago that the job, whose Earlier counts it, does not say so.
	Answered(ctx context.Context, secret, event string) (bool, error)
}

// Preflight asks again, from what is true now, who would lose access if a secret were under a key. Of the accepted
// principals somebody said that they may.
type Preflight interface {
	Check(ctx context.Context, s guard.Secret, keyARN string, accepted []string) (Assessment, error)
	// Refusing says which lock of a secret keeps a role or user out now, and what would let it in again, from fresh policies. The
	// previous key is named as UpdateSecret takes it. It reads no CloudTrail.
	Refusing(ctx context.Context, s guard.Secret, principal, previous string) (Refusal, error)
}

// Refusal is what keeps a role or user out of a secret, whatever its sessions carry.
type Refusal struct {
	By       Lock            // LockSession where neither lock does, LockUnknown where that cannot be found out
	Previous policy.Decision // where the key does: whether the previous one would let it in
	Grant    policy.Decision // and whether a grant on the key would
}

// Trail knows who read a secret since a time.
type Trail interface {
	Reads(ctx context.Context, s guard.Secret, since time.Time) ([]Sighting, error)
}

// Bus publishes to the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Engine drives jobs. It is safe to run several of them at once, and to kill any at any time.
type Engine struct {
	Secrets   Secrets
	Grants    Grants         // nil: no grants are made
	Effects   *store.Effects // through which every change goes
	Store     Store
	Journal   store.Journal // the way back
	Counter   store.Counter // bounds changes
	Preflight Preflight
	Trail     Trail // nil: only the owner can end observing
	Bus       Bus
	// Enter takes the role that changes the secrets of an account, and changes nothing: guard.ErrNotOurs where that cannot
	// be. It is asked before every change, so that nothing is journaled that is not tried. nil: it is not asked.
	Enter func(ctx context.Context, account string) error
	// Halt says why the wave of a job must not go on, "" where it may: HaltsOf. nil: none is halted.
	Halt  func(Job) string
	Rules Rules  // of the settings: for the hub's own jobs, and for jobs that were stored without any
	By    string // whose word it is, for job and journal: our role session, or the person's
	Why   string // that a person gave for what is begun; "": no person asked
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger // of what AWS refused; nil: silence

	Spent *Spent // which limits are used up, as far as this process knows; nil: they are asked for every job
}
