package messaging

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type receiveInput struct {
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

// receivedMessage is a message as ReceiveMessage answers it.
type receivedMessage struct {
	MessageId              string //nolint:revive // AWS's own name
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string           `json:",omitempty"`
	MessageAttributes      map[string]messageAttribute `json:",omitempty"`
	MD5OfMessageAttributes string                      `json:",omitempty"`
}

func receiveMessage(c *core.Call, q *queue) (any, error) {
	var in receiveInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	most, timeout := 1, q.seconds("VisibilityTimeout")
	if in.MaxNumberOfMessages != nil {
		most = *in.MaxNumberOfMessages
	}
	if most < 1 || most > 10 {
		return nil, invalidParameter("Value " + strconv.Itoa(most) + " for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")
	}
	if in.VisibilityTimeout != nil {
		timeout = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if err := q.encryption().by(c, toRead); err != nil {
		return nil, err
	}
	take := func() any { return show(receiveFrom(c.AWS, q, most, timeout), in) }
	wait := q.seconds("ReceiveMessageWaitTimeSeconds")
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	if ready, _, _ := q.count(c.Now); ready > 0 || wait == 0 || c.Request == nil {
		return take(), nil
	}
	return core.Later(func() (any, error) { return longPoll(c, q, wait, take) }), nil
}

// longPoll waits on the wall clock, without the state lock, for something to receive.
func longPoll(c *core.Call, q *queue, wait time.Duration, take func() any) (any, error) {
	a, end := c.AWS, time.After(wait)
	for {
		arrived := arrival(a)
		a.Lock()
		ready, _, _ := q.count(a.Options.Now())
		if ready > 0 {
			defer a.Unlock()
			return take(), nil
		}
		a.Unlock()
		select {
		case <-arrived:
		case <-time.After(time.Second): // a visibility timeout may have ended
		case <-end:
			return struct{}{}, nil
		case <-c.Request.Context().Done():
			return struct{}{}, nil
		}
	}
}

// receiveFrom takes up to most messages that are visible, hides them for the timeout, and moves those received too often
// to the dead-letter queue. The state lock must be held.
func receiveFrom(a *core.AWS, q *queue, most int, timeout time.Duration) []*message {
	now := a.Options.Now().UTC()
	q.messages.tidy()
	var taken []*message
	keep := q.seconds("MessageRetentionPeriod")
	for m := range q.messages.all() {
		if len(taken) == most {
			break
		}
		if now.Sub(m.sent) > keep {
			q.messages.remove(m)
			continue
		}
		if m.visible.After(now) {
			continue
		}
		if deadLetter(a, q, m) {
			continue
		}
		m.received++
		if m.received == 1 {
			m.first = now
		}
		m.receipt = a.Letters(48, core.MixedAlnum)
		m.visible = now.Add(timeout)
		taken = append(taken, m)
	}
	return taken
}

// deadLetter moves a message that was received too often.
func deadLetter(a *core.AWS, q *queue, m *message) bool {
	target, most, ok := q.redrive()
	if !ok || m.received < most {
		return false
	}
	dead, ok := queueByARN(a, target)
	if !ok {
		return false
	}
	moved := *m
	q.messages.remove(m)
	moved.receipt, moved.system = "", maps.Clone(m.system)
	moved.system["DeadLetterQueueSourceArn"] = q.arn()
	dead.messages.add(&moved)
	transitOf(a).stats.DeadLettered++
	return true
}

func show(messages []*message, in receiveInput) any {
	var out struct {
		Messages []receivedMessage `json:",omitempty"`
	}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, m := range messages {
		shown := receivedMessage{MessageId: m.id, ReceiptHandle: m.receipt, MD5OfBody: md5Hex(m.body), Body: m.body}
		shown.Attributes = pick(m.systemAttributes(), wanted)
		shown.MessageAttributes = pick(m.attributes, in.MessageAttributeNames)
		shown.MD5OfMessageAttributes = md5OfAttributes(shown.MessageAttributes)
		out.Messages = append(out.Messages, shown)
	}
	return out
}

// pick keeps what was asked for by name, prefix.* or All.
func pick[V any](all map[string]V, wanted []string) map[string]V {
	some := map[string]V{}
	for name, value := range all {
		for _, w := range wanted {
			prefix, isPrefix := cutStar(w)
			if w == "All" || w == name || isPrefix && len(name) >= len(prefix) && name[:len(prefix)] == prefix {
				some[name] = value
			}
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some
}

func cutStar(pattern string) (prefix string, ok bool) {
	if n := len(pattern); n >= 2 && pattern[n-2:] == ".*" {
		return pattern[:n-2], true
	}
	return "", false
}

func (m *message) systemAttributes() map[string]string {
	all := map[string]string{
		"SenderId":                         m.sender,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	maps.Copy(all, m.system)
	return all
}

// held finds the message of a receipt handle; an old handle of a message received again still deletes nothing here.
func (q *queue) held(receipt string) (*message, bool) {
	for m := range q.messages.all() {
		if m.receipt == receipt && receipt != "" {
			return m, true
		}
	}
	return nil, false
}

func deleteMessage(c *core.Call, q *queue) (any, error) {
	var in struct{ ReceiptHandle string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, &core.Error{Code: "ReceiptHandleIsInvalid", Message: "The input receipt handle is invalid."}
	}
	if m, ok := q.held(in.ReceiptHandle); ok {
		q.messages.remove(m)
	}
	return struct{}{}, nil // deleting what is gone is no error
}

// Source: API reference, ChangeMessageVisibility: from now on, 12 hours at most, of a message that is in flight.
func changeMessageVisibility(c *core.Call, q *queue) (any, error) {
	var in struct {
		ReceiptHandle     string
		VisibilityTimeout *int
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.VisibilityTimeout == nil || *in.VisibilityTimeout < 0 || *in.VisibilityTimeout > 43200 {
		return nil, invalidParameter("Value for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.")
	}
	m, ok := q.held(in.ReceiptHandle)
	if !ok || !m.visible.After(c.Now) {
		return nil, &core.Error{Code: "MessageNotInflight", Message: "The message referred to isn't in flight."}
	}
	m.visible = c.Now.Add(time.Duration(*in.VisibilityTimeout) * time.Second)
	return struct{}{}, nil
}
