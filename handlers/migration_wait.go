package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// waiting moves on what waits for time, readers and owners. It is what the sweep does beside looking.
type waiting struct {
	m   *Migrations
	log *slog.Logger
}

// Advance takes every job as far as it can go now. One that fails does not hold up the others.
func (w waiting) Advance(ctx context.Context) error {
	var jobs []migration.Job
	err := w.m.Store.List(ctx, func(j migration.Job) error {
		jobs = append(jobs, j)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	var failed []error
	for _, j := range jobs {
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		if !j.NeedsVisit() || (j.Phase == migration.Planned && migration.Halted(jobs, j.Wave, w.m.Engine.Rules) != "") {
			continue
		}
		after, step, err := w.m.Engine.Advance(ctx, j.Secret)
		switch {
		case errors.Is(err, migration.ErrBusy), errors.Is(err, guard.ErrConflict):
		case err != nil:
			failed = append(failed, err)
		default:
			w.log.InfoContext(ctx, "migration", "secret", j.Secret, "account", j.Account, "region", j.Region, "action", string(step.Action),
				"phase", string(after.Phase), "reason", after.Reason)
		}
	}
	return errors.Join(failed...)
}

// refusals answer the denied reads of known readers. It is what the watchdog does with a denied read.
type refusals struct {
	m   *Migrations
	log *slog.Logger
}

// Refusals is what the watchdog does with a denied read.
func (m *Migrations) Refusals(log *slog.Logger) watchdog.Reads { return refusals{m, log} }

// Waiting is what the sweep moves on.
func (m *Migrations) Waiting(log *slog.Logger) sweep.Jobs { return waiting{m, log} }

// DeniedRead journals and answers a denied read of a migrated secret. Handed over twice it does nothing the second time.
func (r refusals) DeniedRead(ctx context.Context, c trail.Change) error {
	arn, err := r.secret(ctx, c)
	if err != nil || arn == "" {
		return err
	}
	answer, err := r.m.Engine.Refused(ctx, arn, refused(c))
	if err != nil {
		return err
	}
	r.log.InfoContext(ctx, "denied read", "event", c.EventID, "secret", arn, "account", c.Account, "region", c.Region,
		"actor", c.Actor.PrincipalARN(), "action", string(answer), "reason", c.Reason)
	return nil
}

// secret is the canonical ARN; "" for a secret that is gone, pending deletion or not ours to see.
func (r refusals) secret(ctx context.Context, c trail.Change) (string, error) {
	if c.Secret.ID == "" {
		return "", nil
	}
	s, err := r.m.Engine.Secrets.Describe(ctx, c.Secret)
	if errors.Is(err, guard.ErrGone) || errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrNotOurs) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the secret that was not read: %w", err)
	}
	if s.PendingDeletion() { // nobody reads it, whatever its key
		return "", nil
	}
	return s.ARN, nil
}

// refused reads out of the event what the machine judges by.
func refused(c trail.Change) migration.Refused {
	out := migration.Refused{Principal: c.Actor.PrincipalARN(), EventID: c.EventID, At: c.Time.UTC()}
	out.Key = !c.Denied() || c.EventSource == "kms.amazonaws.com"
	out.Unclear = !out.Key // Secrets Manager answers the same code for the secret and for its key
	switch {
	case !c.Denied():
		out.What = "a key that can be used (" + c.ErrorCode + ")"
	case out.Key && arn.Is(c.Key.ID):
		out.What = "kms:Decrypt on " + c.Key.ID
	}
	return out
}
