package alert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// Message is a rendered message on its way to people.
type Message struct {
	To         string // the address, where the carrier asks for one; "" is the overview, or whoever subscribed
	Subject    string
	Text       string
	Attributes map[string]string // owner, severity, control, account: what subscriptions filter on; batch_id and the like
	Notices    []string          // short ids of the notices that it is about: the attribute notice_ids
}

// Sender hands messages to what carries a channel, and asks the store.Sending of the context right before the bytes go. An
// error that is none of guard.NothingDone leaves open whether the message was sent.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Channel is a row of the channel list that is deployed, and who sends for it.
type Channel struct {
	channels.Channel
	Sender   Sender
	Overview string // the address that gets the messages of every owner; "" is none
}

const (
	lease    = time.Minute // longer than a function may take, so that a claim outlives only a crash
	remember = 90 * 24 * time.Hour
	reserve  = 2 * time.Second // before the function's own deadline, to answer in time
)

// Handler sends notices to people.
type Handler struct {
	Channels  []Channel
	Claims    store.Claims
	Directory notify.Directory // with the addresses that Channels carry
	KeyFor    notify.KeyFor
	Source    string         // what an event on the hub's bus must come from
	Account   string         // and in which account: the hub's
	RollUps   *RollUps       // nil: every message goes at once
	Later     handlers.Later // may be nil
	Log       *slog.Logger
}

// TaskRollUp is the scheduled task of this handler.
const TaskRollUp = "rollup"

// batch is the bookkeeping of one: which queue messages brought a notice, by its ID, and which of them failed. by is whose
// its claims are.
type batch struct {
	by      string
	brought map[string][]string
	failed  map[string]error
}

// fail gives back every queue message that brought the notice. One that fails for a reason of its own is not kept waiting
// for AWS, whatever else happens to it.
func (b batch) fail(n guard.Notice, err error) {
	for _, message := range b.brought[n.ID] {
		if was := b.failed[message]; was == nil || guard.Passing(was) {
			b.failed[message] = err
		}
	}
}

// Handle takes a batch of notices. One that could not be delivered is named in the answer and comes again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.Together(ctx, batch, reserve, h.Later, h.legible, h.all)
}

func (h *Handler) legible(message events.SQSMessage) error {
	if task, err := trail.Task([]byte(message.Body), h.Account); err == nil && task != "" {
		return ours(task)
	}
	_, _, err := h.read(context.Background(), message)
	return err
}

// all delivers the notices of a batch, and answers which of its messages failed.
func (h *Handler) all(ctx context.Context, messages []events.SQSMessage) map[string]error {
	b := batch{by: rand.Text(), brought: map[string][]string{}, failed: map[string]error{}}
	var notices []guard.Notice
	for _, message := range messages {
		if task, err := trail.Task([]byte(message.Body), h.Account); err == nil && task != "" {
			if err := h.task(ctx, task); err != nil {
				b.failed[message.MessageId] = err
				h.Log.ErrorContext(ctx, "task", "message", message.MessageId, "action", "failed", "error", err)
			}
			continue
		}
		n, notified, err := h.read(ctx, message)
		switch {
		case err != nil:
			b.failed[message.MessageId] = err
			h.Log.ErrorContext(ctx, "read notice", "message", message.MessageId, "action", "failed", "error", err)
		case notified:
			b.brought[n.ID] = append(b.brought[n.ID], message.MessageId)
			notices = append(notices, n)
		}
	}
	notices = h.reachable(ctx, notices, b)
	for _, o := range h.outlets() {
		h.deliver(ctx, o, notices, b)
	}
	return b.failed
}

// read takes the notice out of the event, and says whether a person is notified. Events of others are dropped: whoever
// may put events on the bus must not be able to write to our owners.
func (h *Handler) read(ctx context.Context, message events.SQSMessage) (n guard.Notice, notified bool, err error) {
	var event events.EventBridgeEvent
	if err := json.Unmarshal([]byte(message.Body), &event); err != nil {
		return n, false, fmt.Errorf("read event: %w", err)
	}
	if event.Source != h.Source || event.AccountID != h.Account {
		h.Log.WarnContext(ctx, "notice", "event", event.ID, "account", event.AccountID, "action", "ignored", "reason", "not from the hub itself")
		return n, false, nil
	}
	if err := json.Unmarshal(event.Detail, &n); err != nil {
		return n, false, fmt.Errorf("read notice: %w", err)
	}
	if n.ID == "" || n.Kind == "" {
		return n, false, fmt.Errorf("read notice: event %s has no id or kind", event.ID)
	}
	if !n.Notified() {
		h.line(ctx, n, "kept", "", "recorded only")
		return n, false, nil
	}
	return n, true, nil
}

// deliver sends what was not sent on this outlet before. An outlet that fails does not hold back the others.
func (h *Handler) deliver(ctx context.Context, o outlet, notices []guard.Notice, b batch) {
	var items []notify.Item
	asked := map[string]bool{}
	for _, n := range notices {
		if asked[n.ID] || !o.takes(h.Directory, n) {
			continue // the same notice twice in one batch: what becomes of the first becomes of both
		}
		asked[n.ID] = true
		claim, err := h.Claims.Claim(ctx, notify.DedupeKey(o.name, n), b.by, lease)
		switch {
		case err != nil:
			b.fail(n, err)
			h.Log.ErrorContext(ctx, "claim notice", "id", n.ID, "action", "failed", "error", err)
		case claim == store.ClaimBusy:
			b.fail(n, errBusy) // whoever is at it may still fail
		case claim == store.ClaimDone:
			h.line(ctx, n, "repeat", o.name, "notified before")
		default:
			items = append(items, notify.Item{Notice: n, Repeat: claim == store.ClaimAgain})
		}
	}
	news := slices.DeleteFunc(slices.Clone(items), isDigest)
	for _, m := range notify.Compose(news, h.Directory, h.KeyFor) {
		h.admit(ctx, o, m, about(m, news), b)
	}
	for _, item := range items {
		if isDigest(item) {
			h.post(ctx, o, notify.Digest(item, h.Directory, h.KeyFor), []notify.Item{item}, b)
		}
	}
}

func isDigest(item notify.Item) bool { return item.Notice.Kind == guard.NoticeDigest }

// errBusy is the answer to a notice that somebody else is at. It passes.
var errBusy = fmt.Errorf("somebody else is at it: %w", guard.ErrConflict)

// post sends one message, and remembers or gives back the notices that are in it.
func (h *Handler) post(ctx context.Context, o outlet, m notify.Message, inside []notify.Item, b batch) {
	sending := store.NewSending(inTime(func(ctx context.Context) error { return h.begin(ctx, o.name, inside, b) }))
	if err := o.send(store.WithSending(ctx, sending), h.Directory, m, inside); err != nil {
		h.undo(ctx, o.name, inside, b, err)
		return
	}
	h.done(ctx, o.name, m, inside)
}

// begin writes down that notices go out now, as long as they are all still this batch's.
func (h *Handler) begin(ctx context.Context, channel string, inside []notify.Item, b batch) error {
	for _, item := range inside {
		if err := h.Claims.Begin(ctx, notify.DedupeKey(channel, item.Notice), b.by); err != nil {
			return err
		}
	}
	return nil
}

// inTime is what a store.Sending asks before the bytes go: they stay where somebody else may have taken over what they are about,
// or nobody knows, or it took so long to find out that somebody could have since.
func inTime(begin func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		asked := time.Now()
		err := begin(ctx)
		switch {
		case errors.Is(err, store.ErrLost):
			return fmt.Errorf("%w: %w: %w", guard.ErrUnsent, store.ErrFenced, err)
		case err != nil:
			return fmt.Errorf("%w: %w", guard.ErrUnsent, err)
		case store.Since(asked) >= store.MayBegin:
			return fmt.Errorf("%w: %w: its time was over", guard.ErrUnsent, store.ErrFenced)
		}
		return nil
	}
}

// about lists the notices that a message is about, those included that a later one in it has overtaken.
func about(m notify.Message, items []notify.Item) []notify.Item {
	var inside []notify.Item
	for _, item := range items {
		if m.Covers(item.Notice) {
			inside = append(inside, item)
		}
	}
	return inside
}

// undo gives the notices back: the queue brings them again. Where it is not known whether they were sent, as when an answer
// was lost, the next delivery says that it may be a repeat.
func (h *Handler) undo(ctx context.Context, channel string, sent []notify.Item, b batch, cause error) {
	ctx = context.WithoutCancel(ctx)
	for _, item := range sent {
		b.fail(item.Notice, cause)
		back := h.Claims.Doubt
		if guard.NothingDone(cause) {
			back = h.Claims.Release
		}
		if err := back(ctx, notify.DedupeKey(channel, item.Notice), b.by); err != nil {
			h.Log.ErrorContext(ctx, "release notice", "id", item.Notice.ID, "action", "failed", "error", err)
		}
	}
	h.Log.ErrorContext(ctx, "send message", "channel", channel, "notices", len(sent), "action", "failed", "sent", known(cause), "error", cause)
}

func known(cause error) string {
	if guard.NothingDone(cause) {
		return "no"
	}
	return "unknown"
}

// done remembers what was sent. If even that fails, that it was begun still keeps repeats away for a while, and what is
// sent again after it says so.
func (h *Handler) done(ctx context.Context, channel string, m notify.Message, sent []notify.Item) {
	ctx = context.WithoutCancel(ctx)
	for _, item := range sent {
		if err := h.Claims.Delivered(ctx, notify.DedupeKey(channel, item.Notice), remember); err != nil {
			h.Log.ErrorContext(ctx, "remember notice", "id", item.Notice.ID, "action", "failed", "error", err)
		}
		h.line(ctx, item.Notice, "notified", channel, m.Route)
	}
}

func (h *Handler) line(ctx context.Context, n guard.Notice, action, channel, reason string) {
	control := ""
	if n.Finding != nil {
		control = string(n.Finding.Control)
	}
	h.Log.InfoContext(ctx, "notice", "event", n.EventID, "account", n.Account, "region", n.Region, "secret", n.Resource,
		"control", control, "kind", n.Kind, "channel", channel, "action", action, "reason", reason)
}
