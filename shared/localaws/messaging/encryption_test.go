package messaging_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/localaws"
)

// accountKey is a key policy that leaves the key to IAM, with more statements.
func accountKey(more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub + `:root"},"Action":"kms:*","Resource":"*"}` + more + `]}`
}

const forEvents = `,{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["kms:GenerateDataKey*","kms:Decrypt"],"Resource":"*"}`

func (c *cloud) makeKey(t *testing.T, policy string) string {
	t.Helper()
	return *must[*kms.CreateKeyOutput](t)(kms.NewFromConfig(c.as(t, hub)).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})).KeyMetadata.Arn
}

func TestAnEncryptedQueueTakesEventsOnlyWithItsKeysConsent(t *testing.T) {
	for sentence, r := range map[string]struct {
		policy  string
		disable bool
		want    int
	}{
		"the key names EventBridge":            {accountKey(forEvents), false, 1},
		"the key leaves it to the account":     {accountKey(""), false, 0},
		"the key names EventBridge but is off": {accountKey(forEvents), true, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := newCloud(t, localaws.Faults{})
			key := c.makeKey(t, r.policy)
			url, arn := c.makeQueue(t, hub, "sealed", map[string]string{"KmsMasterKeyId": key})
			c.makeRule(t, hub, "default", "r", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &arn})
			client := kms.NewFromConfig(c.as(t, hub))
			if r.disable {
				must[*kms.DisableKeyOutput](t)(client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))
			}
			c.put(t, hub, "default", "test", `{"n":1}`)
			c.settle(t)
			if r.disable {
				must[*kms.EnableKeyOutput](t)(client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}))
			}
			if got := c.bodies(t, hub, url); len(got) != r.want {
				t.Errorf("%d messages, want %d", len(got), r.want)
			}
			if s := c.Stats(); s.Undeliverable != 1-r.want {
				t.Errorf("undeliverable = %d, want %d", s.Undeliverable, 1-r.want)
			}
		})
	}
}

func TestAQueueUnderTheManagedKeyTakesNoEvents(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, arn := c.makeQueue(t, hub, "sealed", map[string]string{"KmsMasterKeyId": "alias/aws/sqs"})
	c.makeRule(t, hub, "default", "r", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &arn})
	c.put(t, hub, "default", "test", `{"n":1}`)
	c.settle(t)
	if got := c.bodies(t, hub, url); len(got) > 0 {
		t.Errorf("arrived: %v", got)
	}
}

func TestWhoUsesAnEncryptedQueueOrTopicNeedsTheKey(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	key := c.makeKey(t, accountKey(""))
	url, arn := c.makeQueue(t, hub, "sealed", map[string]string{"KmsMasterKeyId": key})
	topic := c.makeTopic(t, "sealed")
	must[*sns.SetTopicAttributesOutput](t)(sns.NewFromConfig(c.as(t, hub)).SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("KmsMasterKeyId"), AttributeValue: &key}))
	use := func(principal string) map[string]error {
		cfg := c.signed(t, hub, principal)
		_, send := sqs.NewFromConfig(cfg).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		_, receive := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		_, publish := sns.NewFromConfig(cfg).Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
		return map[string]error{"send": send, "receive": receive, "publish": publish}
	}
	messaging := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*","sns:*"],"Resource":["` + arn + `","` + topic + `"]}]}`
	c.AddRole(hub, "without", trusting, messaging)
	c.AddRole(hub, "with", trusting, messaging, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"`+key+`"}]}`)
	for call, err := range use("role/without/session") {
		if err == nil || !strings.Contains(err.Error(), "is not authorized to perform: kms:") {
			t.Errorf("%s: err = %v, want one about the key", call, err)
		}
	}
	for call, err := range use("role/with/session") {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestAFunctionsRoleIsAskedWhatAWSAsksOfIt(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	_, arn := c.makeQueue(t, hub, "work", nil)
	client := lambda.NewFromConfig(c.as(t, hub))
	create := func(name string) error {
		_, err := client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &name, Role: aws.String("arn:aws:iam::" + hub + ":role/" + name),
			Code: &lambdatypes.FunctionCode{ZipFile: []byte("-")}})
		return err
	}
	c.AddRole(hub, "distrusting", trusting)
	for _, name := range []string{"missing", "distrusting"} {
		if err := create(name); err == nil || !strings.Contains(err.Error(), "cannot be assumed by Lambda") {
			t.Errorf("role %s: err = %v", name, err)
		}
	}
	c.AddRole(hub, "powerless", strings.ReplaceAll(trusting, "events.", "lambda."))
	if err := create("powerless"); err != nil {
		t.Fatal(err)
	}
	_, err := client.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("powerless"), EventSourceArn: &arn})
	if err == nil || !strings.Contains(err.Error(), "does not have permissions to call ReceiveMessage on SQS") {
		t.Errorf("err = %v", err)
	}
}

func TestAFilterDropsWhatAFunctionDoesNotWant(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, arn := c.makeQueue(t, hub, "work", nil)
	var got []int
	c.RegisterFunction(hub, home, "f", func(_ context.Context, payload []byte) ([]byte, error) {
		ns, _ := numbers(t, payload)
		got = append(got, ns...)
		return nil, nil
	})
	must[*lambda.CreateEventSourceMappingOutput](t)(lambda.NewFromConfig(c.as(t, hub)).CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("f"), EventSourceArn: &arn,
		FilterCriteria: &lambdatypes.FilterCriteria{Filters: []lambdatypes.Filter{{Pattern: aws.String(`{"body":{"detail":{"n":[2]}}}`)}}}}))
	for _, body := range []string{`{"detail":{"n":1}}`, `{"detail":{"n":2}}`, `text`} {
		must[*sqs.SendMessageOutput](t)(sqs.NewFromConfig(c.as(t, hub)).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}))
	}
	c.settle(t)
	if len(got) != 1 || got[0] != 2 || c.Stats().InFlight != 0 {
		t.Errorf("got %v, %d in flight", got, c.Stats().InFlight)
	}
}

func TestOnPutReceivesWhatIsPublishedAndForwarded(t *testing.T) {
	var received []string
	c := &cloud{}
	c.AWS = localaws.New(localaws.Options{OnPut: func(bus string, event map[string]any) { received = append(received, bus+" "+event["source"].(string)) }})
	if _, err := c.As("test", hub, home, "events", "PutEvents", map[string]any{"Entries": []map[string]string{{"Source": "mine", "DetailType": "x", "Detail": "{}"}}}); err != nil {
		t.Fatal(err)
	}
	if len(received) != 1 || received[0] != "default mine" {
		t.Errorf("received %v", received)
	}
}
