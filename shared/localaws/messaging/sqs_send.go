package messaging

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func sqsMessageOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"SendMessage":                  onQueue(sendMessage),
		"SendMessageBatch":             onQueue(sendMessageBatch),
		"ReceiveMessage":               onQueue(receiveMessage),
		"DeleteMessage":                onQueue(deleteMessage),
		"DeleteMessageBatch":           onQueue(deleteMessageBatch),
		"ChangeMessageVisibility":      onQueue(changeMessageVisibility),
		"ChangeMessageVisibilityBatch": onQueue(changeMessageVisibilityBatch),
	}
}

type sendInput struct {
	Id                      string //nolint:revive // AWS's own name; only in batches
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]messageAttribute
	MessageSystemAttributes map[string]messageAttribute
	MessageGroupId          string //nolint:revive // AWS's own name
	MessageDeduplicationId  string //nolint:revive // AWS's own name
}

type sendOutput struct {
	Id                     string `json:",omitempty"` //nolint:revive // AWS's own name
	MessageId              string //nolint:revive // AWS's own name
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

// batchFailure is one entry of a batch that did not work.
type batchFailure struct {
	Id, Code, Message string //nolint:revive // AWS's own names
	SenderFault       bool
}

func sendMessage(c *core.Call, q *queue) (any, error) {
	var in sendInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := q.encryption().by(c, toWrite); err != nil {
		return nil, err
	}
	return sendTo(c.AWS, q, in, c.Caller.PrincipalID, c.Now)
}

// sendTo puts a message into a queue. The state lock must be held.
func sendTo(a *core.AWS, q *queue, in sendInput, sender string, now time.Time) (sendOutput, error) {
	if err := q.check(in); err != nil {
		return sendOutput{}, err
	}
	out := sendOutput{Id: in.Id, MD5OfMessageBody: md5Hex(in.MessageBody), MD5OfMessageAttributes: md5OfAttributes(in.MessageAttributes)}
	delay := q.seconds("DelaySeconds")
	if in.DelaySeconds != nil {
		delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	m := &message{id: a.UUID(), body: in.MessageBody, attributes: in.MessageAttributes, system: map[string]string{},
		sender: sender, sent: now, visible: now.Add(delay), group: in.MessageGroupId}
	if q.fifo() {
		if before, repeated := q.deduplicate(a, m, in.MessageDeduplicationId, now); repeated {
			out.MessageId, out.SequenceNumber = before.id, before.sequence
			return out, nil
		}
		out.SequenceNumber = m.sequence
	}
	q.messages.add(m)
	flightOf(a).wake()
	out.MessageId = m.id
	return out, nil
}

func (q *queue) check(in sendInput) error {
	size := len(in.MessageBody)
	for name, attribute := range in.MessageAttributes {
		size += len(name) + len(attribute.DataType) + len(attribute.BinaryValue)
		if attribute.StringValue != nil {
			size += len(*attribute.StringValue)
		}
	}
	limit := int(q.seconds("MaximumMessageSize") / time.Second)
	switch {
	case in.MessageBody == "":
		return &core.Error{Code: "MissingParameter", Message: "The request must contain the parameter MessageBody."}
	case size > limit:
		return invalidParameter(fmt.Sprintf("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit))
	case len(in.MessageAttributes) > 10:
		return invalidParameter("Number of message attributes [" + fmt.Sprint(len(in.MessageAttributes)) + "] exceeds the allowed maximum [10].")
	case q.fifo() && in.MessageGroupId == "":
		return &core.Error{Code: "MissingParameter", Message: "The request must contain the parameter MessageGroupId."}
	case q.fifo() && in.MessageDeduplicationId == "" && q.attributes["ContentBasedDeduplication"] != "true":
		return invalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// deduplicate tells whether a FIFO queue saw the message within five minutes, and remembers it otherwise.
func (q *queue) deduplicate(a *core.AWS, m *message, id string, now time.Time) (seenMessage, bool) {
	if id == "" {
		sum := sha256.Sum256([]byte(m.body))
		id = hex.EncodeToString(sum[:])
	}
	if before, ok := q.seen[id]; ok && now.Sub(before.at) < 5*time.Minute {
		return before, true
	}
	m.dedupe, m.sequence = id, fmt.Sprintf("%020d", flightOf(a).next())
	q.seen[id] = seenMessage{m.id, m.sequence, now}
	return seenMessage{}, false
}

func sendMessageBatch(c *core.Call, q *queue) (any, error) {
	var in struct{ Entries []sendInput }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	var ids []string
	size := 0
	for _, e := range in.Entries {
		ids, size = append(ids, e.Id), size+len(e.MessageBody)
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	if err := q.encryption().by(c, toWrite); err != nil {
		return nil, err
	}
	if size > 1<<20 {
		return nil, &core.Error{Code: "BatchRequestTooLong", Message: fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", 1<<20, size)}
	}
	var out struct {
		Successful []sendOutput
		Failed     []batchFailure `json:",omitempty"`
	}
	for _, e := range in.Entries {
		sent, err := sendTo(c.AWS, q, e, c.Caller.PrincipalID, c.Now)
		if err != nil {
			out.Failed = append(out.Failed, failureOf(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, sent)
	}
	return out, nil
}

func failureOf(id string, err error) batchFailure {
	api := core.AsError(err)
	return batchFailure{Id: id, Code: api.Code, Message: api.Message, SenderFault: api.Status < 500}
}

func checkBatch(ids []string) error {
	switch {
	case len(ids) == 0:
		return &core.Error{Code: "EmptyBatchRequest", Message: "There should be at least one SendMessageBatchRequestEntry in the request."}
	case len(ids) > 10:
		return &core.Error{Code: "TooManyEntriesInBatchRequest", Message: fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", len(ids))}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			return &core.Error{Code: "BatchEntryIdsNotDistinct", Message: "Id " + id + " repeated."}
		}
		seen[id] = true
	}
	return nil
}
