package messaging

import (
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Mail is a message as it arrived at a person: an email, or a post to a chat.
type Mail struct {
	ID         string // of the message: SNS may deliver one twice
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

// TakeMail is what arrived since it was last asked, oldest first. It leaves the mailbox empty.
func TakeMail(a *core.AWS) []Mail {
	a.Lock()
	defer a.Unlock()
	t := transitOf(a)
	mail := t.mail
	t.mail = nil
	return mail
}

// post puts a message into the mailbox. The state lock must be held.
func post(a *core.AWS, t *topic, s *subscription, m notification) {
	attributes := map[string]string{}
	for name, v := range m.attributes {
		attributes[name] = v.StringValue
	}
	transitOf(a).mail = append(transitOf(a).mail, Mail{ID: m.id, Topic: t.arn(), Protocol: s.protocol, Endpoint: s.endpoint, Subject: m.subject,
		Body: m.text(s.protocol), Attributes: attributes, At: a.Options.Now().UTC()})
}
