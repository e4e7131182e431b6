package messaging

import (
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Mail is a message as it arrived at a person: an email, or a post to a chat.
type Mail struct {
	Topic      string // ARN
	Protocol   string // email, email-json, https (chat), …
	Endpoint   string // address, or the URL of the chat service
	Subject    string // what the email has; "" was not given, and AWS writes "AWS Notification Message"
	Body       string // the text for this protocol, without the footer that SNS adds
	Attributes map[string]string
	At         time.Time
}

// Mailbox is everything that arrived at people and chats so far, oldest first.
func Mailbox(a *core.AWS) []Mail {
	a.Lock()
	defer a.Unlock()
	return slices.Clone(transitOf(a).mail)
}

// post puts a message into the mailbox. The state lock must be held.
func post(a *core.AWS, t *topic, s *subscription, m notification) {
	attributes := map[string]string{}
	for name, v := range m.attributes {
		attributes[name] = v.StringValue
	}
	transitOf(a).mail = append(transitOf(a).mail, Mail{Topic: t.arn(), Protocol: s.protocol, Endpoint: s.endpoint, Subject: m.subject,
		Body: m.text(s.protocol), Attributes: attributes, At: a.Options.Now().UTC()})
}
