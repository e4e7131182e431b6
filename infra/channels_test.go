package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// pager is a channel that Doublelock does not have: a row, as a package of its own would bring it.
func pager() channels.Channel {
	return channels.Channel{
		Name: "pager", Env: "DOUBLELOCK_PAGER_TOPIC",
		Field: channels.Field{
			Name: "pager", About: "Address of the pager service.", What: "an https address", Example: "https://pager.example.com/p1", Pattern: `^https://`,
		},
		Carrier: channels.Carrier{Subscriptions: &channels.Subscriptions{Topic: "doublelock-pager", Protocol: "https"}},
		Render: func(m notify.Message, _ string) (string, error) {
			return "beep: " + m.Count(), nil
		},
	}
}

// A channel is a row: everything that is made of the list follows from it.
func TestAChannelIsOneRow(t *testing.T) {
	list := append(channels.All(), pager())
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "config", "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const mail, page = "{email: payments@example.com}", `{pager: "https://pager.example.com/payments"}`
	text := strings.Replace(string(raw), mail, page, 1)

	if _, err := settings.Parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), "unknown key pager") {
		t.Fatalf("without the row: %v", err)
	}
	format := settings.Format{Channels: list}
	_, err = format.Read("f", []byte(strings.Replace(text, "https://pager", "pager", 1)), time.Time{})
	if err == nil || !strings.Contains(err.Error(), "is not an https address; write it like https://pager.example.com/p1") {
		t.Errorf("a wrong address: %v", err)
	}
	file, err := format.Read("f", []byte(text), time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	hub := hubWith(t, file.Config, list)
	var subscriptions []any
	for _, s := range hub.of("AWS::SNS::Subscription") {
		if s.text("Protocol") == "https" {
			subscriptions = append(subscriptions, s.Properties)
		}
	}
	want := []any{map[string]any{
		"Endpoint": "https://pager.example.com/payments", "Protocol": "https", "TopicArn": map[string]any{"Ref": "PagerTopic"},
		"FilterPolicy": map[string]any{"owner": []any{"team-payments"}}, "FilterPolicyScope": "MessageAttributes",
	}}
	if diff := cmp.Diff(want, subscriptions); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
	const topic = "arn:aws:sns:us-east-1:222222222222:doublelock-pager"
	for id, function := range hub.of("AWS::Lambda::Function") {
		if got := function.text("Environment", "Variables", "DOUBLELOCK_PAGER_TOPIC"); got != topic {
			t.Errorf("%s sends to %q", id, got)
		}
	}
	mayPublish := false
	for _, s := range hub.roleStatements() {
		mayPublish = mayPublish || has(s.Action, prefixed("sns:Publish")) && has(s.Resource, prefixed(topic))
	}
	if !mayPublish {
		t.Error("no role may publish to the topic")
	}

	about := notify.Message{Stories: []notify.Story{{Notices: []guard.Notice{notifytest.Opened(guard.SecretDefaultKey, "app", "cli")}}}}
	if got := send(t, list, file.Config.Owners, "team-payments"); got != "pager: beep: "+about.Count() {
		t.Errorf("sent %q", got)
	}
}

func hubWith(t *testing.T, config settings.Config, list []channels.Channel) template {
	t.Helper()
	in, err := input(config, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in.Channels = list
	templates, err := synthesizeInput(in, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return templates["hub"]
}

// recorder remembers what is sent and claims everything.
type recorder struct {
	name string
	sent *[]string
}

func (r recorder) Send(ctx context.Context, m alert.Message) error {
	if err := store.SendingOf(ctx).Before(ctx); err != nil {
		return err
	}
	*r.sent = append(*r.sent, r.name+": "+m.Text)
	return nil
}

func (r recorder) Claim(context.Context, string, string, time.Duration) (store.Claim, error) {
	return store.ClaimNew, nil
}
func (r recorder) Begin(context.Context, string, string) error            { return nil }
func (r recorder) Delivered(context.Context, string, time.Duration) error { return nil }
func (r recorder) Doubt(context.Context, string, string) error            { return nil }
func (r recorder) Release(context.Context, string, string) error          { return nil }

// send hands alert a finding of an owner and answers what was sent.
func send(t *testing.T, list []channels.Channel, owners settings.Owners, owner string) string {
	t.Helper()
	var sent []string
	h := alert.Handler{
		Claims: recorder{}, Source: settings.EventSource, Account: "222222222222", Log: slog.New(slog.DiscardHandler), KeyFor: func(guard.Notice, string) string { return settings.SecretsKeyAlias },
		Directory: notify.Directory{Tags: owners.Tags, Fallback: owners.Fallback, Channels: map[string]notify.Address{}},
	}
	for _, row := range list {
		h.Channels = append(h.Channels, alert.Channel{Channel: row, Sender: recorder{row.Name, &sent}})
	}
	for name, addresses := range owners.Channels {
		h.Directory.Channels[name] = channels.Reach(list, addresses)
	}
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Tags = map[string]string{"Owner": owner}
	detail, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(events.EventBridgeEvent{Source: settings.EventSource, AccountID: "222222222222", Detail: detail})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(body)}}})
	if err != nil || len(answer.BatchItemFailures) > 0 {
		t.Fatalf("failed %v, %v", answer, err)
	}
	return strings.Join(sent, "\n")
}

func TestASlackOnlyOwnerHasAWayToSlack(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*settings.Config)
		want   []string
	}{
		"by Amazon Q: a topic and a configuration of its own": {func(*settings.Config) {}, []string{
			"AWS::Chatbot::SlackChannelConfiguration doublelock C0123456789 ChatTopic OperationsTopic",
			"AWS::Chatbot::SlackChannelConfiguration doublelock-C0987654321 C0987654321 ChatTopicC0987654321",
		}},
		"by the API: a rule that posts what names its channel": {func(c *settings.Config) {
			c.Owners.SlackWorkspace, c.Operations.SlackAPI = "", true
		}, []string{"AWS::Events::Rule doublelock-slack-api $.detail"}},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := configuration("sample")
			if err != nil {
				t.Fatal(err)
			}
			config.Owners.Channels = map[string]settings.Channel{
				"security-team": config.Owners.Channels["security-team"], "team-search": {"slackChannel": "C0987654321"},
			}
			tt.change(&config)
			hub := hubWith(t, config, channels.All())
			var got []string
			for _, id := range []string{"Chat", "ChatC0987654321"} {
				if chat, found := hub.Resources[id]; found {
					line := chat.Type + " " + chat.text("ConfigurationName") + " " + chat.text("SlackChannelId")
					for _, topic := range chat.at("SnsTopicArns").([]any) {
						line += " " + fmt.Sprint(topic.(map[string]any)["Ref"])
					}
					got = append(got, line)
				}
			}
			for _, rule := range hub.of("AWS::Events::Rule") {
				if target := rule.at("Targets").([]any)[0].(map[string]any); target["InputPath"] != nil {
					got = append(got, rule.Type+" "+rule.text("Name")+" "+text(target["InputPath"]))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ways (-want +got):\n%s", diff)
			}
		})
	}
}

// The id of a resource is letters and digits: names that differ in other characters alone must not collide there.
func TestOwnersWhoseNamesDifferInAStopAreBothDeployed(t *testing.T) {
	config := big()
	config.Owners.Channels = map[string]settings.Channel{
		"team-a": {"email": "a@example.com"}, "team.a": {"email": "dot@example.com"}, "teama": {"email": "plain@example.com"},
		"team-b": {"email": "b@example.com"}, "team-c": {"email": "b@example.com"},
	}
	got := map[string]string{}
	for id, s := range hubWith(t, config, channels.All()).of("AWS::SNS::Subscription") {
		got[id] = s.text("Endpoint") + " " + strings.Join(texts(s.at("FilterPolicy", "owner")), " ")
	}
	want := map[string]string{
		"Emailteama": "a@example.com team-a", "Emailteamadc627329": "dot@example.com team.a", "Emailteama81f13311": "plain@example.com teama",
		"Emailteamb": "b@example.com team-b team-c", // SNS takes one subscription of an address
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
}
