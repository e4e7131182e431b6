package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// approvals finds out where aliases and tags approve keys, by the SCPs that AWS Organizations says are attached: what a
// configuration file says of them proves nothing. AWS is asked when the first key hangs on it. It is safe for concurrent use.
type approvals struct {
	cloud   *cloud.Cloud
	runtime settings.Runtime
	now     func() time.Time

	once     sync.Once
	approval *fleet.Approval // nil: nobody says
	failed   sync.Once       // an error is said a single time
}

// of completes what approves keys. What AWS does not say stays unknown; an error says why, unless it is that the caller may not ask.
func (a *approvals) of(ctx context.Context, approved guard.Approved, keys []guard.Key) (guard.Approved, error) {
	if len(approved.DependsOn(keys...)) == 0 {
		return approved, nil
	}
	var why error
	a.once.Do(func() { why = a.ask(ctx) })
	known, err := a.approval.Of(ctx, approved, keys...)
	if err != nil {
		known = approved
		a.failed.Do(func() { why = err })
	}
	return known, why
}

// ask learns which account no SCP binds, from AWS: it says that in every account of the organization.
func (a *approvals) ask(ctx context.Context) error {
	owner, err := organization.New(a.cloud).Owner(ctx)
	switch {
	case errors.Is(err, guard.ErrDenied):
		return nil
	case err != nil:
		return fmt.Errorf("find out who may approve keys: %w", err)
	}
	a.approval = accounts.Approval(a.cloud, accounts.Modes(a.cloud, a.runtime, nil, a.now), a.runtime, owner, a.now)
	return nil
}
