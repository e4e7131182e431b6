package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Bus is the hub's event bus in the home Region.
type Bus struct {
	c    *cloud.Cloud
	name string
}

// Open opens an event bus by name or ARN.
func Open(c *cloud.Cloud, name string) *Bus { return &Bus{c: c, name: name} }

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

// Unpublished are the ids of the notices that did not reach the bus.
func (e *UnpublishedError) Unpublished() []string { return e.IDs }

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
	return session.Client(b.c, b.c.Home(), eventbridge.NewFromConfig)
}

// put returns the entries that did not get through, and why.
func (b *Bus) put(ctx context.Context, batch []outgoing, options ...func(*eventbridge.Options)) ([]outgoing, error) {
	var last error
	for round := range putEventsRounds {
		if err := session.Pause(ctx, round); err != nil {
			return batch, err
		}
		in := &eventbridge.PutEventsInput{}
		for _, o := range batch {
			in.Entries = append(in.Entries, o.entry)
		}
		out, err := b.client().PutEvents(ctx, in, options...)
		if err != nil {
			return batch, session.Fail(err, "put events on %s", b.name)
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
			last = session.Fail(&entryError{code: code, message: aws.ToString(r.ErrorMessage)}, "put event")
		}
	}
	return left, last
}

// entryError is the error of one entry in a call that succeeded as a whole. It is classified like any other.
type entryError struct{ code, message string }

func (e *entryError) Error() string                 { return e.code + ": " + e.message }
func (e *entryError) ErrorCode() string             { return e.code }
func (e *entryError) ErrorMessage() string          { return e.message }
func (e *entryError) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }
