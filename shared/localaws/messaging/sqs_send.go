package messaging

import (
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func sqsMessageOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"SendMessage":             onQueue(sendMessage),
		"SendMessageBatch":        onQueue(sendMessageBatch),
		"ReceiveMessage":          onQueue(receiveMessage),
		"DeleteMessage":           onQueue(deleteMessage),
		"ChangeMessageVisibility": onQueue(changeMessageVisibility),
	}
}

type sendInput struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]messageAttribute
	MessageSystemAttributes map[string]messageAttribute
}

type sendOutput struct {
	MessageId              string //nolint:revive // AWS's own name
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
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
	out := sendOutput{MD5OfMessageBody: md5Hex(in.MessageBody), MD5OfMessageAttributes: md5OfAttributes(in.MessageAttributes)}
	delay := q.seconds("DelaySeconds")
	if in.DelaySeconds != nil {
		delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	m := &message{id: a.UUID(), body: in.MessageBody, attributes: in.MessageAttributes, system: map[string]string{},
		sender: sender, sent: now, visible: now.Add(delay)}
	q.messages.add(m)
	transitOf(a).wake()
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
	}
	return nil
}
