package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// reserve is kept before the function's own deadline, to answer in time.
const reserve = 2 * time.Second

// Uses keeps who used a secret. Every method is safe to repeat.
type Uses interface {
	// Note keeps uses of what callers call id. A *store.Unreadable says that they are lost, and that the ledger knows that.
	Note(ctx context.Context, at migration.Location, id string, found []migration.Sighting) error
	// Pulse keeps that an event of ours arrived by the way of the reads.
	Pulse(ctx context.Context, at migration.Location, sent time.Time) error
}

// Handler notes the uses of a batch of events, those of one secret together.
type Handler struct {
	Uses  Uses
	Later handlers.Later // may be nil
	Log   *slog.Logger   // one line a batch

	mu    sync.Mutex
	noted map[counter]bool // by this process, so that the table is asked once a day for each
}

// counter is what is written at most once.
type counter struct {
	secret
	principal, version, day string
	does                    migration.Does
}

// secret is what callers call one, where they call it so.
type secret struct {
	at migration.Location
	id string
}

// mostNoted bounds the memory of a process: some 20 MB. Beyond it the table is asked again.
const mostNoted = 100_000

// Handle takes a batch of messages. Those whose uses could not be kept are named in the answer and come again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.Together(ctx, batch, reserve, h.Later, legible, h.all)
}

func legible(message events.SQSMessage) error {
	_, err := trail.Decode([]byte(message.Body))
	return err
}

// sorted is a batch by what is to be done: uses that this process has not noted, with the messages that carried of them.
type sorted struct {
	found   map[secret][]migration.Sighting
	carried map[secret][]string
	pulses  map[migration.Location]pulses
	failed  map[string]error
}

type pulses struct {
	sent     time.Time // the last of them
	messages []string
}

func (h *Handler) all(ctx context.Context, messages []events.SQSMessage) map[string]error {
	b := h.sort(messages)
	broken := map[migration.Location]error{}
	for of, found := range b.found {
		err := h.Uses.Note(ctx, of.at, of.id, found)
		if unreadable, is := errors.AsType[*store.Unreadable](err); is {
			h.Log.WarnContext(ctx, "uses", "action", "lost", "account", of.at.Account, "region", of.at.Region, "secret", of.id, "error", unreadable)
			continue
		}
		if err != nil {
			broken[of.at] = err
			b.fail(b.carried[of], err)
			continue
		}
		h.remember(of, found)
	}
	for at, p := range b.pulses {
		err := broken[at] // a pulse does not overtake reads that were not kept
		if err == nil {
			err = h.Uses.Pulse(ctx, at, p.sent)
		}
		b.fail(p.messages, err)
	}
	for id, err := range b.failed {
		h.Log.ErrorContext(ctx, "message", "message", id, "action", "failed", "error", err)
	}
	h.Log.InfoContext(ctx, "batch", "action", "noted", "messages", len(messages), "secrets", len(b.found), "failed", len(b.failed))
	return b.failed
}

func (b sorted) fail(messages []string, err error) {
	for _, id := range messages {
		if err != nil {
			b.failed[id] = err
		}
	}
}

func (h *Handler) sort(messages []events.SQSMessage) sorted {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := sorted{map[secret][]migration.Sighting{}, map[secret][]string{}, map[migration.Location]pulses{}, map[string]error{}}
	seen := map[counter]bool{}
	for _, message := range messages {
		c, err := trail.Decode([]byte(message.Body))
		if err != nil {
			b.failed[message.MessageId] = err
			continue
		}
		at := migration.Location{Account: c.Account, Region: c.Region}
		if c.Pulse() {
			p := b.pulses[at]
			if c.Time.After(p.sent) {
				p.sent = c.Time
			}
			p.messages = append(p.messages, message.MessageId)
			b.pulses[at] = p
		}
		for _, use := range fleet.Sightings(c) {
			of := secret{at, use.Secret}
			one := of.counter(use)
			if h.noted[one] {
				continue
			}
			b.carried[of] = append(b.carried[of], message.MessageId)
			if !seen[one] {
				seen[one], b.found[of] = true, append(b.found[of], use)
			}
		}
	}
	return b
}

func (h *Handler) remember(of secret, found []migration.Sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.noted == nil || len(h.noted) > mostNoted {
		h.noted = map[counter]bool{}
	}
	for _, use := range found {
		h.noted[of.counter(use)] = true
	}
}

func (s secret) counter(use migration.Sighting) counter {
	return counter{s, use.Principal, use.Version, use.Last.Format(time.DateOnly), use.Does}
}
