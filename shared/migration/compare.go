package migration

import (
	"context"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
)

// differs says how a secret is other than its resting job left it, with what to do; "" is as it was left. What could not be
// read differs in nothing.
func (j Job) differs(s guard.Secret) string {
	if s.Key.Manager == guard.ManagerUnknown || s.PendingDeletion() || j.goingBack() {
		return ""
	}
	under := s.Key.ARN == j.Target && j.Target != ""
	switch {
	case j.Phase == Sealed && !under:
		return fmt.Sprintf("it was sealed under %s, and is under %s now: set the key again by planning it anew with doublelock migrate plan, or find out who moved it", j.Target, keyName(s.Key))
	case j.Phase == Sealed && j.opened(s) != "":
		return fmt.Sprintf("it was sealed, and version %s opens with another key than %s now: a label was moved to an older version; write a new one", j.opened(s), j.Target)
	case j.Phase == RolledBack && under && j.Before != nil && j.Before.KeyARN != j.Target:
		return fmt.Sprintf("it was set back (%s), and is under %s again: whoever could not read it may not be able to now; go back with doublelock migrate rollback, or plan it anew to have it watched and sealed", j.Reason, j.Target)
	case (j.Phase == Failed || j.Phase == Blocked) && j.Before != nil && !under && !j.Before.is(s):
		return fmt.Sprintf("its migration is %s (%s), and it is under %s now, which is neither the key it had nor the one it was to get: plan it anew with doublelock migrate plan", j.Phase, j.Reason, keyName(s.Key))
	case j.Phase == Blocked && under && j.Stopped == nil && j.Before != nil && j.Before.KeyARN != j.Target:
		return fmt.Sprintf("its migration is blocked (%s), and it is under %s all the same: plan it anew with doublelock migrate plan, so that it is watched and sealed", j.Reason, j.Target)
	}
	return ""
}

// opened is a labelled version that certainly opens with another key than the target.
func (j Job) opened(s guard.Secret) string {
	here := guard.CopiesOf(s).Here().Labelled().List
	at := slices.IndexFunc(here, func(c guard.Copy) bool {
		return slices.ContainsFunc(c.Keys, func(k guard.Key) bool { return k.Manager != guard.ManagerUnknown && k.ARN != j.Target })
	})
	if at < 0 {
		return ""
	}
	return here[at].Version
}

// Compare compares a job, as it was listed, with its secret as somebody has just seen it, and changes nothing of either but
// what the job says: a difference is notified a single time, until it is gone. Where there is none it calls nobody.
func (e *Engine) Compare(ctx context.Context, j Job, s guard.Secret) error {
	if j.differs(s) == j.Differs {
		return nil
	}
	v, err := e.enter(ctx, j.Secret)
	if err != nil {
		return fmt.Errorf("compare %s: %w", j.Name, err)
	}
	if err = v.leave(ctx, v.compare(ctx, j, s)); err != nil {
		return fmt.Errorf("compare %s: %w", j.Name, err)
	}
	return nil
}

func (v *visit) compare(ctx context.Context, j Job, s guard.Secret) error {
	if v.job.Revision != j.Revision {
		return nil // somebody was at it since: the next sweep compares again
	}
	v.job.Differs = v.job.differs(s)
	if v.job.Differs != "" {
		v.notify(guard.NoticeAttention, guard.Move{Reason: v.job.Differs}, v.Now().UTC())
	}
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}
