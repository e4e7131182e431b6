package handlers_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/settings"
)

const slackTopic = "doublelock-chat-C0987654321"

// hub is the account of the functions, as the settings deploy it: its table, and the topics that Amazon Q reads. A queue
// stands for Amazon Q.
type hub struct {
	*testing.T
	aws   *localaws.AWS
	env   map[string]string
	alert *alert.Handler
}

func (h *hub) call(service, operation string, in map[string]any) map[string]any {
	h.Helper()
	out, err := h.aws.AsPrincipal(hubAccount, "role/Admin/ada", "eu-central-1", service, operation, in)
	if err != nil {
		h.Fatalf("%s %s: %v", service, operation, err)
	}
	return out
}

const hubAccount = "222222222222"

// newHub wires alert by the environment that infra writes from the sample's settings, with an owner who has a Slack channel
// and nothing else.
func newHub(t *testing.T) *hub {
	t.Helper()
	raw, err := os.ReadFile("../testdata/config/sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := settings.Parse("sample.yaml", raw)
	if err != nil {
		t.Fatal(err)
	}
	config.Owners.Tags = []string{"Owner"}
	config.Owners.Channels["team-search"] = settings.Channel{"slackChannel": "C0987654321"}
	runtime, err := config.Runtime().Env()
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{T: t, aws: localaws.New(localaws.Options{Seed: 1})}
	h.aws.Organization("o-exampleorg", "444455556666")
	h.aws.AddAccount("", hubAccount, "security")
	url, stop, err := h.aws.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	h.aws.AddRole(hubAccount, "doublelock-alert", "{}", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sns:Publish","dynamodb:*"],"Resource":"*"}]}`)
	who, err := h.aws.Principal(hubAccount, "role/doublelock-alert/doublelock-alert")
	if err != nil {
		t.Fatal(err)
	}
	h.env = map[string]string{
		settings.EnvRegion: "eu-central-1", settings.EnvHubAccount: hubAccount, settings.EnvTable: "doublelock", settings.EnvBus: "doublelock",
		settings.EnvConfig: runtime, settings.EnvEndpoint: url, "AWS_ACCESS_KEY_ID": who.AccessKeyID, "AWS_SECRET_ACCESS_KEY": who.SecretAccessKey, "AWS_SESSION_TOKEN": who.SessionToken,
	}
	for _, row := range config.DeployedChannels(channels.All()) {
		switch {
		case row.Carrier.Subscriptions != nil:
			h.env[row.Env] = h.topic(row.Carrier.Subscriptions.Topic)
		case row.Carrier.Chatbot != nil:
			h.env[row.Env] = h.topic(row.Carrier.Chatbot.Topic)
		}
	}
	text := func(name string) map[string]any { return map[string]any{"AttributeName": name, "AttributeType": "S"} }
	key := func(name, kind string) map[string]any { return map[string]any{"AttributeName": name, "KeyType": kind} }
	h.call("dynamodb", "CreateTable", map[string]any{"TableName": "doublelock", "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{text(table.AttributeKey), text(table.AttributeSort)}, "KeySchema": []any{key(table.AttributeKey, "HASH"), key(table.AttributeSort, "RANGE")}})
	if h.alert, err = alert.Wire(t.Context(), func(name string) string { return h.env[name] }, nil, nil); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hub) topic(name string) string {
	h.Helper()
	return h.call("sns", "CreateTopic", map[string]any{"Name": name})["TopicArn"].(string)
}

// reads has a queue read a topic, as Amazon Q does, and answers its URL.
func (h *hub) reads(topic string) string {
	h.Helper()
	made := h.call("sqs", "CreateQueue", map[string]any{"QueueName": "amazon-q", "Attributes": map[string]any{
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`}})
	h.call("sns", "Subscribe", map[string]any{"TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:eu-central-1:" + hubAccount + ":amazon-q"})
	return made["QueueUrl"].(string)
}

// notify hands alert the finding, as the bus does, and answers whether it comes again.
func (h *hub) notify(n guard.Notice) bool {
	h.Helper()
	detail, err := json.Marshal(n)
	if err != nil {
		h.Fatal(err)
	}
	body, err := json.Marshal(events.EventBridgeEvent{ID: "b", Source: settings.EventSource, AccountID: hubAccount, Detail: detail})
	if err != nil {
		h.Fatal(err)
	}
	answer, err := h.alert.Handle(h.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(body)}}})
	if err != nil {
		h.Fatal(err)
	}
	if err := h.aws.Settle(h.Context()); err != nil {
		h.Fatal(err)
	}
	return len(answer.BatchItemFailures) > 0
}

func (h *hub) received(queue string) []string {
	h.Helper()
	out := h.call("sqs", "ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": 10})
	list, _ := out["Messages"].([]any)
	var got []string
	for _, m := range list {
		message := m.(map[string]any)
		got = append(got, message["Body"].(string))
		h.call("sqs", "DeleteMessage", map[string]any{"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]})
	}
	return got
}

// An owner with a Slack channel and nothing else is notified there, and is recorded as notified when it was sent and not
// before.
func TestASlackOnlyOwnerIsNotifiedAndRecordedOnlyThen(t *testing.T) {
	h := newHub(t)
	n := notifytest.Opened(guard.SecretDefaultKey, "search/db", "cli")
	n.Tags, n.At = map[string]string{"Owner": "team-search"}, time.Now()
	for range 2 { // the topic of the owner's channel is not there yet
		if !h.notify(n) {
			t.Fatal("what could not be sent is recorded as notified")
		}
	}
	queue := h.reads(h.topic(slackTopic))
	if h.notify(n) {
		t.Error("what was sent comes again")
	}
	got := h.received(queue)
	if len(got) != 1 || !strings.Contains(got[0], "search/db") || !strings.Contains(got[0], "client-markdown") {
		t.Fatalf("Slack has %q", got)
	}
	if h.notify(n) {
		t.Error("what was recorded comes again")
	}
	if diff := cmp.Diff([]string(nil), h.received(queue)); diff != "" {
		t.Errorf("notified a second time (-want +got):\n%s", diff)
	}
}
