package alert

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Alert, getenv, now, log, settings.EnvOwnersTopic)
	if err != nil {
		return nil, err
	}
	t := table.Open(h.Cloud, h.Table)
	return &Handler{
		Channels: deployed(h, getenv), Claims: t, Directory: h.Directory(),
		KeyFor: func(n guard.Notice, region string) string { return h.Runtime.KeyFor(n.Account, region, n.Tags) },
		Source: settings.EventSource, Account: h.Account,
		RollUps: &RollUps{Box: t.Outbox(), Windows: t.Documents(store.KindRollUp), Now: h.Now}, Later: h.Later(), Log: h.Log,
	}, nil
}

// deployed are the channels whose variable says where to send: infra writes it for what it deploys.
func deployed(h hub.Hub, getenv func(string) string) []Channel {
	var all []Channel
	for _, row := range channels.All() {
		if target := getenv(row.Env); target != "" {
			all = append(all, Channel{Channel: row, Sender: sender(h.Cloud, row, target), Overview: h.Runtime.Overview[row.Field.Name]})
		}
	}
	return all
}

func sender(c *cloud.Cloud, row channels.Channel, target string) Sender {
	switch {
	case row.Carrier.Destination != nil:
		return destination{bus.Open(c, target), row.Carrier.Destination.DetailType}
	case row.Carrier.Chatbot != nil:
		return chatbot{topic{topics.New(c), target}, *row.Carrier.Chatbot}
	default:
		return topic{topics.New(c), target}
	}
}

// topic sends to whoever subscribed to one SNS topic.
type topic struct {
	topics *topics.Topics
	arn    string
}

func (t topic) Send(ctx context.Context, m Message) error {
	return t.topics.Publish(ctx, t.arn, m.Subject, m.Text, m.Attributes, map[string][]string{attributeNotices: m.Notices})
}

// chatbot sends to the topic of an address.
type chatbot struct {
	topic
	carrier channels.Chatbot
}

func (b chatbot) Send(ctx context.Context, m Message) error {
	return topic{b.topics, b.carrier.TopicFor(b.arn, m.To)}.Send(ctx, m)
}

// destination sends events that an API destination posts.
type destination struct {
	bus        *bus.Bus
	detailType string
}

func (d destination) Send(ctx context.Context, m Message) error {
	return d.bus.Send(ctx, d.detailType, m.Text)
}
