package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/email"
	"github.com/doublelock/doublelock/shared/notify/slack"
	"github.com/doublelock/doublelock/shared/store"
)

// Letter is one message on its way to a topic.
type Letter struct {
	Subject    string
	Text       string
	Attributes map[string]string // owner, severity, control, account: what subscriptions filter on
}

// Topic delivers letters to whoever subscribed.
type Topic interface {
	Send(ctx context.Context, l Letter) error
}

const (
	lease    = 5 * time.Minute // longer than a function may take, so that a claim outlives only a crash
	remember = 90 * 24 * time.Hour
	reserve  = 2 * time.Second // before the function's own deadline, to answer in time
)

// Names of the channels, which are part of what is remembered of a delivery.
const (
	channelEmail = "email"
	channelChat  = "chat"
)

// Handler sends notices to people. Chat may be nil; so may Log.
type Handler struct {
	Email     Topic
	Chat      Topic
	Claims    store.Claims
	Directory notify.Directory
	KeyFor    func(guard.Notice) string // the key to use when fixing
	Source    string                    // what an event on the hub's bus must come from
	Account   string                    // and in which account: the hub's
	Log       *slog.Logger
}

// delivery is one notice of a batch, and the queue message that brought it.
type delivery struct {
	notice  guard.Notice
	message string
}

// Handle takes a batch of notices. One that could not be delivered is named in the answer and comes again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.Together(ctx, batch, reserve, h.all)
}

// all delivers the notices of a batch, and answers which of its messages failed.
func (h *Handler) all(ctx context.Context, messages []events.SQSMessage) map[string]bool {
	failed := map[string]bool{}
	var deliveries []delivery
	for _, message := range messages {
		n, tell, err := h.read(ctx, message)
		switch {
		case err != nil:
			failed[message.MessageId] = true
			h.log().ErrorContext(ctx, "read notice", "message", message.MessageId, "action", "failed", "error", err)
		case tell:
			deliveries = append(deliveries, delivery{n, message.MessageId})
		}
	}
	h.deliver(ctx, channelEmail, h.Email, renderEmail, deliveries, failed)
	if h.Chat != nil {
		h.deliver(ctx, channelChat, h.Chat, renderChat, deliveries, failed)
	}
	return failed
}

// read takes the notice out of the event, and says whether a person hears of it. Events of others are dropped: whoever
// may put events on the bus must not be able to write to our owners.
func (h *Handler) read(ctx context.Context, message events.SQSMessage) (n guard.Notice, tell bool, err error) {
	var event events.EventBridgeEvent
	if err := json.Unmarshal([]byte(message.Body), &event); err != nil {
		return n, false, fmt.Errorf("read event: %w", err)
	}
	if event.Source != h.Source || event.AccountID != h.Account {
		h.log().WarnContext(ctx, "notice", "event", event.ID, "account", event.AccountID, "action", "ignored", "reason", "not from the hub itself")
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

// deliver sends what was not sent in this channel before. A channel that fails does not hold back the other.
func (h *Handler) deliver(ctx context.Context, channel string, topic Topic, render renderer, deliveries []delivery, failed map[string]bool) {
	var items []notify.Item
	asked := map[string]bool{}
	for _, d := range deliveries {
		if asked[d.notice.ID] {
			continue // the same notice twice in one batch: what becomes of the first becomes of both
		}
		asked[d.notice.ID] = true
		claim, err := h.Claims.Claim(ctx, notify.DedupeKey(channel, d.notice), lease)
		switch {
		case err != nil:
			fail(failed, deliveries, d.notice)
			h.log().ErrorContext(ctx, "claim notice", "id", d.notice.ID, "action", "failed", "error", err)
		case claim == store.ClaimBusy:
			fail(failed, deliveries, d.notice) // whoever is at it may still fail
		case claim == store.ClaimDone:
			h.line(ctx, d.notice, "repeat", channel, "told before")
		default:
			items = append(items, notify.Item{Notice: d.notice, Repeat: claim == store.ClaimAgain})
		}
	}
	news := slices.DeleteFunc(slices.Clone(items), isDigest)
	for _, m := range notify.Compose(news, h.Directory, h.KeyFor) {
		h.post(ctx, channel, topic, render, m, about(m, news), deliveries, failed)
	}
	for _, item := range items {
		if isDigest(item) {
			h.post(ctx, channel, topic, render, notify.Digest(item, h.Directory, h.KeyFor), []guard.Notice{item.Notice}, deliveries, failed)
		}
	}
}

func isDigest(item notify.Item) bool { return item.Notice.Kind == guard.NoticeDigest }

// post sends one message, and remembers or gives back the notices that it tells.
func (h *Handler) post(ctx context.Context, channel string, topic Topic, render renderer, m notify.Message, told []guard.Notice, deliveries []delivery, failed map[string]bool) {
	if err := h.send(ctx, topic, render, m); err != nil {
		h.undo(ctx, channel, told, deliveries, failed, err)
		return
	}
	h.done(ctx, channel, m, told)
}

// fail gives back every queue message that brought the notice.
func fail(failed map[string]bool, deliveries []delivery, n guard.Notice) {
	for _, d := range deliveries {
		if d.notice.ID == n.ID {
			failed[d.message] = true
		}
	}
}

// about lists the notices that a message tells, those included that a later one in it has overtaken.
func about(m notify.Message, items []notify.Item) []guard.Notice {
	var told []guard.Notice
	for _, item := range items {
		if m.Tells(item.Notice) {
			told = append(told, item.Notice)
		}
	}
	return told
}

type renderer func(notify.Message) (Letter, error)

func renderEmail(m notify.Message) (Letter, error) {
	mail := email.Render(m)
	return Letter{Subject: mail.Subject, Text: mail.Text}, nil
}

func renderChat(m notify.Message) (Letter, error) {
	body, err := slack.Render(m)
	return Letter{Subject: m.Subject(), Text: string(body)}, err
}

func (h *Handler) send(ctx context.Context, topic Topic, render renderer, m notify.Message) error {
	letter, err := render(m)
	if err != nil {
		return err
	}
	letter.Attributes = attributes(m)
	return topic.Send(ctx, letter)
}

// several stands for an attribute of a message about more than one account or control. Subscriptions that must get
// everything of an owner filter on the owner alone.
const several = "several"

func attributes(m notify.Message) map[string]string {
	one := func(list []string) string {
		switch len(list) {
		case 0:
			return "none"
		case 1:
			return list[0]
		default:
			return several
		}
	}
	return map[string]string{
		"owner": m.Route, "severity": string(m.Severity()), "control": one(m.Controls()), "account": one(m.Accounts()),
	}
}

// undo gives the notices back: the queue brings them again.
func (h *Handler) undo(ctx context.Context, channel string, told []guard.Notice, deliveries []delivery, failed map[string]bool, cause error) {
	ctx = context.WithoutCancel(ctx)
	for _, n := range told {
		fail(failed, deliveries, n)
		if err := h.Claims.Release(ctx, notify.DedupeKey(channel, n)); err != nil {
			h.log().ErrorContext(ctx, "release notice", "id", n.ID, "action", "failed", "error", err)
		}
	}
	h.log().ErrorContext(ctx, "send message", "channel", channel, "notices", len(told), "action", "failed", "error", cause)
}

// done remembers what was told. If even that fails, the claim's lease still keeps repeats away for a while, and what is
// told again after it says so.
func (h *Handler) done(ctx context.Context, channel string, m notify.Message, told []guard.Notice) {
	ctx = context.WithoutCancel(ctx)
	for _, n := range told {
		if err := h.Claims.Delivered(ctx, notify.DedupeKey(channel, n), remember); err != nil {
			h.log().ErrorContext(ctx, "remember notice", "id", n.ID, "action", "failed", "error", err)
		}
		h.line(ctx, n, "notified", channel, m.Route)
	}
}

func (h *Handler) line(ctx context.Context, n guard.Notice, action, channel, reason string) {
	control := ""
	if n.Finding != nil {
		control = string(n.Finding.Control)
	}
	h.log().InfoContext(ctx, "notice", "event", n.EventID, "account", n.Account, "region", n.Region, "secret", n.Resource,
		"control", control, "kind", n.Kind, "channel", channel, "action", action, "reason", reason)
}

func (h *Handler) log() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}
