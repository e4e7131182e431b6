package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	denied   atomic.Pointer[string]
}

// of completes what approves keys. What AWS does not say stays unknown; why is what keeps the caller from asking it, and an error
// why else it does not say it.
func (a *approvals) of(ctx context.Context, approved guard.Approved, keys []guard.Key) (known guard.Approved, why string, err error) {
	if len(approved.DependsOn(keys...)) == 0 {
		return approved, "", nil
	}
	var unasked error
	a.once.Do(func() { unasked = a.ask(ctx) })
	known, err = a.approval.Of(ctx, approved, keys...)
	if err != nil {
		known = approved
		a.failed.Do(func() { unasked = err })
	}
	unsaid := func(account string) bool { _, said := known.Protected[account]; return !said }
	if denied := a.denied.Load(); denied != nil && slices.ContainsFunc(approved.DependsOn(keys...), unsaid) {
		why = *denied
	}
	return known, why, unasked
}

// ask learns which account no SCP binds, from AWS: it says that in every account of the organization.
func (a *approvals) ask(ctx context.Context) error {
	owner, err := organization.New(a.cloud).Owner(ctx)
	switch {
	case a.isDenied(err):
		return nil
	case err != nil:
		return fmt.Errorf("find out who may approve keys: %w", err)
	}
	a.approval = accounts.Approval(a.cloud, accounts.Modes(a.cloud, a.runtime, nil, a.now), a.runtime, owner, a.now)
	scps, path := a.approval.SCPs, a.approval.Path
	a.approval.SCPs = func(ctx context.Context) ([]fleet.SCP, error) {
		attached, err := scps(ctx)
		a.isDenied(err)
		return attached, err
	}
	a.approval.Path = func(ctx context.Context, account string) ([]string, time.Time, error) {
		above, asOf, err := path(ctx, account)
		a.isDenied(err)
		return above, asOf, err
	}
	return nil
}

// isDenied reports that the caller may not ask, and remembers what.
func (a *approvals) isDenied(err error) bool {
	if !errors.Is(err, guard.ErrDenied) {
		return false
	}
	answered := guard.AnswerOf(err)
	why := fmt.Sprintf("%s answers %s; run it in the management account or a delegated one", answered.Operation, answered.Code)
	a.denied.Store(&why)
	return true
}
