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
func (v *visit) notice(kind guard.NoticeKind, detail string, at time.Time) guard.Notice {
	j := v.job
	n := guard.Notice{
		ID: fmt.Sprintf("%s|%s|%s|%d", kind, j.Secret, j.Phase, at.UnixMilli()), Kind: kind, At: at, Account: j.Account, Region: j.Region,
		Resource: j.Secret, Name: j.Name, Detail: detail, Tool: j.Tool,
		Decision: guard.Decision{Tag: true, Reason: "migration " + string(j.Phase)},
	}
	if j.Before != nil {
		n.Tags = j.Before.Tags
	}
	return n
}

// notify puts a notice into the outbox; publish empties it. Both are saved with the job, so that nothing is lost.
func (v *visit) notify(kind guard.NoticeKind, detail string, at time.Time) {
	v.job.Outbox = append(slices.Clip(v.job.Outbox), v.notice(kind, detail, at))
}

func (v *visit) publish(ctx context.Context) error {
	if len(v.job.Outbox) == 0 {
		return nil
	}
	if err := v.Bus.Publish(ctx, v.job.Outbox); err != nil {
		return fmt.Errorf("publish notices of the migration: %w", err)
	}
	v.job.Outbox = nil
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
		detail := "every labelled version carries " + j.Target
		if j.Tool != "" {
			detail += "; keep it in the code: " + CodeLine(j.Tool, j.Target)
		}
		v.notify(guard.NoticeRekeyed, detail, seen.At)
	case Unproven:
		v.notify(guard.NoticeUnproven, j.unproven(), seen.At)
	case Failed, Blocked:
		v.notify(guard.NoticeFailed, j.Reason, seen.At)
	} // detect notifies of sealed secrets, whoever sealed them
}

// reply answers what asked the hub for the change.
func (v *visit) reply(seen Seen) {
	kind, detail := guard.NoticeRekeyed, ""
	switch {
	case v.job.Phase == Rekeyed:
	case v.job.Phase == Unproven:
		kind, detail = guard.NoticeUnproven, v.job.unproven()
	case v.job.Phase.Resting() && !seen.Gone:
		kind, detail = guard.NoticeFailed, cmp.Or(v.job.refusal(), v.job.Reason)
	default:
		return
	}
	v.job.Outbox = append(slices.Clip(v.job.Outbox), Reply(*v.job.Order, kind, guard.StateOf(seen.Secret, ""), detail, seen.At))
}

// ask asks the owner for a new version, a single time.
func (v *visit) ask(ctx context.Context, step Step) error {
	now := v.Now().UTC()
	detail := "write a new version to seal it, twice where AWSPREVIOUS counts: rotate it, or run doublelock migrate seal " + v.job.Secret +
		" with your own credentials"
	if v.job.Tool != "" {
		detail += "; and keep the key in the code: " + CodeLine(v.job.Tool, v.job.Target)
	}
	v.notify(guard.NoticeSealDue, detail, v.job.Since)
	v.job.AskedAt, v.job.Reason = now, step.Reason
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// unproven says what is known of a change that is not proven, what is not, and who looks next.
func (j Job) unproven() string {
	return j.Reason + ". Whether older copies still open with the previous key alone is not known. Every sweep looks again until " +
		j.ProveBy.UTC().Format("2006-01-02 15:04") + " UTC; then it is yours"
}

// hand gives a change that was not proven in time to the owner, a single time. It is looked at as before.
func (v *visit) hand(ctx context.Context, step Step) error {
	v.job.HandedAt, v.job.Reason = v.Now().UTC(), step.Reason
	v.notify(guard.NoticeUnproven, step.Reason+". It was looked for since "+v.job.RekeyedAt.UTC().Format("2006-01-02 15:04")+" UTC and is yours now: find out why it cannot be read, "+
		"or set the previous key again with doublelock migrate rollback --secret "+v.job.Secret+". Every sweep still looks", v.job.HandedAt)
	if err := v.save(ctx); err != nil {
		return err
	}
	return v.publish(ctx)
}

// ownTags are the tags of ours among others.
func ownTags(tags map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range tags {
		if strings.HasPrefix(name, ownTag) && name != TagWave {
			out[name] = value
		}
	}
	return out
}
