package remediate

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// Remediate has the secret that a notice is about moved, if that is still what should be done. It is safe to repeat: the
// machine's job says how far an earlier delivery came.
func (h *Handler) Remediate(ctx context.Context, n guard.Notice) (Outcome, error) {
	if !n.Decision.Rekey {
		return Outcome{"ignored", "nothing to re-key"}, nil
	}
	job, begun, err := h.Machine.Resume(ctx, n)
	switch {
	case err != nil:
		return Outcome{}, busy(err)
	case begun:
		return moved(job), h.look(ctx, n)
	}
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	s, err := h.Secrets.Describe(ctx, ref)
	switch {
	case errors.Is(err, guard.ErrGone):
		return Outcome{"unchanged", "the secret was deleted"}, nil
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		h.Log.With(guard.AnswerOf(err).Fields()...).WarnContext(ctx, "look at secret", "account", n.Account, "region", n.Region, "secret", n.Resource, "action", "failed")
		return Outcome{"unchanged", "we may not look at it any more"}, h.look(ctx, n)
	case err != nil:
		return Outcome{}, fmt.Errorf("look before the change: %w", err)
	}
	decision, err := h.decide(ctx, s)
	switch {
	case err != nil:
		return Outcome{}, err
	case !decision.Rekey && guard.Notified(guard.NoticeOpened, guard.SecretDefaultKey, decision) && owed(s):
		return h.leave(ctx, n, decision)
	case !decision.Rekey:
		return Outcome{"unchanged", decision.Reason}, nil
	}
	return h.order(ctx, n, s)
}

// order finds the key and has the machine move the secret.
func (h *Handler) order(ctx context.Context, n guard.Notice, s guard.Secret) (Outcome, error) {
	key, problem, err := h.target(ctx, s)
	switch {
	case err != nil:
		return Outcome{}, err
	case problem != "":
		return h.fail(ctx, n, s, guard.Move{Reason: problem})
	}
	record := func(ctx context.Context) error { return h.look(ctx, n) }
	job, step, err := h.Machine.Order(ctx, migration.Order{Notice: n, Secret: s, Target: key.ARN, Record: record})
	switch {
	case err != nil:
		return Outcome{}, busy(err)
	case step.Refused != nil:
		return h.fail(ctx, n, s, *step.Refused)
	case job.Phase == migration.Planned && step.Action == migration.DoNothing:
		return Outcome{"unchanged", step.Reason}, nil
	case job.Phase == migration.Planned || step.Action == migration.DoWait && job.Phase.Resting():
		return Outcome{}, fmt.Errorf("%w: %s", ErrPostponed, step.Reason)
	}
	return moved(job), nil
}

// busy lets a secret wait until it is asked for again: one at which another worker is, or a newer version, and one whose job
// cannot be read and is in quarantine.
func busy(err error) error {
	_, unreadable := errors.AsType[*store.Unreadable](err)
	if unreadable || errors.Is(err, migration.ErrBusy) || errors.Is(err, migration.ErrNewer) {
		return fmt.Errorf("%w: %w", ErrPostponed, err)
	}
	return err
}

// moved is what the machine did; it has published that already.
func moved(job migration.Job) Outcome {
	if job.Phase.Resting() {
		return Outcome{"failed", job.Reason}
	}
	if job.Phase == migration.Unproven {
		return Outcome{"unproven", job.Reason}
	}
	return Outcome{"rekeyed", "under " + job.Target}
}

// decide says what may be done about the secret as it is now.
func (h *Handler) decide(ctx context.Context, s guard.Secret) (guard.Decision, error) {
	switch {
	case s.Foreign():
		return guard.Decision{Reason: "owned by another service"}, nil
	case s.PendingDeletion():
		return guard.Decision{Reason: "pending deletion"}, nil
	case s.IsReplica():
		return guard.Decision{Reason: "a replica: its key is fixed"}, nil
	}
	rec, err := h.Records.Load(ctx, s.ARN)
	if err != nil {
		return guard.Decision{}, busy(fmt.Errorf("load record: %w", err))
	}
	mode, err := h.Modes.Mode(ctx, s.Account, s.Tags)
	if err != nil {
		return guard.Decision{}, fmt.Errorf("look up mode: %w", err)
	}
	d := guard.Decide(guard.StateOf(s, rec.LastKnown), mode, h.waived(s.ARN))
	if d.Rekey && !owed(s) {
		d.Rekey, d.Reason = false, "it names another key already: a new version is what its owner owes"
	}
	return d, nil
}

// owed reports whether a key is to be set, by us or by its owner: that was left out while the fix was ours to make.
func owed(s guard.Secret) bool { return s.Key.Manager == guard.ManagerAWS }

func (h *Handler) waived(arn string) bool {
	for _, w := range h.Waivers {
		if w.Covers(guard.SecretDefaultKey, arn, h.Now()) {
			return true
		}
	}
	return false
}

// target finds the key to move to. A problem that waiting does not cure comes back as a sentence for the owner.
func (h *Handler) target(ctx context.Context, s guard.Secret) (key guard.Key, problem string, err error) {
	id := h.KeyFor(s.Account, s.Region, s.Tags)
	h.Keys.Invalidate(id)
	key, err = h.Keys.Describe(ctx, guard.KeyRef{Account: s.Account, Region: s.Region, ID: id})
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		h.Log.With(guard.AnswerOf(err).Fields()...).WarnContext(ctx, "look at key", "account", s.Account, "region", s.Region, "secret", s.ARN, "key", id, "action", "failed")
		return key, fmt.Sprintf("the key %s could not be looked at", id), nil
	case err != nil:
		return key, "", fmt.Errorf("look at the key: %w", err)
	case key.State == guard.KeyMissing:
		return key, migration.NoKey(id, s.Account, s.Region), nil
	}
	approved, err := h.Approval.Of(ctx, h.Approved, key)
	if err != nil {
		return key, "", fmt.Errorf("look at the key: %w", err)
	}
	return key, migration.Unfit(id, key, s, s.Region, approved), nil
}

// fail publishes why no change was begun.
func (h *Handler) fail(ctx context.Context, n guard.Notice, s guard.Secret, why guard.Move) (Outcome, error) {
	notice := migration.Reply(n, guard.NoticeFailed, guard.StateOf(s, ""), &why, h.Now().UTC())
	notice.Tags = s.Tags
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("publish the failure: %w", err)
	}
	return Outcome{"failed", notice.Describe()}, nil
}

// leave hands a finding to its owner after all, because the mode became milder since the fix was ordered.
func (h *Handler) leave(ctx context.Context, n guard.Notice, decision guard.Decision) (Outcome, error) {
	notice := n
	notice.ID, notice.Decision = "left|"+n.ID, decision
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("leave it to the owner: %w", err)
	}
	return Outcome{"left", decision.Reason}, nil
}

func (h *Handler) look(ctx context.Context, n guard.Notice) error {
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	if err := h.Inspector.Inspect(ctx, ref, guard.Cause{Actor: h.By, Tool: n.Tool, EventID: n.EventID}); err != nil {
		return fmt.Errorf("record the change: %w", err)
	}
	return nil
}
