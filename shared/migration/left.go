package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
)

// MayChange takes the role that changes the secrets of an account, and changes nothing. ErrLeft: these credentials may
// not. Other errors say nothing about that.
func (e *Engine) MayChange(ctx context.Context, account string) error {
	if e.Enter == nil {
		return nil
	}
	err := e.Enter(ctx, account)
	if errors.Is(err, guard.ErrNotOurs) {
		return left(account, err)
	}
	if err != nil {
		return fmt.Errorf("take doublelock-change in %s: %w", account, err)
	}
	return nil
}

// left is ErrLeft with the account, and with what was answered for the log.
func left(account string, err error) error { return &leftError{account, err} }

type leftError struct {
	account string
	cause   error
}

// Error is for people: what AWS answered names roles of the hub, and is in the cause.
func (e *leftError) Error() string { return ErrLeft.Error() + " in " + e.account }

func (e *leftError) Unwrap() []error { return []error{ErrLeft, e.cause} }

// changes reports that an action changes the secret, under the role that does.
func (a Action) changes() bool {
	return a == DoRekey || a == DoRotate || a == DoRekeyReplica || a == DoRemoveReplica || a == DoAddReplica
}

// leaveToHub ends a visit that may not change the secret: the phase stays, and the job says what it waits for.
func (v *visit) leaveToHub(ctx context.Context, doing Action, err error) Step {
	v.logRefused(ctx, string(doing), err)
	v.job.Reason = fmt.Sprintf("waiting: the role doublelock-change could not be taken in %s; the hub's sweep tries within the hour", v.job.Account)
	return Step{Action: DoWait, Reason: v.job.Reason, Left: true}
}
