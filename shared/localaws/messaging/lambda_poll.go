package messaging

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// mapping is an event source with both its ends.
type mapping struct {
	*eventSource
	queue    *queue
	function *function
}

// mappings are the enabled ones whose queue and function exist, in the order in which they were made. The state lock
// must be held.
func mappings(a *core.AWS) []mapping {
	var all []mapping
	for at := range a.EveryLocation() {
		for _, s := range functionsAt(a, at).sources {
			q, ok := queueByARN(a, s.EventSourceArn)
			if f, _, exists := functionByARN(a, s.FunctionArn); ok && exists && s.State == "Enabled" {
				all = append(all, mapping{s, q, f})
			}
		}
	}
	slices.SortFunc(all, func(x, y mapping) int { return int(x.order) - int(y.order) }) //nolint:gosec // small counters
	return all
}

// poll takes one batch from the first queue that has any and feeds a function. The state lock must be held.
func poll(a *core.AWS) (work, bool) {
	for _, m := range mappings(a) {
		if ready, _, _ := m.queue.count(a.Options.Now()); ready == 0 || mayPoll(a, m.function, m.queue) != nil {
			continue // AWS keeps trying as well; the messages wait
		}
		m.filter(a.Options.Now())
		batch := receiveFrom(a, m.queue, m.BatchSize, m.queue.seconds("VisibilityTimeout"))
		if len(batch) == 0 {
			continue
		}
		run, err := prepare(a, m.FunctionArn)
		if err != nil {
			continue // gone meanwhile; the messages come back
		}
		payload := m.payload(batch)
		return func(ctx context.Context) {
			answer, err := run(ctx, payload)
			finish(a, m, batch, answer, err)
		}, true
	}
	return nil, false
}

// filter drops the visible messages that the mapping's filters do not match, as Lambda does.
func (m mapping) filter(now time.Time) {
	if len(m.filters) == 0 {
		return
	}
	m.queue.messages.removeIf(func(item *message) bool { return !item.visible.After(now) && !m.wants(item) })
}

func (m mapping) wants(item *message) bool {
	shown := map[string]any{"messageId": item.id, "body": item.body}
	var body map[string]any
	if json.Unmarshal([]byte(item.body), &body) == nil {
		shown["body"] = body
	}
	for _, p := range m.filters {
		if p.Match(shown) {
			return true
		}
	}
	return false
}

// finish deletes what the function handled; what it failed comes back after the visibility timeout.
func finish(a *core.AWS, m mapping, batch []*message, answer []byte, err error) {
	if err != nil {
		return
	}
	a.Lock()
	defer a.Unlock()
	failed := m.failedItems(answer, batch)
	for _, item := range batch {
		if !failed[item.id] {
			m.queue.messages.remove(item)
		}
	}
}

// failedItems reads batchItemFailures as Lambda does: an identifier it does not know fails the whole batch.
func (m mapping) failedItems(answer []byte, batch []*message) map[string]bool {
	failed := map[string]bool{}
	if !slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures") || len(answer) == 0 {
		return failed
	}
	var report struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	known := map[string]bool{}
	for _, item := range batch {
		known[item.id] = true
	}
	if json.Unmarshal(answer, &report) != nil {
		return known
	}
	for _, f := range report.BatchItemFailures {
		if !known[f.ItemIdentifier] {
			return known
		}
		failed[f.ItemIdentifier] = true
	}
	return failed
}

// queueRecord is one message as Lambda hands it to a function.
type queueRecord struct {
	MessageID              string                     `json:"messageId"`
	ReceiptHandle          string                     `json:"receiptHandle"`
	Body                   string                     `json:"body"`
	Attributes             map[string]string          `json:"attributes"`
	MessageAttributes      map[string]recordAttribute `json:"messageAttributes"`
	MD5OfBody              string                     `json:"md5OfBody"`
	MD5OfMessageAttributes string                     `json:"md5OfMessageAttributes,omitempty"`
	EventSource            string                     `json:"eventSource"`
	EventSourceARN         string                     `json:"eventSourceARN"`
	AWSRegion              string                     `json:"awsRegion"`
}

type recordAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func (m mapping) payload(batch []*message) []byte {
	records := make([]queueRecord, 0, len(batch))
	for _, item := range batch {
		attributes := map[string]recordAttribute{}
		for name, v := range item.attributes {
			attributes[name] = recordAttribute{v.StringValue, v.BinaryValue, []string{}, [][]byte{}, v.DataType}
		}
		records = append(records, queueRecord{
			MessageID: item.id, ReceiptHandle: item.receipt, Body: item.body, Attributes: item.systemAttributes(),
			MessageAttributes: attributes, MD5OfBody: md5Hex(item.body), MD5OfMessageAttributes: md5OfAttributes(item.attributes),
			EventSource: "aws:sqs", EventSourceARN: m.EventSourceArn, AWSRegion: m.queue.Region,
		})
	}
	payload, _ := json.Marshal(map[string]any{"Records": records}) // strings only
	return payload
}

// NextRetry is when the next hidden or delayed message of a queue with a function becomes visible again: what to set
// the clock to before the next Settle. ok is false when there is none.
func NextRetry(a *core.AWS) (at time.Time, ok bool) {
	a.Lock()
	defer a.Unlock()
	now := a.Options.Now()
	for _, m := range mappings(a) {
		for item := range m.queue.messages.all() {
			if item.visible.After(now) && (!ok || item.visible.Before(at)) {
				at, ok = item.visible, true
			}
		}
	}
	return at, ok
}
