package topics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Topics publishes to SNS topics of the hub.
type Topics struct{ c *cloud.Cloud }

// New opens SNS.
func New(c *cloud.Cloud) *Topics { return &Topics{c: c} }

// Message is one SNS message.
type Message struct {
	Subject    string            // made fit for e-mail: one line, ASCII, at most 100 characters
	ByProtocol map[string]string // text per protocol ("email", "sqs", "https", …); "default" is for all others and required
	Attributes map[string]string // what filter policies of subscriptions match on
}

// Publish sends a message to the subscribers of a topic. The topic's Region is in its ARN.
func (t *Topics) Publish(ctx context.Context, topicARN string, m Message) error {
	a := arn.Of(topicARN)
	if a.Service != "sns" {
		return fmt.Errorf("publish message: %q is not a topic ARN", topicARN)
	}
	in, err := publishInput(topicARN, m)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topicARN, err)
	}
	client := session.Client(t.c, session.Location{Account: a.Account, Region: a.Region}, sns.NewFromConfig)
	_, err = client.Publish(ctx, in)
	return session.Fail(err, "publish to %s", topicARN)
}

func publishInput(topicARN string, m Message) (*sns.PublishInput, error) {
	text, found := m.ByProtocol["default"]
	if !found {
		return nil, fmt.Errorf("message %q has no text for protocol \"default\"", m.Subject)
	}
	in := &sns.PublishInput{TopicArn: &topicARN, Message: &text}
	if len(m.ByProtocol) > 1 {
		body, err := json.Marshal(m.ByProtocol)
		if err != nil {
			return nil, err
		}
		in.Message, in.MessageStructure = aws.String(string(body)), aws.String("json")
	}
	if subject := cleanSubject(m.Subject); subject != "" {
		in.Subject = &subject
	}
	if len(m.Attributes) > 0 {
		in.MessageAttributes = map[string]types.MessageAttributeValue{}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		if value := m.Attributes[name]; value != "" { // SNS refuses empty values
			in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return in, nil
}

const subjectLimit = 100

// cleanSubject makes what SNS accepts as a subject: printable ASCII on one line, beginning with something visible. An
// alert must not be lost for its subject.
func cleanSubject(s string) string {
	ascii := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r == '\u2013' || r == '\u2014':
			return '-'
		case r < ' ' || r == 0x7f:
			return -1
		case r > 0x7e:
			return '?'
		default:
			return r
		}
	}, s)
	ascii = strings.Join(strings.Fields(ascii), " ")
	if len(ascii) > subjectLimit {
		ascii = ascii[:subjectLimit-3] + "..."
	}
	return ascii
}
