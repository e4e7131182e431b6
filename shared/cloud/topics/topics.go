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
	"github.com/doublelock/doublelock/shared/guard"
)

// Topics publishes to SNS topics of the hub.
type Topics struct{ c *cloud.Cloud }

// New opens SNS.
func New(c *cloud.Cloud) *Topics { return &Topics{c: c} }

// Publish sends a text to the subscribers of a topic, whose Region is in its ARN. The subject is made fit for e-mail: one
// line, ASCII, at most 100 characters. Filter policies of subscriptions match on the attributes; lists
// are attributes with several values. Where an error leaves open whether the text was sent, it is not sent again:
// guard.NothingDone tells.
func (t *Topics) Publish(ctx context.Context, topicARN, subject, text string, attributes map[string]string, lists map[string][]string) error {
	a := arn.Of(topicARN)
	if a.Service != "sns" {
		return fmt.Errorf("publish message: %q is not a topic ARN: %w", topicARN, guard.ErrRefused)
	}
	in, err := publishInput(topicARN, subject, text, attributes, lists)
	if err != nil {
		return err
	}
	client := session.Client(t.c, session.Location{Account: a.Account, Region: a.Region}, sns.NewFromConfig)
	return session.Single(ctx, func() error {
		_, err := client.Publish(ctx, in, func(o *sns.Options) { o.RetryMaxAttempts = 1 })
		return session.Fail(err, "publish to %s", topicARN)
	})
}

func publishInput(topicARN, subject, text string, attributes map[string]string, lists map[string][]string) (*sns.PublishInput, error) {
	in := &sns.PublishInput{TopicArn: &topicARN, Message: &text}
	if subject = cleanSubject(subject); subject != "" {
		in.Subject = &subject
	}
	if len(attributes)+len(lists) > 0 {
		in.MessageAttributes = map[string]types.MessageAttributeValue{}
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if value := attributes[name]; value != "" { // SNS refuses empty values
			in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		raw, err := json.Marshal(lists[name])
		if err != nil {
			return nil, fmt.Errorf("write attribute %s: %w: %w", name, guard.ErrRefused, err)
		}
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(string(raw))}
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
