package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Migrations moves on the migrations that wait for time, readers and owners.
type Migrations struct {
	Engine      *migration.Engine
	Concurrency int           // jobs at a time; 0 is 4
	PerJob      time.Duration // 0 is a minute
	Log         *slog.Logger

	mu      sync.Mutex
	resting map[string]migration.Job // as they were listed last, by secret
}

// Compare compares a secret that was just described with the job that rests, if it has one. It calls nobody but where they
// differ.
func (m *Migrations) Compare(ctx context.Context, s guard.Secret) error {
	m.mu.Lock()
	j, rests := m.resting[s.ARN]
	m.mu.Unlock()
	if !rests {
		return nil
	}
	err := m.Engine.Compare(ctx, j, s)
	if errors.Is(err, migration.ErrBusy) || errors.Is(err, guard.ErrConflict) || errors.Is(err, migration.ErrNewer) {
		return nil // the next sweep compares again
	}
	return err
}

// rest remembers the jobs that nobody moves on.
func (m *Migrations) rest(jobs []migration.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resting = map[string]migration.Job{}
	for _, j := range jobs {
		if j.Phase.Resting() || j.Phase == migration.Sealed {
			m.resting[j.Secret] = j
		}
	}
}

const (
	perJob      = time.Minute // a job that takes longer ends there; its neighbours come to their turn
	jobsAtATime = 4
)

// Advance takes every job as far as it can go now. One that fails or hangs holds up none of the others: what is out of
// reach says so by itself, in a notice and with a date (see migration.Stuck), and comes last.
func (m *Migrations) Advance(ctx context.Context) error {
	jobs, unreadable, err := migration.All(ctx, m.Engine.Store)
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	for _, bad := range unreadable {
		m.Log.ErrorContext(ctx, "migration", "secret", bad.ID, "account", bad.Group, "action", "left", "reason", bad.Reason)
	}
	for _, j := range jobs {
		if why := j.Newer(); why != "" {
			m.Log.WarnContext(ctx, "migration", "secret", j.Secret, "account", j.Account, "region", j.Region, "action", "left", "reason", why)
		}
	}
	m.rest(jobs)
	engine, halts := *m.Engine, migration.HaltsOf(jobs, m.Engine.Rules)
	engine.Halt = halts.Of
	due := slices.DeleteFunc(slices.Clone(jobs), func(j migration.Job) bool {
		return !j.NeedsVisit() || m.Engine.Idle(j) || j.Phase == migration.Planned && halts.Of(j) != ""
	})
	slices.SortStableFunc(due, func(a, b migration.Job) int { return cmp.Compare(rank(a), rank(b)) })
	var group errgroup.Group
	group.SetLimit(cmp.Or(m.Concurrency, jobsAtATime))
	for _, j := range due {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			m.one(ctx, &engine, j)
			return nil // logged: one that fails holds up no other
		})
	}
	_ = group.Wait() // no job answers an error
	if ctx.Err() != nil {
		m.Log.WarnContext(ctx, "migrations", "action", "postponed", "jobs", len(due), "reason", "out of time; the next sweep goes on")
	}
	return nil
}

// rank has jobs that are out of reach wait for those that are not.
func rank(j migration.Job) int {
	if j.Stuck != nil {
		return 1
	}
	return 0
}

func (m *Migrations) one(ctx context.Context, engine *migration.Engine, j migration.Job) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(m.PerJob, perJob))
	defer cancel()
	after, step, err := engine.Advance(ctx, j.Secret)
	log := m.Log.With("secret", j.Secret, "account", j.Account, "region", j.Region)
	switch {
	case errors.Is(err, migration.ErrBusy), errors.Is(err, guard.ErrConflict), errors.Is(err, migration.ErrNewer):
		log.InfoContext(ctx, "migration", "action", "postponed", "reason", err.Error())
	case err != nil:
		log.ErrorContext(ctx, "migration", "action", "failed", "error", err)
	default:
		log.InfoContext(ctx, "migration", "action", string(step.Action), "phase", string(after.Phase), "reason", after.Reason)
	}
}
