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

// Engine answers denied reads of migrated secrets.
type Engine interface {
	Refused(ctx context.Context, secret string, r migration.Refused) (migration.Answer, error)
	// Find is the ARN of a secret that is being migrated, by what somebody calls it; "" is none of them.
	Find(ctx context.Context, ref guard.SecretRef) (string, error)
}

// Secrets looks at secrets.
type Secrets interface {
	Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error)
}

// Migrations answers the denied reads of secrets that are being migrated.
type Migrations struct {
	Engine  Engine
	Secrets Secrets
	Log     *slog.Logger
}

// DeniedRead journals and answers a denied read of a migrated secret. Handed over twice it does nothing the second time. One
// whose secret cannot be looked at is stored with the migration, which answers it as soon as it can be.
func (m Migrations) DeniedRead(ctx context.Context, c trail.Change) error {
	if c.Secret.ID == "" {
		return nil
	}
	s, unseen := m.Secrets.Describe(ctx, c.Secret)
	secret := s.ARN
	switch {
	case errors.Is(unseen, guard.ErrGone), unseen == nil && s.PendingDeletion(): // nobody reads it, whatever its key
		return nil
	case unseen == nil && s.IsReplica(): // the migration is its primary's
		secret = arn.Of(s.ARN).In(s.PrimaryRegion).String()
	case unseen != nil:
		var err error
		if secret, err = m.Engine.Find(ctx, c.Secret); err != nil {
			return fmt.Errorf("look at the secret that was not read: %w", errors.Join(unseen, err))
		}
		if secret == "" { // no migration has it, whatever it is
			return nil
		}
	}
	refused := refusedBy(c, s)
	if region := c.Secret.Region; region != "" && region != arn.Of(secret).Region {
		refused.Region = region
	}
	answer, err := m.Engine.Refused(ctx, secret, refused)
	log := m.Log.With("event", c.EventID, "secret", secret, "account", c.Account, "region", c.Region, "actor", refused.Principal, "lock", string(refused.By))
	switch {
	case errors.Is(err, migration.ErrKept) && !guard.Passing(err): // no delivery of the event changes that
		log.WarnContext(ctx, "denied read", "action", "kept", "error", err)
		return nil
	case err != nil:
		return err
	}
	log.InfoContext(ctx, "denied read", "action", string(answer), "reason", c.Reason)
	return nil
}

// kmsHost is who records that the key refused a call on the way of a read. The read itself may have gone on with another key.
const kmsHost = "kms.amazonaws.com"

// refusedBy reads out of an event which lock refused a read, as far as it says: an event of KMS says it, and so does an
// error code about the key, or any that is no denial while the key cannot be used. The code of a denial by Secrets
// Manager is the same for both locks, and the text of a message is no evidence: that takes a fresh look.
func refusedBy(c trail.Change, s guard.Secret) migration.Refused {
	out := migration.Refused{Principal: c.Actor.PrincipalARN(), EventID: c.EventID, At: c.Time.UTC(), Read: c.EventSource != kmsHost}
	switch {
	case c.EventSource == kmsHost && c.Denied():
		out.By = migration.LockKey
		if arn.Is(c.Key.ID) {
			out.What = "kms:Decrypt on " + c.Key.ID
		}
	case c.EventSource == kmsHost, aboutKey(c.ErrorCode), !c.Denied() && unusable(s):
		out.By, out.What = migration.LockKey, "a key that can be used ("+c.ErrorCode+")"
	}
	return out
}

// aboutKey reports whether Secrets Manager's error code is that of a key that could not decrypt. Source: GetSecretValue,
// API reference, "Errors".
func aboutKey(code string) bool {
	return code == "DecryptionFailure" || code == "DecryptionFailureException"
}

// unusable reports that no key that opens the current version can be used. It is false where the versions or the state
// of one of their keys are not known.
func unusable(s guard.Secret) bool {
	current, found := guard.CopiesOf(s).Current()
	return found && current.Life().Opens == guard.OpensNo
}
