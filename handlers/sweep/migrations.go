package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Migrations moves on the migrations that wait for time, readers and owners.
type Migrations struct {
	Engine *migration.Engine
	Log    *slog.Logger
}

// Advance takes every job as far as it can go now. One that fails does not hold up the others.
func (m Migrations) Advance(ctx context.Context) error {
	jobs, unreadable, err := migration.All(ctx, m.Engine.Store)
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	for _, bad := range unreadable {
		m.Log.ErrorContext(ctx, "migration", "secret", bad.ID, "account", bad.Group, "action", "left", "reason", bad.Reason)
	}
	var failed []error
	for _, j := range jobs {
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		if why := j.Newer(); why != "" {
			m.Log.WarnContext(ctx, "migration", "secret", j.Secret, "account", j.Account, "region", j.Region, "action", "left", "reason", why)
		}
		if !j.NeedsVisit() || (j.Phase == migration.Planned && migration.Halted(jobs, j.Plan, j.Wave, m.Engine.Rules) != "") {
			continue
		}
		after, step, err := m.Engine.Advance(ctx, j.Secret)
		switch {
		case errors.Is(err, migration.ErrBusy), errors.Is(err, guard.ErrConflict), errors.Is(err, migration.ErrNewer):
		case err != nil:
			failed = append(failed, err)
		default:
			m.Log.InfoContext(ctx, "migration", "secret", j.Secret, "account", j.Account, "region", j.Region, "action", string(step.Action),
				"phase", string(after.Phase), "reason", after.Reason)
		}
	}
	return errors.Join(failed...)
}
