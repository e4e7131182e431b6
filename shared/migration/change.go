package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Fields of a journal entry's Before and After.
const (
	keyField     = "kmsKeyId" // as UpdateSecret takes it: "" is the AWS managed key
	stateField   = "state"
	regionField  = "region"
	planField    = "plan"    // id of the plan that a change belongs to
	orderField   = "order"   // id of the notice that asked for a change of the hub's own
	resultField  = "result"  // of an entry that ends a change: resultDone, or why not
	reasonField  = "reason"  // of going back: what was given as the reason
	askedField   = "askedBy" // of going back that somebody else asked for than makes it
	granteeField = "grantee"
	untilField   = "until"
	tagPrefix    = "tag:"

	resultDone = "done"
)

// doVerify is the journal's word for the look that ends a change.
const doVerify Action = "DescribeSecret"

func (v *visit) entry(action Action, at time.Time, detail string) store.JournalEntry {
	field, of := planField, v.job.Plan
	if v.job.Order != nil {
		field, of = orderField, v.job.Order.ID
	}
	return store.JournalEntry{
		ID: "migration|" + of + "|" + string(action) + "|" + detail, Resource: v.job.Secret, Action: string(action),
		At: at, By: v.By, Before: map[string]string{}, After: map[string]string{field: of},
	}
}

// journalEnd writes down what was found after a change of the key: when it is looked for, and again when what could not
// be read then is known.
func (v *visit) journalEnd(ctx context.Context, was Phase, step Step, seen Seen) error {
	p, detail := v.job.Pending, v.job.Target
	known := step.Phase == Rekeyed || step.Phase == Failed
	switch {
	case seen.Gone:
		return nil
	case was == Unproven && known:
		detail += "|" + v.job.RekeyedAt.Format(time.RFC3339)
	case p == nil || p.Action != DoRekey || !known && step.Phase != Unproven:
		return nil
	}
	entry := v.entry(doVerify, seen.At, detail)
	entry.Before[keyField], entry.Before[stateField] = v.job.Before.KeyID, string(v.job.Before.State)
	entry.After[keyField], entry.After[stateField], entry.After[resultField] = seen.Secret.KeyID, string(guard.StateOf(seen.Secret, "")), resultDone
	if step.Phase != Rekeyed {
		entry.After[resultField] = step.Reason
	}
	if err := v.Journal.Append(ctx, entry); err != nil {
		return fmt.Errorf("write journal after the change: %w", err)
	}
	return nil
}

func (v *visit) rekey(ctx context.Context, step Step, seen Seen) (bool, error) {
	j := &v.job
	if j.Before == nil {
		j.Before = before(seen.Secret, seen.At)
	}
	err := v.effect(ctx, store.Change{
		Call: string(DoRekey), Wanted: v.wanted("key", step.Key), Look: v.carries(step.Key), Allow: v.budget,
		Journal: func(ctx context.Context, begun time.Time) error {
			if j.Pending == nil {
				j.Pending = &Pending{Action: DoRekey, At: begun}
			}
			entry := v.entry(DoRekey, begun, step.Key)
			entry.Before[keyField], entry.Before[stateField], entry.After[keyField] = seen.Secret.KeyID, string(guard.StateOf(seen.Secret, "")), step.Key
			for name, value := range ownTags(seen.Secret.Tags) {
				entry.Before[tagPrefix+name] = value
			}
			return v.begin(ctx, entry)
		},
		Send: func(ctx context.Context) error { return v.Secrets.Rekey(ctx, v.ref(), step.Key) },
	})
	if errors.Is(err, store.ErrNotAllowed) {
		return false, nil
	}
	if lost, err := v.lost(ctx, "UpdateSecret", err, seen); lost || err != nil {
		return lost, err
	}
	j.LastChangeAt = seen.At
	return true, v.save(ctx)
}

// begin stores that a change is begun, first in the job, then in the journal.
func (v *visit) begin(ctx context.Context, entry store.JournalEntry) error {
	if err := v.save(ctx); err != nil {
		return err
	}
	if err := v.Journal.Append(ctx, entry); err != nil {
		return fmt.Errorf("write journal before %s: %w", entry.Action, err)
	}
	return nil
}

// lost says that AWS refused a change for good: the job fails with the reason, in our words.
func (v *visit) lost(ctx context.Context, call string, err error, seen Seen) (bool, error) {
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, guard.ErrGone):
		return true, nil // the next look sees it
	case isLook(err), errors.Is(err, guard.ErrConflict): // nothing was asked of AWS
		return false, err
	case errors.Is(err, guard.ErrNotOurs): // it was never asked
		return false, left(v.job.Account, err)
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrRefused):
		v.logRefused(ctx, call, err)
		return true, v.move(ctx, Step{Action: DoMove, Phase: Failed, Reason: call + " was refused: " + refusal(err)}, seen)
	}
	return false, fmt.Errorf("call %s: %w", call, err)
}

// logRefused writes down what the owner is not notified of: AWS's error code, and which call it answered.
func (v *visit) logRefused(ctx context.Context, doing string, err error) {
	if v.Log == nil {
		return
	}
	v.Log.With(guard.AnswerOf(err).Fields()...).WarnContext(ctx, "migration", "secret", v.job.Secret, "account", v.job.Account, "region", v.job.Region,
		"action", "refused", "doing", doing)
}

// refusal is our word for an error. AWS's own text is for the log: it names roles and policies of the hub.
func refusal(err error) string {
	switch {
	case errors.Is(err, guard.ErrDenied):
		return "the role doublelock-change may not change the secret or use the key"
	case errors.Is(err, guard.ErrNotOurs):
		return "the role doublelock-change cannot be assumed in the account"
	}
	return "the secret or its key is in a state in which it cannot be changed"
}

func (v *visit) rotate(ctx context.Context, seen Seen) (bool, error) {
	j := &v.job
	current, _ := guard.CopiesOf(seen.Secret).Current()
	err := v.effect(ctx, store.Change{
		Call: string(DoRotate), Wanted: v.wanted("a version after", current.Version), Look: v.rotated(seen.Secret), Allow: v.budget,
		Journal: func(ctx context.Context, begun time.Time) error {
			j.Pending, j.LastChangeAt = &Pending{Action: DoRotate, At: begun}, begun
			entry := v.entry(DoRotate, begun, "")
			if current.Version != "" {
				entry.Before["version"] = current.Version
			}
			return v.begin(ctx, entry)
		},
		Send: func(ctx context.Context) error { return v.Secrets.Rotate(ctx, v.ref()) },
	})
	if errors.Is(err, store.ErrNotAllowed) {
		return false, nil
	}
	if _, err := v.lost(ctx, "RotateSecret", err, seen); err != nil {
		return false, err
	}
	if j.Phase != Failed {
		j.Reason = "the rotation is under way"
	}
	return false, nil
}

// rekeyReplica sets the key of a copy where it is. Where AWS refuses that, nothing has changed, and the copy is made again later;
// a right that is missing is the job's failure as with any other call: taking the copy away would not bring the right.
func (v *visit) rekeyReplica(ctx context.Context, step Step, seen Seen) (bool, error) {
	j := &v.job
	at := slices.IndexFunc(j.Copies, func(c ReplicaTo) bool { return c.Region == step.Region })
	change := store.Change{Journal: func(ctx context.Context, begun time.Time) error {
		j.Pending = &Pending{Action: step.Action, Region: step.Region, At: begun}
		return v.begin(ctx, v.replicaEntry(step, begun))
	}}
	v.rekeyReplicaTo(&change, step.Region, step.Key)
	err := v.effect(ctx, change)
	if errors.Is(err, guard.ErrRefused) && !isLook(err) {
		v.logRefused(ctx, string(step.Action), err)
		j.Pending, j.Copies[at].Refused = nil, seen.At
		return true, v.save(ctx)
	}
	if lost, err := v.lost(ctx, string(step.Action), err, seen); lost || err != nil {
		return lost, err
	}
	j.LastChangeAt, j.Pending, j.Copies[at].Moved = seen.At, nil, seen.At
	return true, v.save(ctx)
}

// replicaEntry is the journal's line about a copy: its Region, and its key before and after.
func (v *visit) replicaEntry(step Step, begun time.Time) store.JournalEntry {
	entry := v.entry(step.Action, begun, step.Region)
	entry.Before[regionField], entry.After[keyField] = step.Region, step.Key
	for _, r := range v.job.Before.Replicas {
		if r.Region == step.Region {
			entry.Before[keyField] = r.KeyID
		}
	}
	return entry
}

func (v *visit) replica(ctx context.Context, step Step, seen Seen) (bool, error) {
	j := &v.job
	change := store.Change{
		Call: string(step.Action),
		Journal: func(ctx context.Context, begun time.Time) error {
			for i := range j.Copies {
				if j.Copies[i].Region == step.Region && j.Copies[i].Removed.IsZero() {
					j.Copies[i].Removed = seen.At
				}
			}
			j.Pending = &Pending{Action: step.Action, Region: step.Region, At: begun}
			return v.begin(ctx, v.replicaEntry(step, begun))
		},
	}
	if step.Action == DoRemoveReplica {
		v.removeReplica(&change, step.Region)
	} else {
		v.addReplica(&change, step.Region, step.Key)
	}
	err := v.effect(ctx, change)
	if lost, err := v.lost(ctx, string(step.Action), err, seen); lost || err != nil {
		return lost, err
	}
	j.LastChangeAt = seen.At
	return true, v.save(ctx)
}
