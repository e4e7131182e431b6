package messaging

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

const maxNotification = 256 << 10 // bytes of message and attributes

// notification is a published message on its way to subscribers.
type notification struct {
	id, subject, message string

	structure  map[string]string // message by protocol; nil unless MessageStructure was json
	attributes map[string]notificationAttribute
	at         time.Time
}

type notificationAttribute struct {
	DataType, StringValue, BinaryValue string
}

// text is the message for a protocol.
func (m notification) text(protocol string) string {
	if m.structure == nil {
		return m.message
	}
	if text, ok := m.structure[protocol]; ok {
		return text
	}
	return m.structure["default"]
}

// filterable is the attributes as a filter policy sees them.
func (m notification) filterable() map[string]any {
	event := map[string]any{}
	for name, a := range m.attributes {
		kind, _, _ := strings.Cut(a.DataType, ".")
		var value any = a.StringValue
		if kind == "Number" || a.DataType == "String.Array" {
			if json.Unmarshal([]byte(a.StringValue), &value) != nil {
				continue
			}
		}
		if kind != "Binary" {
			event[name] = value
		}
	}
	return event
}

func publish(c *core.Call, t *topic) (any, error) {
	var in struct {
		Message, Subject, MessageStructure string
		MessageAttributes                  map[string]notificationAttribute
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if c.Form.Has("Subject") {
		if err := checkSubject(in.Subject); err != nil {
			return nil, err
		}
	}
	if err := t.encryption().by(c, toWrite); err != nil {
		return nil, err
	}
	m := notification{subject: in.Subject, message: in.Message, attributes: in.MessageAttributes}
	if err := m.check(); err != nil {
		return nil, err
	}
	if in.MessageStructure == "json" {
		var err error
		if m.structure, err = readStructure(in.Message); err != nil {
			return nil, err
		}
	}
	return struct{ MessageId string }{publishTo(c.AWS, t, m)}, nil //nolint:revive // AWS's own name
}

// checkSubject asks for 1 to 100 printable ASCII characters, the first of them no space.
func checkSubject(subject string) error {
	if subject == "" || len(subject) > 100 || subject[0] == ' ' {
		return snsInvalid("Subject")
	}
	for i := range len(subject) {
		if subject[i] < ' ' || subject[i] > '~' {
			return snsInvalid("Subject")
		}
	}
	return nil
}

func (m notification) check() error {
	if m.message == "" {
		return snsInvalid("Empty message")
	}
	size := len(m.message)
	for name, a := range m.attributes {
		size += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
		kind, _, _ := strings.Cut(a.DataType, ".")
		if kind != "String" && kind != "Number" && kind != "Binary" {
			return &core.Error{Code: "ParameterValueInvalid", Message: fmt.Sprintf("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)}
		}
		if a.StringValue == "" && a.BinaryValue == "" {
			return &core.Error{Code: "ParameterValueInvalid", Message: fmt.Sprintf("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, a.DataType)}
		}
	}
	if size > maxNotification {
		return snsInvalid("Message too long")
	}
	return nil
}

func readStructure(message string) (map[string]string, error) {
	var texts map[string]any
	if err := json.Unmarshal([]byte(message), &texts); err != nil {
		return nil, snsInvalid("Message Structure - JSON message body failed to parse")
	}
	structure := map[string]string{}
	for protocol, text := range texts {
		if s, ok := text.(string); ok {
			structure[protocol] = s
		}
	}
	if _, ok := structure["default"]; !ok {
		return nil, snsInvalid("Message Structure - No default entry in JSON message body")
	}
	return structure, nil
}

// publishTo sends a message to everyone who subscribed and wants it. The state lock must be held.
func publishTo(a *core.AWS, t *topic, m notification) (id string) {
	m.id, m.at = a.UUID(), a.Options.Now().UTC()
	for _, s := range t.subscriptions {
		if s.passes(m) {
			deliver(a, func() work { return toSubscriber(a, t, s, m) })
		}
	}
	return m.id
}

const snsPrincipal = "sns.amazonaws.com"

// eventToTopic publishes what a rule sends.
func eventToTopic(a *core.AWS, arn, input, ruleARN string) error {
	t, ok := topicByARN(a, arn)
	if !ok {
		return &core.Error{Code: "NotFound", Message: "Topic does not exist", Status: 404}
	}
	err := permit(a, eventsPrincipal, ruleARN, core.Access{Action: "sns:Publish", Resource: arn, ResourcePolicy: t.attributes["Policy"], Owner: t.Account})
	if err != nil {
		return err
	}
	if err := t.encryption().byService(a, eventsPrincipal, ruleARN); err != nil {
		return err
	}
	publishTo(a, t, notification{message: input})
	return nil
}

func toSubscriber(a *core.AWS, t *topic, s *subscription, m notification) work {
	switch s.protocol {
	case "sqs":
		if err := toSubscribedQueue(a, t, s, m); err != nil {
			undelivered(a, t, s, m)
			return nil
		}
	case "lambda":
		payload, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "EventVersion": "1.0",
			"EventSubscriptionArn": s.arn, "Sns": m.envelope(t, s, "lambda")}}}) // strings only
		return asynchronous(a, invocation{arn: s.endpoint, payload: payload, principal: snsPrincipal, source: t.arn(),
			refused: func(error) { undelivered(a, t, s, m) }})
	default:
		post(a, t, s, m)
	}
	transitOf(a).stats.Delivered++
	return nil
}

func toSubscribedQueue(a *core.AWS, t *topic, s *subscription, m notification) error {
	q, ok := queueByARN(a, s.endpoint)
	if !ok {
		return noSuchQueue()
	}
	in := sendInput{MessageBody: m.text("sqs")}
	if s.raw {
		in.MessageAttributes = m.messageAttributes()
	} else {
		body, err := json.Marshal(m.envelope(t, s, "sqs"))
		if err != nil {
			return err
		}
		in.MessageBody = string(body)
	}
	return sendAs(a, snsPrincipal, t.arn(), q, in)
}

func (m notification) messageAttributes() map[string]messageAttribute {
	out := map[string]messageAttribute{}
	for name, v := range m.attributes {
		out[name] = messageAttribute{DataType: v.DataType, StringValue: &v.StringValue}
	}
	return out
}

// undelivered keeps a message in the subscription's dead-letter queue, if it has one.
func undelivered(a *core.AWS, t *topic, s *subscription, m notification) {
	var redrive struct {
		DeadLetterTargetArn string `json:"deadLetterTargetArn"`
	}
	_ = json.Unmarshal([]byte(s.attributes["RedrivePolicy"]), &redrive) // none, or none that can be read
	q, ok := queueByARN(a, redrive.DeadLetterTargetArn)
	if !ok || sendAs(a, snsPrincipal, t.arn(), q, sendInput{MessageBody: m.text(s.protocol), MessageAttributes: m.messageAttributes()}) != nil {
		transitOf(a).stats.Undeliverable++
		return
	}
	transitOf(a).stats.DeadLettered++
}

// envelope is what subscribers without raw delivery get.
type envelope struct {
	Type              string
	MessageID         string `json:"MessageId"`
	TopicArn          string
	Subject           string `json:",omitempty"`
	Message           string
	Timestamp         string
	SignatureVersion  string
	Signature         string
	SigningCertURL    string
	UnsubscribeURL    string
	MessageAttributes map[string]envelopeAttribute `json:",omitempty"`
}

type envelopeAttribute struct{ Type, Value string }

func (m notification) envelope(t *topic, s *subscription, protocol string) envelope {
	host := "https://" + arn.PartitionOf(t.Region).Regional("sns", t.Region) + "/"
	e := envelope{Type: "Notification", MessageID: m.id, TopicArn: t.arn(), Subject: m.subject, Message: m.text(protocol),
		Timestamp: m.at.Format("2006-01-02T15:04:05.000Z"), SignatureVersion: "1", Signature: "EXAMPLE",
		SigningCertURL: host + "SimpleNotificationService-EXAMPLE.pem", UnsubscribeURL: host + "?Action=Unsubscribe&SubscriptionArn=" + s.arn}
	for name, v := range m.attributes {
		if e.MessageAttributes == nil {
			e.MessageAttributes = map[string]envelopeAttribute{}
		}
		e.MessageAttributes[name] = envelopeAttribute{v.DataType, v.StringValue + v.BinaryValue}
	}
	return e
}
