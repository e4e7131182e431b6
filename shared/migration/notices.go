package migration

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// notice is about the job's secret. Its ID is the same however often the same thing is said.
func (v *visit) notice(kind guard.NoticeKind, move guard.Move, at time.Time) guard.Notice {
	j := v.job
	n := guard.Notice{
		ID: fmt.Sprintf("%s|%s|%s|%d", kind, j.Secret, j.Phase, at.UnixMilli()), Kind: kind, At: at, Account: j.Account, Region: j.Region,
		Resource: j.Secret, Name: j.Name, Move: &move, Tool: j.Tool,
		Decision: guard.Decision{Tag: true, Reason: "migration " + string(j.Phase)},
	}
	if j.Before != nil {
		n.Tags = j.Before.Tags
	}
	return n
}

// notify puts a notice into the outbox; publish empties it. Both are saved with the job, so that nothing is lost.
func (v *visit) notify(kind guard.NoticeKind, move guard.Move, at time.Time) {
	v.job.Outbox = append(slices.Clip(v.job.Outbox), v.notice(kind, move, at))
}

// promise stores a notice before what it is about is done, and holds it back until this worker has done it: should it die
// meanwhile, the next one publishes the notice as it is.
func (v *visit) promise(ctx context.Context, n guard.Notice) error {
	v.promised = n.ID
	v.put(n)
	return v.save(ctx)
}

// put puts a notice into the outbox in place of what was said there before under its ID.
func (v *visit) put(n guard.Notice) {
	v.job.Outbox = append(slices.DeleteFunc(slices.Clone(v.job.Outbox), func(was guard.Notice) bool { return was.ID == n.ID }), n)
}

func (v *visit) publish(ctx context.Context) error {
	var ready, held []guard.Notice
	for _, n := range v.job.Outbox {
		if n.ID == v.promised {
			held = append(held, n)
		} else {
			ready = append(ready, n)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	if err := v.Bus.Publish(ctx, ready); err != nil {
		return fmt.Errorf("publish notices of the migration: %w", err)
	}
	v.job.Outbox = held
	v.stored = true
	return nil
}

// notifyMove says what the owner of a secret has to know of a new phase.
func (v *visit) notifyMove(was Phase, seen Seen) {
	j := v.job
	if j.Phase == was {
		return
	}
	if j.Order != nil && (was == Planned || v.order != nil) {
		v.reply(seen)
		return
	}
	switch j.Phase {
	case Rekeyed:
		v.notify(guard.NoticeRekeyed, guard.Move{Key: j.Target, Code: j.code()}, seen.At)
	case Unproven:
		v.notify(guard.NoticeUnproven, j.unproven(), seen.At)
	case Overtaken:
		v.notify(guard.NoticeAttention, guard.Move{Reason: j.Reason}, seen.At)
	case Failed, Blocked:
		if v.job.said() {
			return
		}
		v.notify(guard.NoticeFailed, guard.Move{Reason: j.Reason}, seen.At)
	} // detect notifies of sealed secrets, whoever sealed them
}

// said reports that people were notified already of why the job is stopped, and remembers that they are.
func (j *Job) said() bool {
	if j.Stopped == nil || j.Stopped.Said == j.Reason {
		return j.Stopped != nil
	}
	j.Stopped.Said = j.Reason
	return false
}

// reply answers what asked the hub for the change.
func (v *visit) reply(seen Seen) {
	kind, move := guard.NoticeRekeyed, (*guard.Move)(nil)
	switch {
	case v.job.Phase == Rekeyed:
	case v.job.Phase == Unproven:
		unproven := v.job.unproven()
		kind, move = guard.NoticeUnproven, &unproven
	case v.job.Phase.Resting() && !seen.Gone:
		kind, move = guard.NoticeFailed, cmp.Or(v.job.refused(), &guard.Move{Reason: v.job.Reason})
	default:
		return
	}
	v.job.Outbox = append(slices.Clip(v.job.Outbox), Reply(*v.job.Order, kind, guard.StateOf(seen.Secret, ""), move, seen.At))
}

// ask asks the owner for a new version, a single time.
func (v *visit) ask(ctx context.Context, step Step) error {
	now := v.Now().UTC()
	v.notify(guard.NoticeSealDue, guard.Move{Key: v.job.Target, Code: v.job.code()}, v.job.Since)
	v.job.AskedAt, v.job.Reason = now, step.Reason
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// unproven says what is known of a change that is not proven, and until when it is looked for.
func (j Job) unproven() guard.Move {
	return guard.Move{Reason: j.Reason, Key: j.Target, ProveBy: j.ProveBy}
}

// code is the line for the code that made the secret; "" where no tool is known.
func (j Job) code() string {
	if j.Tool == "" {
		return ""
	}
	return CodeLine(j.Tool, j.Target)
}

// hand gives a change that was not proven in time to the owner, a single time. It is looked at as before.
func (v *visit) hand(ctx context.Context, step Step) error {
	if v.job.between() {
		return v.stands(ctx, step)
	}
	v.job.HandedAt, v.job.Reason = v.Now().UTC(), step.Reason
	v.notify(guard.NoticeUnproven, guard.Move{Reason: step.Reason, Key: v.job.Target, Sought: v.job.RekeyedAt}, v.job.HandedAt)
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// stands notifies people of a secret that stands between the two locks, now and every week.
func (v *visit) stands(ctx context.Context, step Step) error {
	j, now := &v.job, v.Now().UTC()
	j.Stopped.Paged, j.Reason = now, step.Reason
	v.notify(guard.NoticeAttention, guard.Move{Reason: fmt.Sprintf("its migration is %s since %s with the secret under the new key, where older copies still open with the previous one: %s. It goes on by itself when that is mended; "+
		"set it back with doublelock migrate rollback if it is not to be", j.Phase, guard.Minute(j.Stopped.Since), j.Reason)}, now)
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// ownTags are the tags of ours among others.
func ownTags(tags map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range tags {
		if strings.HasPrefix(name, guard.TagPrefix) && name != TagWave {
			out[name] = value
		}
	}
	return out
}
