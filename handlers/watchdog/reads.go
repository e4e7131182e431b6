package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// Migrations answers the denied reads of secrets that are being migrated.
type Migrations struct {
	Engine *migration.Engine
	Log    *slog.Logger
}

// DeniedRead journals and answers a denied read of a migrated secret. Handed over twice it does nothing the second time.
func (m Migrations) DeniedRead(ctx context.Context, c trail.Change) error {
	secret, err := m.secret(ctx, c)
	if err != nil || secret == "" {
		return err
	}
	answer, err := m.Engine.Refused(ctx, secret, refused(c))
	if err != nil {
		return err
	}
	m.Log.InfoContext(ctx, "denied read", "event", c.EventID, "secret", secret, "account", c.Account, "region", c.Region,
		"actor", c.Actor.PrincipalARN(), "action", string(answer), "reason", c.Reason)
	return nil
}

// secret is the canonical ARN; "" for a secret that is gone, pending deletion or not ours to see.
func (m Migrations) secret(ctx context.Context, c trail.Change) (string, error) {
	if c.Secret.ID == "" {
		return "", nil
	}
	s, err := m.Engine.Secrets.Describe(ctx, c.Secret)
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
