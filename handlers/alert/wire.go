package alert

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Wire builds the handler from its environment. It calls nobody. now may be nil for the wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handler, error) {
	h, err := hub.Open(ctx, handlers.Alert, getenv, now, log, settings.EnvOwnersTopic)
	if err != nil {
		return nil, err
	}
	handler := &Handler{
		Email: topic{topics.New(h.Cloud), getenv(settings.EnvOwnersTopic)}, Claims: table.Open(h.Cloud, h.Table), Directory: h.Directory(),
		KeyFor: func(n guard.Notice) string { return h.Runtime.KeyFor(n.Account, n.Region, n.Tags) },
		Source: settings.EventSource, Account: h.Account, Log: h.Log,
	}
	if chat := getenv(settings.EnvChatTopic); chat != "" {
		handler.Chat = topic{topics.New(h.Cloud), chat}
	}
	return handler, nil
}

// topic sends letters to one SNS topic.
type topic struct {
	topics *topics.Topics
	arn    string
}

func (t topic) Send(ctx context.Context, l Letter) error {
	return t.topics.Publish(ctx, t.arn, topics.Message{
		Subject: l.Subject, ByProtocol: map[string]string{"default": l.Text}, Attributes: l.Attributes,
	})
}
