package detect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// Limits in time of one event. What is not done by then goes back to the queue.
const (
	perEvent = 4 * time.Minute
	reserve  = 2 * time.Second // before the function's own deadline, to answer in time
)

// Outcome is what came of one event, in the words of the log.
type Outcome struct {
	Action  string // ignored, unchanged, recorded, tagged, published, gone, unseen, incident, attempt_denied, …
	Reason  string
	Control string // controls that are open now, separated by spaces
}

// Handle takes a batch of events. An event that could not be handled is named in the answer and comes again; the
// others are done with.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.OneByOne(ctx, batch, reserve, h.Later, legible, h.one)
}

func legible(message events.SQSMessage) error {
	if _, isLook, err := trail.ReadLook([]byte(message.Body)); isLook {
		return err
	}
	_, err := trail.Decode([]byte(message.Body))
	return err
}

func (h *Handler) one(ctx context.Context, message events.SQSMessage) error {
	look, isLook, err := trail.ReadLook([]byte(message.Body))
	change := trail.Change{EventID: look.Cause.EventID, EventName: trail.LookDetailType, Account: look.Secret.Account, Region: look.Secret.Region, Secret: look.Secret}
	if err == nil && !isLook {
		change, err = trail.Decode([]byte(message.Body))
	}
	if err != nil {
		h.Log.ErrorContext(ctx, "read event", "message", message.MessageId, "action", "failed", "error", err)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, perEvent)
	defer cancel()
	var outcome Outcome
	if isLook {
		outcome, err = h.look(ctx, look)
	} else {
		outcome, err = h.decide(ctx, change, message.EventSourceARN)
	}
	log := h.Log.With("event", change.EventID, "name", change.EventName, "account", change.Account,
		"region", change.Region, "secret", change.Secret.ID, "key", change.Key.ID)
	switch {
	case err == nil:
		log.InfoContext(ctx, "event", "action", outcome.Action, "control", outcome.Control, "reason", outcome.Reason)
	case errors.Is(err, guard.ErrThrottled) || errors.Is(err, guard.ErrConflict) || ctx.Err() != nil:
		log.WarnContext(ctx, "event", "action", "postponed", "error", err)
	default:
		log.LogAttrs(ctx, slog.LevelError, "event", slog.String("action", "failed"), slog.Any("error", err))
	}
	return err
}

// decide is the total switch over what an event can ask of us. queue is the ARN of the queue that it came from.
func (h *Handler) decide(ctx context.Context, c trail.Change, queue string) (Outcome, error) {
	cause := causeOf(c)
	switch c.Kind {
	case trail.Ignored:
		return Outcome{Action: "ignored", Reason: c.Reason}, nil
	case trail.LookAtSecret:
		if c.Actor.Own() && ownTags(c.EventName) {
			return Outcome{Action: "ignored", Reason: "our own tags"}, nil
		}
		outcome, err := h.Inspect(ctx, c.Secret, cause)
		if err != nil {
			return Outcome{}, err
		}
		return outcome, h.otherEnds(ctx, c, cause)
	case trail.KeyLifecycle:
		if c.Store != "" {
			return h.lifecycleOfStore(ctx, c, cause, queue)
		}
		return h.lifecycle(ctx, c, cause, queue, h.looksOfOneEvent(ctx))
	case trail.LookAtKey:
		return h.lookAtKey(ctx, c, cause, queue)
	case trail.PolicyBinds:
		return Outcome{Action: "recorded", Reason: c.Reason}, h.forgetApproval(ctx)
	case trail.DeniedRead:
		outcome, err := h.publish(ctx, c)
		if err == nil && c.ByKey() {
			err = h.lookAtRefused(ctx, c, cause, queue)
		}
		return outcome, err
	case trail.AttemptDenied, trail.Tamper:
		return h.publish(ctx, c)
	default:
		return Outcome{}, fmt.Errorf("handle event %s: kind %q is unknown", c.EventID, c.Kind)
	}
}

func causeOf(c trail.Change) guard.Cause {
	return guard.Cause{Actor: c.Actor.String(), Tool: trail.Tool(c.UserAgent), EventID: c.EventID}
}

// ownTags reports whether a call of ours can only have changed tags, so that there is nothing to look at. Our other
// calls are recognised by state: a look at them finds what is recorded already.
func ownTags(eventName string) bool {
	return eventName == "TagResource" || eventName == "UntagResource"
}
