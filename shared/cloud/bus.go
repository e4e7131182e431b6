package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Bus is the hub's event bus in the home Region.
type Bus struct {
	c    *Cloud
	name string
}

// Bus opens an event bus by name or ARN.
func (c *Cloud) Bus(name string) *Bus { return &Bus{c: c, name: name} }

const (
	putEventsEntries = 10         // AWS's limit on entries a call
	putEventsBytes   = 250 * 1024 // a little under AWS's 256 KiB a call, which count more than the detail
	putEventsRounds  = 4          // tries for entries that a successful call left out
)

// UnpublishedError names the notices of a Publish that did not reach the bus; the others did. It unwraps to the cause.
type UnpublishedError struct {
	IDs []string
	Err error
}

func (e *UnpublishedError) Error() string {
	return fmt.Sprintf("publish %d notices (%s): %v", len(e.IDs), strings.Join(e.IDs, ", "), e.Err)
}

func (e *UnpublishedError) Unwrap() error { return e.Err }

// outgoing is a notice on its way, ready for the wire.
type outgoing struct {
	id    string
	entry types.PutEventsRequestEntry
}

// Publish puts notices on the bus, in order, and tries again those that AWS left out. Publishing again what was
// published is harmless: receivers drop repeats by ID. An error of AWS is an *UnpublishedError.
func (b *Bus) Publish(ctx context.Context, notices []guard.Notice) error {
	var waiting []outgoing
	for _, n := range notices {
		detail, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notice %s: %w", n.ID, err)
		}
		waiting = append(waiting, outgoing{id: n.ID, entry: b.entry(n, string(detail))})
	}
	var lost UnpublishedError
	for len(waiting) > 0 {
		n := carried(waiting)
		left, err := b.put(ctx, waiting[:n])
		for _, o := range left {
			lost.IDs, lost.Err = append(lost.IDs, o.id), err
		}
		waiting = waiting[n:]
	}
	if lost.Err != nil {
		return &lost
	}
	return nil
}

func (b *Bus) entry(n guard.Notice, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{
		EventBusName: &b.name,
		Source:       aws.String(settings.EventSource),
		DetailType:   aws.String(settings.DetailTypeNotice),
		Detail:       &detail,
		Resources:    []string{n.Resource},
		Time:         aws.Time(n.At),
	}
}

// carried is how many of the first entries one call carries: at least one.
func carried(waiting []outgoing) int {
	size := 0
	for i, o := range waiting {
		size += len(*o.entry.Detail)
		if i == putEventsEntries || (i > 0 && size > putEventsBytes) {
			return i
		}
	}
	return len(waiting)
}

func (b *Bus) client() *eventbridge.Client {
	return clientFor(b.c, "events", b.c.home(), func(cfg aws.Config) *eventbridge.Client { return eventbridge.NewFromConfig(cfg) })
}

// put returns the entries that did not get through, and why.
func (b *Bus) put(ctx context.Context, batch []outgoing) ([]outgoing, error) {
	var last error
	for round := range putEventsRounds {
		if err := pause(ctx, round); err != nil {
			return batch, err
		}
		in := &eventbridge.PutEventsInput{}
		for _, o := range batch {
			in.Entries = append(in.Entries, o.entry)
		}
		out, err := b.client().PutEvents(ctx, in)
		if err != nil {
			return batch, fail(err, "put events on %s", b.name)
		}
		if batch, last = leftOut(batch, out.Entries); len(batch) == 0 {
			return nil, nil
		}
	}
	return batch, last
}

func leftOut(batch []outgoing, results []types.PutEventsResultEntry) ([]outgoing, error) {
	var left []outgoing
	var last error
	for i, r := range results {
		if code := aws.ToString(r.ErrorCode); code != "" && i < len(batch) {
			left = append(left, batch[i])
			last = fail(&entryError{code: code, message: aws.ToString(r.ErrorMessage)}, "put event")
		}
	}
	return left, last
}
