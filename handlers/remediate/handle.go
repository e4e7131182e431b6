package remediate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
)

const (
	perNotice = 2 * time.Minute
	reserve   = 2 * time.Second // before the function's own deadline, to answer in time
)

// ErrPostponed says that a change is due, but not now. The next look at the secret asks for it again; a queue that
// brought it back by itself would count that as failures and park it.
var ErrPostponed = errors.New("postponed")

// Outcome is what came of one notice, in the words of the log.
type Outcome struct {
	Action string // ignored, unchanged, rekeyed, unproven, failed, left
	Reason string
}

// Handle takes a batch of notices. One whose change could not be finished is named in the answer and comes again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.WhileAlive(ctx, batch, h.Hides, func(ctx context.Context) (events.SQSEventResponse, error) {
		return handlers.OneByOne(ctx, batch, reserve, h.Later, h.legible, h.one)
	})
}

func (h *Handler) legible(message events.SQSMessage) error {
	_, _, err := h.read(message)
	return err
}

func (h *Handler) one(ctx context.Context, message events.SQSMessage) error {
	n, ours, err := h.read(message)
	if err != nil {
		h.Log.ErrorContext(ctx, "read notice", "message", message.MessageId, "action", "failed", "error", err)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, perNotice)
	defer cancel()
	log := h.Log.With("event", n.EventID, "account", n.Account, "region", n.Region, "secret", n.Resource, "control", string(guard.SecretDefaultKey))
	if !ours {
		log.WarnContext(ctx, "notice", "action", "ignored", "reason", "not from the hub itself")
		return nil
	}
	outcome, err := h.Remediate(ctx, n)
	switch {
	case err == nil:
		log.InfoContext(ctx, "notice", "action", outcome.Action, "reason", outcome.Reason)
	case errors.Is(err, ErrPostponed):
		log.InfoContext(ctx, "notice", "action", "postponed", "reason", err.Error())
		return nil
	case errors.Is(err, guard.ErrThrottled) || ctx.Err() != nil:
		log.WarnContext(ctx, "notice", "action", "postponed", "error", err)
	default:
		log.ErrorContext(ctx, "notice", "action", "failed", "error", err)
	}
	return err
}

// read takes the notice out of the event. Whoever may put events on the bus must not be able to order a change: what
// comes from elsewhere is dropped, and what is done is decided again from what is true now.
func (h *Handler) read(message events.SQSMessage) (n guard.Notice, ours bool, err error) {
	var event events.EventBridgeEvent
	if err := json.Unmarshal([]byte(message.Body), &event); err != nil {
		return n, false, fmt.Errorf("read event: %w", err)
	}
	if err := json.Unmarshal(event.Detail, &n); err != nil {
		return n, false, fmt.Errorf("read notice: %w", err)
	}
	return n, event.Source == h.Source && (h.Account == "" || event.AccountID == h.Account), nil
}
