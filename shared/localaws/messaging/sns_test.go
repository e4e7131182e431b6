package messaging_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doublelock/doublelock/shared/localaws"
)

// makeTopic makes a topic with subscriptions, each "protocol endpoint" with attributes.
func (c *cloud) makeTopic(t *testing.T, name string) string {
	t.Helper()
	out := must[*sns.CreateTopicOutput](t)(sns.NewFromConfig(c.as(t, hub)).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name}))
	return *out.TopicArn
}

func (c *cloud) subscribe(t *testing.T, topic, protocol, endpoint string, attributes map[string]string) string {
	t.Helper()
	out := must[*sns.SubscribeOutput](t)(sns.NewFromConfig(c.as(t, hub)).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &topic,
		Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes, ReturnSubscriptionArn: true}))
	return *out.SubscriptionArn
}

func attribute(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

// bodiesTo is what arrived at each endpoint.
func bodiesTo(mails []localaws.Mail) map[string][]string {
	got := map[string][]string{}
	for _, m := range mails {
		got[m.Endpoint] = append(got[m.Endpoint], m.Body)
	}
	return got
}

func TestSubscriptionsGetWhatTheirFiltersLetThrough(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	c.subscribe(t, topic, "email", "all@example.com", nil)
	c.subscribe(t, topic, "email", "payments@example.com", map[string]string{"FilterPolicy": `{"owner":["payments"]}`})
	c.subscribe(t, topic, "email", "urgent@example.com", map[string]string{"FilterPolicy": `{"score":[{"numeric":[">=",7]}]}`})
	c.subscribe(t, topic, "email", "list@example.com", map[string]string{"FilterPolicy": `{"tags":["pci"]}`})
	c.subscribe(t, topic, "email", "nobody@example.com", map[string]string{"FilterPolicy": `{"owner":[{"exists":false}]}`})
	c.subscribe(t, topic, "email", "body@example.com", map[string]string{"FilterPolicy": `{"detail":{"state":["default"]}}`, "FilterPolicyScope": "MessageBody"})
	client := sns.NewFromConfig(c.as(t, hub))
	publish := func(message string, attributes map[string]types.MessageAttributeValue) {
		must[*sns.PublishOutput](t)(client.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: &message, MessageAttributes: attributes}))
	}
	publish("plain", nil)
	publish("one", map[string]types.MessageAttributeValue{"owner": attribute("String", "payments"), "score": attribute("Number", "7")})
	publish("two", map[string]types.MessageAttributeValue{"owner": attribute("String", "search"), "tags": attribute("String.Array", `["pci","eu"]`)})
	publish(`{"detail":{"state":"default"}}`, map[string]types.MessageAttributeValue{"owner": attribute("String", "x")})
	if len(c.Mailbox()) > 0 {
		t.Error("something arrived before Settle")
	}
	c.settle(t)
	json4 := `{"detail":{"state":"default"}}`
	want := map[string][]string{
		"all@example.com": {"plain", "one", "two", json4}, "payments@example.com": {"one"}, "urgent@example.com": {"one"},
		"list@example.com": {"two"}, "nobody@example.com": {"plain"}, "body@example.com": {json4},
	}
	if diff := cmp.Diff(want, bodiesTo(c.Mailbox())); diff != "" {
		t.Error(diff)
	}
}

func TestMessageStructureGivesEachProtocolItsText(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	c.subscribe(t, topic, "email", "a@example.com", nil)
	c.subscribe(t, topic, "https", "https://global.sns-api.chatbot.amazonaws.com", nil)
	queue, arn := c.makeQueue(t, hub, "notices", nil)
	c.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true"})
	must[*sns.PublishOutput](t)(sns.NewFromConfig(c.as(t, hub)).Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Subject: aws.String("Secret at risk"),
		MessageStructure: aws.String("json"), Message: aws.String(`{"default":"D","email":"E","https":"{\"version\":\"1.0\"}"}`),
		MessageAttributes: map[string]types.MessageAttributeValue{"owner": attribute("String", "payments")}}))
	c.settle(t)
	owner := map[string]string{"owner": "payments"}
	want := []localaws.Mail{
		{Topic: topic, Protocol: "email", Endpoint: "a@example.com", Subject: "Secret at risk", Body: "E", Attributes: owner, At: c.now},
		{Topic: topic, Protocol: "https", Endpoint: "https://global.sns-api.chatbot.amazonaws.com", Subject: "Secret at risk", Body: `{"version":"1.0"}`, Attributes: owner, At: c.now},
	}
	if diff := cmp.Diff(want, c.Mailbox(), cmpopts.IgnoreFields(localaws.Mail{}, "ID")); diff != "" {
		t.Error(diff)
	}
	if mail := c.TakeMail(); len(mail) != 2 || mail[0].ID == "" || mail[0].ID != mail[1].ID || len(c.TakeMail()) > 0 {
		t.Errorf("two deliveries of one message: %+v", mail)
	}
	if diff := cmp.Diff([]string{"D"}, c.bodies(t, hub, queue)); diff != "" {
		t.Error(diff)
	}
}

func TestQueuesAndFunctionsGetTheEnvelope(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	queue, arn := c.makeQueue(t, hub, "notices", nil)
	c.subscribe(t, topic, "sqs", arn, nil)
	var payload []byte
	c.RegisterFunction(hub, home, "chat", func(_ context.Context, p []byte) ([]byte, error) { payload = p; return nil, nil })
	c.subscribe(t, topic, "lambda", "arn:aws:lambda:"+home+":"+hub+":function:chat", nil)
	if _, err := c.As("test", hub, home, "lambda", "AddPermission", map[string]any{"FunctionName": "chat", "StatementId": "sns",
		"Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com", "SourceArn": topic}); err != nil {
		t.Fatal(err)
	}
	must[*sns.PublishOutput](t)(sns.NewFromConfig(c.as(t, hub)).Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Subject: aws.String("S"), Message: aws.String("M")}))
	c.settle(t)
	type envelope struct{ Type, TopicArn, Subject, Message, Timestamp string }
	want := envelope{"Notification", topic, "S", "M", "2026-03-02T10:00:00.000Z"}
	var got envelope
	if err := json.Unmarshal([]byte(c.bodies(t, hub, queue)[0]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var event struct {
		Records []struct {
			EventSource string
			Sns         envelope
		}
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	if len(event.Records) != 1 || event.Records[0].Sns != want || event.Records[0].EventSource != "aws:sns" {
		t.Errorf("function got %s", payload)
	}
}

func TestPublishRefuses(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	client := sns.NewFromConfig(c.as(t, hub))
	for sentence, r := range map[string]struct {
		in   sns.PublishInput
		says string
	}{
		"an empty message":                 {sns.PublishInput{Message: aws.String("")}, "Empty message"},
		"a message over 256 KB":            {sns.PublishInput{Message: aws.String(strings.Repeat("x", 262145))}, "Message too long"},
		"a subject with a newline":         {sns.PublishInput{Message: aws.String("m"), Subject: aws.String("a\nb")}, "Subject"},
		"a subject of 101 characters":      {sns.PublishInput{Message: aws.String("m"), Subject: aws.String(strings.Repeat("x", 101))}, "Subject"},
		"a subject that is not ASCII":      {sns.PublishInput{Message: aws.String("m"), Subject: aws.String("schlüssel")}, "Subject"},
		"a subject that begins with space": {sns.PublishInput{Message: aws.String("m"), Subject: aws.String(" a")}, "Subject"},
		"JSON without a default":           {sns.PublishInput{Message: aws.String(`{"email":"x"}`), MessageStructure: aws.String("json")}, "No default entry"},
		"a structure that is no JSON":      {sns.PublishInput{Message: aws.String(`x`), MessageStructure: aws.String("json")}, "failed to parse"},
		"an unknown attribute type":        {sns.PublishInput{Message: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{"a": attribute("Text", "x")}}, "invalid message attribute type"},
		"a topic that does not exist":      {sns.PublishInput{Message: aws.String("m"), TopicArn: aws.String(topic + "x")}, "Topic does not exist"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if r.in.TopicArn == nil {
				r.in.TopicArn = &topic
			}
			_, err := client.Publish(t.Context(), &r.in)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Errorf("err = %v, want %q in it", err, r.says)
			}
		})
	}
}

func TestSubscribeRefuses(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	client := sns.NewFromConfig(c.as(t, hub))
	for sentence, r := range map[string]struct {
		protocol, endpoint, policy, says string
	}{
		"an unknown protocol":            {"pigeon", "x", "", "Does not support this protocol"},
		"an address without an @":        {"email", "x", "", "Email address"},
		"a filter with a wrong operator": {"email", "a@example.com", `{"a":[{"like":"x"}]}`, "Unrecognized match type"},
		"a filter with six keys":         {"email", "a@example.com", `{"a":["x"],"b":["x"],"c":["x"],"d":["x"],"e":["x"],"f":["x"]}`, "more than 5 keys"},
		"a filter that is too complex":   {"email", "a@example.com", `{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13],"b":[1,2,3,4,5,6,7,8,9,10,11,12]}`, "too complex"},
	} {
		t.Run(sentence, func(t *testing.T) {
			in := sns.SubscribeInput{TopicArn: &topic, Protocol: &r.protocol, Endpoint: &r.endpoint}
			if r.policy != "" {
				in.Attributes = map[string]string{"FilterPolicy": r.policy}
			}
			_, err := client.Subscribe(t.Context(), &in)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Errorf("err = %v, want %q in it", err, r.says)
			}
		})
	}
}

func TestSubscriptionsAreListedAndRemoved(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	arn := c.subscribe(t, topic, "email", "a@example.com", nil)
	if again := c.subscribe(t, topic, "email", "a@example.com", nil); again != arn {
		t.Errorf("subscribing twice made %s besides %s", again, arn)
	}
	client := sns.NewFromConfig(c.as(t, hub))
	list := must[*sns.ListSubscriptionsByTopicOutput](t)(client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})).Subscriptions
	if len(list) != 1 || *list[0].Endpoint != "a@example.com" || *list[0].SubscriptionArn != arn {
		t.Errorf("subscriptions = %v", list)
	}
	must[*sns.UnsubscribeOutput](t)(client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &arn}))
	must[*sns.PublishOutput](t)(client.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{"owner": attribute("String", "x")}}))
	c.settle(t)
	if got := c.Mailbox(); len(got) > 0 {
		t.Errorf("arrived after unsubscribing: %v", got)
	}
}
