package topics

import (
	"context"
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

// Publish sends a text to the subscribers of a topic, whose Region is in its ARN. The subject is made fit for e-mail: one
// line, ASCII, at most 100 characters. Filter policies of subscriptions match on the attributes.
func (t *Topics) Publish(ctx context.Context, topicARN, subject, text string, attributes map[string]string) error {
	a := arn.Of(topicARN)
	if a.Service != "sns" {
		return fmt.Errorf("publish message: %q is not a topic ARN", topicARN)
	}
	in := publishInput(topicARN, subject, text, attributes)
	client := session.Client(t.c, session.Location{Account: a.Account, Region: a.Region}, sns.NewFromConfig)
	_, err := client.Publish(ctx, in)
	return session.Fail(err, "publish to %s", topicARN)
}

func publishInput(topicARN, subject, text string, attributes map[string]string) *sns.PublishInput {
	in := &sns.PublishInput{TopicArn: &topicARN, Message: &text}
	if subject = cleanSubject(subject); subject != "" {
		in.Subject = &subject
	}
	if len(attributes) > 0 {
		in.MessageAttributes = map[string]types.MessageAttributeValue{}
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if value := attributes[name]; value != "" { // SNS refuses empty values
			in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return in
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
