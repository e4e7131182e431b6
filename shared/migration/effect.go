package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// effect makes one change of the secret, through the hold of the visit. What another worker has taken over is
// guard.ErrConflict, and so is what came too late to be sent: both are tried again from a fresh look.
func (v *visit) effect(ctx context.Context, c store.Change) error {
	look := c.Look
	c.Look = func(ctx context.Context) (bool, error) {
		there, err := look(ctx)
		if err != nil {
			err = &lookError{err}
		}
		return there, err
	}
	c.Later = func(err error) bool { return errors.Is(err, guard.ErrThrottled) }
	_, err := v.hold.Do(ctx, c)
	if errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("%w: %w", guard.ErrConflict, err)
	}
	return err
}

// lookError is what went wrong while looking: AWS refused nothing of what was to be done.
type lookError struct{ err error }

func (e *lookError) Error() string { return e.err.Error() }
func (e *lookError) Unwrap() error { return e.err }

func isLook(err error) bool {
	_, is := errors.AsType[*lookError](err)
	return is
}

// wanted names a state for one plan or order: the same state that another one wants is another intent.
func (v *visit) wanted(state ...string) string {
	of := v.job.Plan
	if v.job.Order != nil {
		of = v.job.Order.ID
	}
	return strings.Join(append(state, of), "|")
}

// sees is a look at the secret.
func (v *visit) sees(state func(guard.Secret) bool) func(ctx context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		s, err := v.Secrets.Describe(ctx, v.ref())
		return err == nil && state(s), err
	}
}

// carries looks whether the key is set; where it was, and its versions did not carry it, whether they do.
func (v *visit) carries(keyARN string) func(ctx context.Context) (bool, error) {
	return v.sees(func(s guard.Secret) bool {
		return s.Key.ARN == keyARN && (v.job.Stopped == nil || Prove(s, keyARN).Proven())
	})
}

// carriesBefore looks whether the previous key is set again, and the versions carry it.
func (v *visit) carriesBefore() func(ctx context.Context) (bool, error) {
	return v.sees(func(s guard.Secret) bool { return v.job.Before.is(s) && !notBack(s, v.job.Before).Again })
}

// seen looks whether the secret shows that a call was carried out which a worker sent before it died. Of what no look tells, the
// time that AWS takes it is waited for.
func (e *Engine) seen(secret string) store.Seen {
	return func(ctx context.Context, i store.Intent) bool {
		j, err := e.load(ctx, secret)
		if err != nil || j.Revision == 0 {
			return false
		}
		v := &visit{Engine: e, job: j}
		s, err := v.Secrets.Describe(ctx, v.ref())
		if err != nil {
			return false
		}
		current, _ := guard.CopiesOf(s).Current()
		for _, c := range guard.CopiesOf(s).Here().Labelled().List { // the one that was current and is not any more
			if c.Version != current.Version && (store.Change{Call: string(DoRotate), Wanted: v.wanted("a version after", c.Version)}).Is(i) {
				return true
			}
		}
		for _, c := range v.sendable() {
			if c.Is(i) {
				there, err := c.Look(ctx)
				return err == nil && there
			}
		}
		return false
	}
}

// sendable are the changes of keys and copies that the job makes at some time.
func (v *visit) sendable() []store.Change {
	all := []store.Change{{Call: string(DoRekey), Wanted: v.wanted("key", v.job.Target), Look: v.carries(v.job.Target)}}
	if v.job.Before == nil {
		return all
	}
	all = append(all, store.Change{Call: string(DoRekey), Wanted: v.wanted("key", v.job.Before.key(), v.try()), Look: v.carriesBefore()})
	for _, c := range v.job.Copies {
		keys := []string{c.Target}
		for _, was := range v.job.Before.Replicas {
			if was.Region == c.Region {
				keys = append(keys, keyOf(was))
			}
		}
		var removed store.Change
		v.removeReplica(&removed, c.Region)
		all = append(all, removed)
		for _, key := range keys {
			var rekeyed, added store.Change
			v.rekeyReplicaTo(&rekeyed, c.Region, key)
			v.addReplica(&added, c.Region, key)
			all = append(all, rekeyed, added)
		}
	}
	return all
}

// rotated looks for a version that was not there before, current or on its way.
func (v *visit) rotated(before guard.Secret) func(ctx context.Context) (bool, error) {
	had := guard.CopiesOf(before).Here().List
	return v.sees(func(s guard.Secret) bool {
		return slices.ContainsFunc(guard.CopiesOf(s).Here().Labelled().List, func(is guard.Copy) bool {
			return !slices.ContainsFunc(had, func(was guard.Copy) bool { return was.Version == is.Version })
		})
	})
}

func (v *visit) removeReplica(c *store.Change, region string) {
	c.Call, c.Wanted = string(DoRemoveReplica), v.wanted("no copy", region, v.try())
	c.Look = v.sees(func(s guard.Secret) bool { return !hasReplica(s, region, func(guard.Replica) bool { return true }) })
	c.Send = func(ctx context.Context) error { return v.Secrets.RemoveReplica(ctx, v.ref(), region) }
}

// rekeyReplicaTo sets the key of a copy in its own Region, where it is looked for: the primary says what it was told.
func (v *visit) rekeyReplicaTo(c *store.Change, region, keyID string) {
	ref := guard.SecretRef{Account: v.job.Account, Region: region, ID: inRegion(v.job.Secret, region)}
	c.Call, c.Wanted = string(DoRekeyReplica), v.wanted("key", region, keyID, v.try())
	c.Look = func(ctx context.Context) (bool, error) {
		s, err := v.Secrets.Describe(ctx, ref)
		return err == nil && (s.Key.ARN == keyID || s.KeyID == keyID), err
	}
	c.Send = func(ctx context.Context) error { return v.Secrets.Rekey(ctx, ref, keyID) }
}

// addReplica makes a copy under a key, as ReplicateSecretToRegions takes it.
func (v *visit) addReplica(c *store.Change, region, keyID string) {
	c.Call, c.Wanted = string(DoAddReplica), v.wanted("copy", region, keyID, v.try())
	c.Look = v.sees(func(s guard.Secret) bool {
		return hasReplica(s, region, func(r guard.Replica) bool { return r.KeyID == keyID || r.Key.ARN == keyID })
	})
	c.Send = func(ctx context.Context) error { return v.Secrets.AddReplica(ctx, v.ref(), region, keyID) }
}

func hasReplica(s guard.Secret, region string, is func(guard.Replica) bool) bool {
	return slices.ContainsFunc(s.Replicas, func(r guard.Replica) bool { return r.Region == region && is(r) })
}

// try tells going back from going on: both may want the same state.
func (v *visit) try() string {
	if v.job.goingBack() {
		return string(doRollback) + " " + v.job.Pending.At.String()
	}
	return ""
}
