package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// TaskHeartbeat is the scheduled task of this handler.
const TaskHeartbeat = "heartbeat"

// reserve is kept before the function's own deadline, to answer in time.
const reserve = 2 * time.Second

// Heartbeat looks whether every account and Region is alive.
type Heartbeat interface {
	Beat(ctx context.Context) error
}

// Reads judges reads that were denied. It must be safe to hand the same read over twice.
type Reads interface {
	DeniedRead(ctx context.Context, c trail.Change) error
}

// Outbox publishes what could not be published when it was decided. The watchdog alone drains it: its heartbeat comes four
// times as often as a sweep, and when the watchdog stands still its own alarms say so.
type Outbox interface {
	Drain(ctx context.Context) (published int, err error)
	// Late counts what waits although it was decided before a time.
	Late(ctx context.Context, before time.Time) (int, error)
}

// Brake says whether changes are paused; nil: they are not.
type Brake interface {
	Paused(ctx context.Context) (*store.PausedError, error)
}

// Handler gives each message to whom it is for. Reads may be nil: denied reads are then only logged.
type Handler struct {
	Heartbeat Heartbeat
	Reads     Reads
	Outbox    Outbox        // may be nil: nothing waits
	Namespace string        // of the metric
	Late      string        // name of the metric: notices that waited for too long
	TooLate   time.Duration // how long that is
	Brake     Brake         // may be nil: nothing is measured of it
	Paused    string        // name of the metric: whether changes are paused
	Now       func() time.Time
	Later     handlers.Later // may be nil
	Hides     handlers.Hides // may be nil
	Account   string         // the hub's: tasks of others are ignored
	Log       *slog.Logger   // one line a message
}

// Handle takes a batch of messages. One that could not be handled is named in the answer and comes again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.WhileAlive(ctx, batch, h.Hides, func(ctx context.Context) (events.SQSEventResponse, error) {
		return handlers.OneByOne(ctx, batch, reserve, h.Later, h.legible, func(ctx context.Context, message events.SQSMessage) error {
			err := h.one(ctx, []byte(message.Body))
			if err != nil {
				h.Log.ErrorContext(ctx, "message", "message", message.MessageId, "action", "failed", "error", err)
			}
			return err
		})
	})
}

func (h *Handler) one(ctx context.Context, body []byte) error {
	beat, change, err := h.read(body)
	switch {
	case err != nil:
		return err
	case beat:
		return errors.Join(h.drain(ctx), h.brake(ctx), h.Heartbeat.Beat(ctx))
	}
	return h.change(ctx, change)
}

func (h *Handler) legible(message events.SQSMessage) error {
	_, _, err := h.read([]byte(message.Body))
	return err
}

// read says whether a message is a heartbeat; it is a change otherwise.
func (h *Handler) read(body []byte) (beat bool, change trail.Change, err error) {
	task, err := trail.Task(body, h.Account)
	switch {
	case err != nil:
		return false, trail.Change{}, err
	case task == TaskHeartbeat:
		return true, trail.Change{}, nil
	case task != "":
		return false, trail.Change{}, fmt.Errorf("task %q is not the watchdog's", task)
	}
	change, err = trail.Decode(body)
	return false, change, err
}

// brake measures whether changes are paused. What is not known stops them, and is measured when it is.
func (h *Handler) brake(ctx context.Context) error {
	if h.Brake == nil {
		return nil
	}
	paused, err := h.Brake.Paused(ctx)
	if err != nil {
		return err
	}
	value, attrs := 0.0, []slog.Attr{}
	if paused != nil {
		value, attrs = 1, append(attrs, slog.String("reason", paused.Error()))
	}
	metric(ctx, h.Log, h.Now(), measurement{namespace: h.Namespace, name: h.Paused, unit: "Count", value: value}, attrs...)
	return nil
}

func (h *Handler) drain(ctx context.Context) error {
	if h.Outbox == nil {
		return nil
	}
	published, err := h.Outbox.Drain(ctx)
	if published > 0 {
		h.Log.InfoContext(ctx, "outbox", "action", "published", "notices", published)
	}
	late, unread := h.Outbox.Late(ctx, h.Now().Add(-h.TooLate))
	if unread == nil {
		metric(ctx, h.Log, h.Now(), measurement{namespace: h.Namespace, name: h.Late, unit: "Count", value: float64(late)})
	}
	return errors.Join(err, unread)
}

func (h *Handler) change(ctx context.Context, c trail.Change) error {
	log := h.Log.With("event", c.EventID, "name", c.EventName, "account", c.Account, "region", c.Region, "secret", c.Secret.ID, "key", c.Key.ID)
	switch {
	case c.Kind != trail.DeniedRead:
		log.InfoContext(ctx, "event", "action", "ignored", "reason", "no denied read")
	case c.Actor.Own():
		log.InfoContext(ctx, "event", "action", "ignored", "reason", "our own call")
	case h.Reads == nil:
		log.InfoContext(ctx, "event", "action", string(c.Kind), "actor", c.Actor.String(), "reason", c.ErrorMessage)
	default:
		return h.Reads.DeniedRead(ctx, c)
	}
	return nil
}
