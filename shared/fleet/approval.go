package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Approval finds out where aliases and tags approve keys: in accounts that are bound by the SCP that keeps their people from
// writing them. It goes by where that policy is attached now, not by what a configuration says. It is safe for concurrent
// use. Of a nil Approval nothing is known.
type Approval struct {
	Path       func(ctx context.Context, account string) (path []string, asOf time.Time, err error) // as Modes.Path
	Attached   func(ctx context.Context) ([]string, error)                                          // roots, OUs and accounts that the policy is attached to
	Management string                                                                               // the account that no SCP binds; "": not known
	Now        func() time.Time

	turn     turn
	attached []string
	until    time.Time
}

// Of completes what approves keys by what is known of the accounts of these keys, where that decides. What AWS Organizations
// does not let us see stays unknown. Errors are those that pass.
func (a *Approval) Of(ctx context.Context, approved guard.Approved, keys ...guard.Key) (guard.Approved, error) {
	accounts := approved.DependsOn(keys...)
	if a == nil || a.Management == "" || len(accounts) == 0 {
		return approved, nil
	}
	approved.Protected = map[string]bool{}
	for _, account := range accounts {
		protected, err := a.protects(ctx, account)
		switch {
		case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		case err != nil:
			return guard.Approved{}, fmt.Errorf("find out who may approve keys of %s: %w", account, err)
		default:
			approved.Protected[account] = protected
		}
	}
	return approved, nil
}

func (a *Approval) protects(ctx context.Context, account string) (bool, error) {
	if account == a.Management {
		return false, nil
	}
	attached, err := a.targets(ctx)
	if err != nil || len(attached) == 0 {
		return false, err
	}
	path, asOf, err := a.Path(ctx, account)
	switch {
	case err != nil:
		return false, err
	case !asOf.IsZero():
		return false, fmt.Errorf("where it is was last said at %s: %w", asOf.Format(time.RFC3339), guard.ErrUnavailable)
	case len(path) == 0:
		return false, nil
	}
	return slices.Contains(attached, account) || slices.ContainsFunc(path, func(ou string) bool { return slices.Contains(attached, ou) }), nil
}

func (a *Approval) targets(ctx context.Context) ([]string, error) {
	if err := a.turn.take(ctx); err != nil {
		return nil, err
	}
	defer a.turn.give()
	if a.Now().Before(a.until) {
		return a.attached, nil
	}
	attached, err := a.Attached(ctx)
	if err != nil {
		return nil, err
	}
	a.attached, a.until = attached, a.Now().Add(pathsFor)
	return attached, nil
}
