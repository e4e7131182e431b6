package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// publish passes on what happened where nothing changed that could be inspected: a denied attempt, a denied read, or a
// change of what the guard depends on.
func (h *Handler) publish(ctx context.Context, c trail.Change) (Outcome, error) {
	if c.Kind == trail.Tamper && c.OfOrganization() {
		if err := h.forgetApproval(ctx); err != nil {
			return Outcome{}, err
		}
	}
	if c.DeployedByCDK() && slices.Contains(h.Central, c.Account) {
		return Outcome{Action: "ignored", Reason: "our own deployment"}, nil
	}
	if c.Actor.Own() && c.Kind != trail.Tamper { // none of our roles may touch what we depend on
		return Outcome{Action: "ignored", Reason: "our own call"}, nil
	}
	notice := noticeOf(c)
	if from, to := c.Moved(); c.Kind == trail.Tamper && from != "" && to != "" && h.Moves != nil {
		lost, err := h.Moves.Lost(ctx, c.Target, from, to)
		switch {
		case errors.Is(err, guard.ErrThrottled) || ctx.Err() != nil:
			return Outcome{}, fmt.Errorf("judge the move of account %s: %w", c.Target, err)
		case err != nil:
			h.Log.WarnContext(ctx, "judge move", "account", c.Target, "from", from, "to", to, "action", "reported", "error", err)
			notice.Detail += ", from " + from + " to " + to + "; what it lost by that is not known"
		case len(lost) == 0:
			return Outcome{Action: "ignored", Reason: "an account was moved from " + from + " to " + to + ", where the same binds it"}, nil
		default:
			notice.Detail += ", from " + from + " to " + to + ": it lost " + strings.Join(lost, ", ")
		}
	}
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("publish %s: %w", c.Kind, err)
	}
	return Outcome{Action: string(c.Kind), Reason: c.Reason}, nil
}

// forgetApproval has every process ask again which accounts are protected.
func (h *Handler) forgetApproval(ctx context.Context) error {
	if err := h.Approval.Forget(ctx); err != nil {
		return fmt.Errorf("forget who may approve keys: %w", err)
	}
	return nil
}

// noticeOf is made from the event alone, so that a repeated event gives the same notice to the last byte.
func noticeOf(c trail.Change) guard.Notice {
	n := guard.Notice{
		ID: c.EventID, At: c.Time.UTC(), Account: c.Account, Region: c.Region, Name: c.Resource(), Resource: c.Resource(),
		Detail: c.ErrorMessage, Actor: c.Actor.String(), Tool: trail.Tool(c.UserAgent), EventID: c.EventID,
	}
	if c.Secret.ID != "" {
		n.Resource = secretARN(c.Secret)
		n.Name = nameOf(n.Resource)
	}
	switch c.Kind {
	case trail.DeniedRead:
		n.Kind, n.Decision.Reason = guard.NoticeDeniedRead, "for the watchdog to judge"
	case trail.Tamper:
		n.Kind = guard.NoticeTampered
		n.Detail = c.EventName + " on " + c.Resource()
		n.Decision = guard.Decision{Reason: "what the guard depends on was changed"}
	default:
		n.Kind, n.Decision.Reason = guard.NoticeDenied, "AWS stopped it and answered the caller: counted only"
	}
	n.ID = string(n.Kind) + "|" + c.EventID
	return n
}
