package remediate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// quiet is how long one secret is left alone after a change (Secrets Manager asks for it: versions that are made
// faster can run out, UpdateSecret API reference), and what tells a fix from a fight.
const quiet = 10 * time.Minute

// remembered is how far back the journal is read for a change that was begun.
const remembered = 7 * 24 * time.Hour

// Remediate re-keys the secret a notice is about, if that is still what should be done. It is safe to repeat: the
// journal says how far an earlier try came.
func (h *Handler) Remediate(ctx context.Context, n guard.Notice) (Outcome, error) {
	if !n.Decision.Rekey {
		return Outcome{"ignored", "nothing to re-key"}, nil
	}
	entries, err := h.Journal.List(ctx, n.Resource, h.Now().Add(-remembered))
	if err != nil {
		return Outcome{}, fmt.Errorf("read journal: %w", err)
	}
	past := readPast(entries, n.ID)
	if past.ended != nil {
		return h.told(ctx, n, past.begun, *past.ended)
	}
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	s, err := h.Secrets.Describe(ctx, ref)
	switch {
	case errors.Is(err, guard.ErrGone):
		return Outcome{"unchanged", "the secret was deleted"}, nil
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		return Outcome{"unchanged", "we may not look at it any more"}, h.look(ctx, ref, n)
	case err != nil:
		return Outcome{}, fmt.Errorf("look before the change: %w", err)
	}
	if past.begun != nil && s.Key.Manager == guard.ManagerCustomer && s.Key.ARN == past.begun.After[KeyField] {
		return h.finish(ctx, n, *past.begun) // the change was made, and nobody lived to say so
	}
	return h.change(ctx, n, s, past)
}

// change decides again from what is true now, and changes the key.
func (h *Handler) change(ctx context.Context, n guard.Notice, s guard.Secret, past past) (Outcome, error) {
	decision, err := h.decide(ctx, s)
	switch {
	case err != nil:
		return Outcome{}, err
	case !decision.Rekey && guard.Notified(guard.NoticeOpened, guard.SecretDefaultKey, decision) && owed(s):
		return h.leave(ctx, n, decision)
	case !decision.Rekey:
		return Outcome{"unchanged", decision.Reason}, nil
	}
	recently := h.Now().Add(-quiet)
	switch {
	case past.inWork.After(recently):
		return Outcome{}, fmt.Errorf("%w: another change of the secret is in work", ErrPostponed)
	case past.last.After(recently):
		return h.fail(ctx, n, s, "it was moved to a customer managed key less than ten minutes ago and moved back since: somebody, or some code, undoes the change, so it is left to you")
	}
	key, problem, err := h.target(ctx, s)
	switch {
	case err != nil:
		return Outcome{}, err
	case problem != "":
		return h.fail(ctx, n, s, problem)
	}
	switch problem, err = h.Migrations.Ready(ctx, s, key.ARN); {
	case err != nil:
		return Outcome{}, fmt.Errorf("ask who would lose access: %w", err)
	case problem != "":
		return h.fail(ctx, n, s, problem)
	}
	begun := past.begun
	if begun == nil || begun.After[KeyField] != key.ARN {
		if err := h.allowed(ctx, s.Account); err != nil {
			return Outcome{}, err
		}
		entry := h.begin(n, s, key)
		if err := h.Journal.Append(ctx, entry); err != nil {
			return Outcome{}, fmt.Errorf("write journal before the change: %w", err)
		}
		begun = &entry
	}
	err = h.Secrets.Rekey(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN}, key.ARN)
	switch {
	case errors.Is(err, guard.ErrRefused), errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		return h.end(ctx, n, *begun, guard.Secret{}, "Secrets Manager did not take the change: "+reasonOf(err))
	case errors.Is(err, guard.ErrGone):
		return Outcome{"unchanged", "the secret was deleted"}, nil
	case err != nil:
		return Outcome{}, fmt.Errorf("change key: %w", err)
	}
	return h.finish(ctx, n, *begun)
}

// reasonOf is our word for an error. AWS's own text is for the log: it names roles and policies of the hub.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, guard.ErrDenied):
		return "the role doublelock-change may not update the secret or use the key"
	case errors.Is(err, guard.ErrNotOurs):
		return "the role doublelock-change cannot be assumed in the account"
	default:
		return "the secret is in a state in which it cannot be changed"
	}
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
		return guard.Decision{}, fmt.Errorf("load record: %w", err)
	}
	mode, err := h.Modes.Mode(ctx, s.Account, s.Tags)
	if err != nil {
		return guard.Decision{}, fmt.Errorf("look up mode: %w", err)
	}
	return guard.Decide(guard.StateOf(s, rec.LastKnown), mode, h.waived(s.ARN)), nil
}

// owed reports whether the owner still has to hear of the finding: it was not told while the fix was ours to make.
func owed(s guard.Secret) bool { return s.Key.Manager == guard.ManagerAWS }

func (h *Handler) waived(arn string) bool {
	for _, w := range h.Waivers {
		if w.Covers(guard.SecretDefaultKey, arn, h.Now()) {
			return true
		}
	}
	return false
}

// allowed takes one change from the limits of the hour, the account's first.
func (h *Handler) allowed(ctx context.Context, account string) error {
	hour := h.Now().UTC().Truncate(time.Hour)
	name := "changes|" + hour.Format(time.RFC3339)
	for _, limit := range []struct {
		name string
		most int
	}{{name + "|" + account, h.Limits.PerAccountHour}, {name, h.Limits.PerHour}} {
		ok, err := h.Counter.Take(ctx, limit.name, limit.most, hour.Add(time.Hour))
		if err != nil {
			return fmt.Errorf("count changes: %w", err)
		}
		if !ok {
			return fmt.Errorf("%w: %d changes an hour are made (%s)", ErrPostponed, limit.most, limit.name)
		}
	}
	return nil
}

// target finds the key to move to. A problem that waiting does not cure comes back as a sentence for the owner.
func (h *Handler) target(ctx context.Context, s guard.Secret) (key guard.Key, problem string, err error) {
	id := h.KeyFor(s.Account, s.Region, s.Tags)
	h.Keys.Invalidate(id)
	key, err = h.Keys.Describe(ctx, guard.KeyRef{Account: s.Account, Region: s.Region, ID: id})
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		return key, fmt.Sprintf("the key %s could not be looked at", id), nil
	case err != nil:
		return key, "", fmt.Errorf("look at the key: %w", err)
	}
	switch {
	case key.State == guard.KeyMissing:
		problem = fmt.Sprintf("there is no key %s in %s %s: create it with the member stack, or name another under keys.use", id, s.Account, s.Region)
	case key.Manager != guard.ManagerCustomer:
		problem = fmt.Sprintf("the key %s is not a customer managed key", id)
	case key.State != guard.KeyEnabled:
		problem = fmt.Sprintf("the key %s is in state %s", id, key.State)
	case key.Region != s.Region:
		problem = fmt.Sprintf("the key %s is in %s, and a secret's key must be in its own Region", id, key.Region)
	case h.Approved.Allows(key, s.Account) != guard.Pass:
		problem = fmt.Sprintf("the key %s is not among the approved ones", id)
	}
	return key, problem, nil
}
