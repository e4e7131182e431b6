package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// doRollback is the journal's word for going back.
const doRollback Action = "rollback"

// Rollback sets a secret back to the state that was recorded before its first change: key, copies and our own tags.
// What cannot be undone is an error that says so, and the job fails with it. A secret that is seen to be as it was is
// ErrNothingToUndo: its job ends, and nobody is notified. ErrLeft: these credentials may not; the request is stored, and
// the hub's sweep carries it out. It is safe to repeat.
func (e *Engine) Rollback(ctx context.Context, secret, why string) (Job, error) {
	v, err := e.enter(ctx, secret)
	if err != nil {
		return v.job, fmt.Errorf("roll back %s: %w", secret, err)
	}
	v.job.askAgain(Request{At: e.Now().UTC(), By: e.By, Why: why})
	v.job.Again = nil // by whose word it stays back
	if err = v.leave(ctx, v.rollback(ctx, why)); err != nil {
		return v.job, fmt.Errorf("roll back %s: %w", v.job.Name, err)
	}
	return v.job, nil
}

func (v *visit) rollback(ctx context.Context, why string) error {
	j, now := &v.job, v.Now().UTC()
	if j.Phase == RolledBack {
		return nil
	}
	s, err := v.Secrets.Describe(ctx, v.ref())
	switch {
	case errors.Is(err, guard.ErrGone):
		return v.failBack(ctx, deleted)
	case err != nil:
		return fmt.Errorf("look before going back: %w", err)
	case !j.goingBack() && !j.Moved(s): // what was begun may have set the key back already
		return v.nothingToUndo(ctx, why, now)
	}
	if err := v.Effects.Unpaused(ctx); err != nil {
		return err
	}
	switch err := v.MayChange(ctx, j.Account); {
	case errors.Is(err, ErrLeft):
		v.askBack(why, now)
		return v.leaveBack(ctx, err)
	case err != nil:
		return err
	}
	if err := v.beginBack(ctx, why, now); err != nil {
		return err
	}
	why = v.whyBack(why)
	if third := j.third(s); third != "" {
		return v.overtaken(ctx, third)
	}
	if before := j.Before.key(); !j.Before.is(s) || notBack(s, j.Before).Again {
		if err := v.effect(ctx, store.Change{
			Call: string(DoRekey), Wanted: v.wanted("key", before, v.try()), Look: v.carriesBefore(),
			Send: func(ctx context.Context) error { return v.Secrets.Rekey(ctx, v.ref(), before) },
		}); err != nil {
			return v.noWayBack(ctx, why, err)
		}
		j.LastChangeAt = now
	}
	if err := v.proveBack(ctx); err != nil {
		return err
	}
	if err := v.copiesBack(ctx, s); err != nil {
		return err
	}
	if err := v.tagsBack(ctx); err != nil {
		return err
	}
	why = v.moveAgain(why, now)
	j.Pending = nil
	j.enter(RolledBack, why, v.By, now)
	v.notify(guard.NoticeRolledBack, guard.Move{Previous: j.Before.KeyID, Reason: why, Again: j.Again != nil}, now)
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// moveAgain has a job that went back for a reader, and that nobody wants back, move again when that is mended. It does so as often
// as a secret is moved that somebody moves back.
func (v *visit) moveAgain(why string, now time.Time) string {
	j := &v.job
	j.Again = nil
	if j.Pending.For == "" || len(j.Pending.Also) > 0 {
		return why
	}
	j.Flips = append(slices.Clip(j.Flips), Flip{At: now, Key: beforeKey(j.Before)})
	if j.flips() >= j.Rules.Flips {
		return fmt.Sprintf("%s; it was moved back %s, so it is left to people", why, times(j.flips()))
	}
	j.Again = &Again{For: j.Pending.For, After: now.Add(time.Duration(j.Rules.Observe))}
	return why + "; it moves again when every reader would keep access, which is asked for from " + guard.Minute(j.Again.After) + " on"
}

// goingBack reports that going back was begun, and has not come to its end.
func (j Job) goingBack() bool { return j.Pending != nil && j.Pending.Action == doRollback }

// Moved reports that a secret, as it was just looked at, is not as it was before its migration: it is under another key,
// a labelled version opens with the new key, or a copy was taken away. Where its versions could not be read it may be.
func (j Job) Moved(s guard.Secret) bool {
	switch {
	case j.Before == nil:
		return false
	case !j.Before.is(s), slices.ContainsFunc(j.Copies, ReplicaTo.changed):
		return true
	case j.Before.KeyARN == j.Target: // it was under the key when we came
		return false
	}
	if notBack(s, j.Before).Again {
		return true
	}
	here := guard.CopiesOf(s).Here().Labelled()
	return here.Unlisted || slices.ContainsFunc(here.List, func(c guard.Copy) bool { return c.Nameless() || c.Needs(guard.Key{ARN: j.Target}) })
}

// changed reports whether something was done to a copy.
func (r ReplicaTo) changed() bool { return !r.Removed.IsZero() || !r.Moved.IsZero() }

// ErrOvertaken says that somebody has moved the secret to a key of their own since: it is left under that.
var ErrOvertaken = errors.New("its owner has moved it to another key since")

// third is a customer managed key that a secret is under and that is neither the one it had nor the one it was to get: somebody's
// own choice. "" is none.
func (j Job) third(s guard.Secret) string {
	if j.Before == nil || j.Before.KeyARN == "" && j.Before.KeyID != "" || s.Key.Manager != guard.ManagerCustomer || j.Before.is(s) || s.Key.ARN == j.Target {
		return ""
	}
	return s.Key.ARN
}

// overtaken ends a job whose secret somebody has moved on.
func (v *visit) overtaken(ctx context.Context, key string) error {
	v.job.Pending = nil
	v.job.enter(Overtaken, overtakenBy(key), v.By, v.Now().UTC())
	if err := v.save(ctx); err != nil {
		return err
	}
	return ErrOvertaken
}

func overtakenBy(key string) string {
	return "somebody has moved it to " + key + ", which is neither the key it had nor the one it was to get: it is left so"
}

// nothingToUndo ends a job that has not changed its secret, so that it does not move it later. One that failed stays so.
func (v *visit) nothingToUndo(ctx context.Context, why string, now time.Time) error {
	if v.job.Phase != Failed {
		v.job.Pending = nil
		v.job.enter(RolledBack, "nothing had been changed: "+why, v.By, now)
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	return ErrNothingToUndo
}

// noWayBack says why the previous key could not be set. What AWS refuses for good is a failure that people must see;
// anything else is tried again.
func (v *visit) noWayBack(ctx context.Context, why string, err error) error {
	if isLook(err) || errors.Is(err, guard.ErrConflict) {
		return fmt.Errorf("set the previous key: %w", err)
	}
	if errors.Is(err, guard.ErrNotOurs) {
		return v.leaveBack(ctx, left(v.job.Account, err))
	}
	if !errors.Is(err, guard.ErrRefused) && !errors.Is(err, guard.ErrDenied) {
		return fmt.Errorf("set the previous key: %w", err)
	}
	v.logRefused(ctx, string(doRollback), err)
	return v.failBack(ctx, "going back was refused: "+refusal(err)+" ("+beforeKey(v.job.Before)+"); it was to go back because: "+why)
}

const deleted = "the secret was deleted"

// failBack ends going back without success, which people must see, whoever was at it.
func (v *visit) failBack(ctx context.Context, reason string) error {
	now, back := v.Now().UTC(), v.job.Pending
	if back != nil && reason != deleted { // it is tried again, and its readers are watched
		v.job.stop(v.job.Phase, back, now.Add(time.Duration(v.job.Rules.Observe)), now)
	}
	v.job.Pending = nil
	v.job.enter(Failed, reason, v.By, now)
	if v.job.said() {
		return cmp.Or(v.save(ctx), errors.New(v.job.Reason))
	}
	failed := v.notice(guard.NoticeFailed, guard.Move{Reason: v.job.Reason}, v.job.Since)
	failed.Back = true
	v.job.Outbox = append(slices.Clip(v.job.Outbox), failed)
	if err := v.save(ctx); err != nil {
		return err
	}
	if err := v.publish(ctx); err != nil {
		return err
	}
	return errors.New(v.job.Reason)
}

// WayBack is what going back restores: nil where nothing was recorded, or everything is as it was already.
func (j Job) WayBack() *Before {
	if j.Phase == RolledBack {
		return nil
	}
	return j.Before
}

func beforeKey(b *Before) string {
	if b.KeyID == "" {
		return "the AWS managed key"
	}
	return b.KeyID
}

// beginBack writes down that going back is begun, why and by whose word: first in the job, so that whoever ends what is
// interrupted knows it, then in the journal.
func (v *visit) beginBack(ctx context.Context, why string, now time.Time) error {
	if v.askBack(why, now) {
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	p := v.job.Pending
	entry := v.entry(doRollback, p.At, "")
	entry.Before[keyField], entry.After[keyField], entry.After[reasonField] = v.job.Target, v.job.Before.KeyID, p.Why+p.since()
	if p.By != "" && p.By != v.By {
		entry.After[askedField] = p.By
	}
	if err := v.Journal.Append(ctx, entry); err != nil {
		return fmt.Errorf("write journal before going back: %w", err)
	}
	return nil
}

// askBack has the job go back, by the first who asks; false: somebody has asked already.
func (v *visit) askBack(why string, now time.Time) bool {
	if v.job.goingBack() {
		return false
	}
	v.job.Pending = &Pending{Action: doRollback, At: now, Why: why, By: v.By, For: v.rescued}
	return true
}

// leaveBack stores going back as a request, which the next worker carries out that may change the secret.
func (v *visit) leaveBack(ctx context.Context, err error) error {
	p := v.job.Pending
	v.logRefused(ctx, string(doRollback), err)
	v.job.Reason = p.request() + ", and the role doublelock-change could not be taken in " + v.job.Account + ": the hub's sweep tries within the hour"
	if stored := v.save(ctx); stored != nil {
		return stored
	}
	return err
}

// whyBack is the reason that going back was begun for, with who asked for it where that is somebody else.
func (v *visit) whyBack(why string) string {
	p := v.job.Pending
	if p.Why != "" { // none in what an older version began
		why = p.Why
	}
	if p.By != "" && p.By != v.By {
		why += " (asked for by " + p.By + ")"
	}
	return why + p.since()
}

// errBackUnproven says that the previous key is set again, and that what the versions open with could not be read.
var errBackUnproven = errors.New("the previous key is set again, and not proven")

// proveBack sees that every labelled version opens with the previous key again. What could not be read has not failed:
// going back stays begun, and every sweep looks again.
func (v *visit) proveBack(ctx context.Context) error {
	var missing Proof
	is, err := v.lookUntil(ctx, func(s guard.Secret) bool { missing = notBack(s, v.job.Before); return missing.Proven() })
	switch {
	case err != nil:
		return fmt.Errorf("look after going back: %w", err)
	case is:
		return nil
	case missing.Unread:
		return v.backUnproven(ctx, missing.Missing)
	}
	return v.failBack(ctx, missing.Missing)
}

// lookUntil looks at the secret until something is so, a few times at most.
func (v *visit) lookUntil(ctx context.Context, so func(guard.Secret) bool) (bool, error) {
	for i := range looksAtMost {
		if i > 0 {
			if err := v.Sleep(ctx, betweenLooks); err != nil {
				return false, err
			}
		}
		s, err := v.Secrets.Describe(ctx, v.ref())
		if err != nil {
			return false, err
		}
		if so(s) {
			return true, nil
		}
	}
	return false, nil
}

// backUnproven notifies the owner a single time of what is known and what is not.
func (v *visit) backUnproven(ctx context.Context, missing string) error {
	v.job.Reason = missing
	if v.job.Pending.Tries++; v.job.Pending.Tries == 1 {
		v.notify(guard.NoticeRolledBack, guard.Move{Reason: missing, Unproven: true}, v.Now().UTC())
	}
	if err := v.save(ctx); err != nil {
		return err
	}
	if err := v.publish(ctx); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errBackUnproven, missing)
}

func notBack(s guard.Secret, b *Before) Proof {
	switch {
	case !b.is(s):
		return Proof{Missing: "UpdateSecret was accepted, but the secret is not under " + beforeKey(b)}
	case s.VersionsUnread:
		return Proof{Unread: true, Missing: "the key is set back, but the versions could not be read, so nothing is proven: let the role doublelock-read list them"}
	}
	var first Proof
	for _, c := range guard.CopiesOf(s).Here().Labelled().List {
		switch {
		case c.Needs(s.Key):
		case !c.Nameless() && len(ownLabels(c)) > 0:
			return Proof{Missing: "the key is set back, but version " + c.Version + " under " + strings.Join(c.Stages, ", ") + " opens with the new key only, and a change of the key leaves it: its owner must write it again under that label"}
		case !c.Nameless():
			return Proof{Again: true, Missing: "the key is set back, but version " + c.Version + " opens with the new key only: the role doublelock-change probably lacks kms:Decrypt on it, so its owner must write a new version"}
		case first.Proven():
			first = Proof{Unread: true, Missing: "the key is set back, but the keys that version " + c.Version + " opens with could not be read, so nothing is proven"}
		}
	}
	return first
}

// copiesBack gives the copies their keys back: where they are those whose key was set there, and the others by making them again.
func (v *visit) copiesBack(ctx context.Context, s guard.Secret) error {
	for i := range v.job.Copies {
		c := &v.job.Copies[i]
		if !c.changed() {
			continue
		}
		var was *guard.Replica
		for k := range v.job.Before.Replicas {
			if v.job.Before.Replicas[k].Region == c.Region {
				was = &v.job.Before.Replicas[k]
			}
		}
		if was == nil {
			continue
		}
		present, same := false, false
		for _, r := range s.Replicas {
			if r.Region == c.Region { // one that we made and that failed is made again
				present, same = true, sameKey(r, *was) && (c.Removed.IsZero() || r.Status != copyFailed)
			}
		}
		if present && !same && c.Removed.IsZero() {
			var change store.Change
			v.rekeyReplicaTo(&change, c.Region, keyOf(*was))
			err := v.effect(ctx, change)
			switch {
			case err == nil:
				same = true
			case isLook(err) || !errors.Is(err, guard.ErrRefused):
				return fmt.Errorf("set the key of the copy in %s back: %w", c.Region, err)
			default: // stored before it is taken away: whoever goes on makes it again
				c.Removed = v.Now().UTC()
				if err := v.save(ctx); err != nil {
					return err
				}
			}
		}
		if present && !same {
			var change store.Change
			v.removeReplica(&change, c.Region)
			if err := v.effect(ctx, change); err != nil {
				return fmt.Errorf("remove the copy in %s: %w", c.Region, err)
			}
			present = false
		}
		if !present && !c.Removed.IsZero() { // what its owner took away stays so
			var change store.Change
			v.addReplica(&change, c.Region, keyOf(*was))
			if err := v.effect(ctx, change); err != nil {
				return fmt.Errorf("make the copy in %s again: %w", c.Region, err)
			}
		}
		if !c.Removed.IsZero() {
			if err := v.awaitCopy(ctx, c.Region); err != nil {
				return err
			}
		}
		c.Removed, c.Done, c.Moved = time.Time{}, time.Time{}, time.Time{}
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// What ReplicationStatus says of a copy (API reference, ReplicationStatusType); "" is not known.
const (
	copyInSync = "InSync"
	copyFailed = "Failed"
)

// awaitCopy waits for a copy that was made again to be read. Where it takes longer going back stays begun, and every sweep looks again.
func (v *visit) awaitCopy(ctx context.Context, region string) error {
	status := ""
	is, err := v.lookUntil(ctx, func(s guard.Secret) bool {
		return hasReplica(s, region, func(r guard.Replica) bool { status = r.Status; return r.Status == copyInSync || r.Status == "" })
	})
	switch {
	case err != nil:
		return fmt.Errorf("look at the copy in %s: %w", region, err)
	case is:
		return nil
	}
	return v.backUnproven(ctx, "the key is set back, and the copy in "+region+" that was made again is "+cmp.Or(status, "not there yet"))
}

// tagsBack restores our own tags and touches no others: their owner may have changed them since.
func (v *visit) tagsBack(ctx context.Context) error {
	s, err := v.Secrets.Describe(ctx, v.ref())
	if err != nil {
		return fmt.Errorf("look at the tags: %w", err)
	}
	gone, missing := tagsToRestore(s.Tags, v.job.Before.Tags)
	if len(gone) > 0 {
		if err := v.effect(ctx, store.Change{
			Call: "UntagResource", Wanted: v.wanted(append([]string{"no tags", v.try()}, gone...)...),
			Look: v.sees(func(s guard.Secret) bool { left, _ := tagsToRestore(s.Tags, v.job.Before.Tags); return len(left) == 0 }),
			Send: func(ctx context.Context) error { return v.Secrets.Untag(ctx, v.ref(), gone...) },
		}); err != nil {
			return fmt.Errorf("remove tags: %w", err)
		}
	}
	if len(missing) > 0 {
		if err := v.effect(ctx, store.Change{
			Call: "TagResource", Wanted: v.wanted("tags", v.try(), fmt.Sprint(missing)),
			Look: v.sees(func(s guard.Secret) bool { _, left := tagsToRestore(s.Tags, v.job.Before.Tags); return len(left) == 0 }),
			Send: func(ctx context.Context) error { return v.Secrets.Tag(ctx, v.ref(), missing) },
		}); err != nil {
			return fmt.Errorf("restore tags: %w", err)
		}
	}
	return nil
}

// tagsToRestore are our own tags that were not there before, sorted, and those that were and are not so now.
func tagsToRestore(now, before map[string]string) (gone []string, missing map[string]string) {
	have, want := ownTags(now), ownTags(before)
	for name := range have {
		if _, keep := want[name]; !keep {
			gone = append(gone, name)
		}
	}
	for name, value := range want {
		if have[name] == value {
			delete(want, name)
		}
	}
	slices.Sort(gone)
	return gone, want
}
