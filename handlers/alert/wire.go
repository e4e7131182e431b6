package alert

import (
	"context"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud"
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
		Email: topic{h.Cloud.Topics(), getenv(settings.EnvOwnersTopic)}, Claims: h.Cloud.Records(h.Table), Directory: h.Directory(),
		KeyFor: func(n guard.Notice, region string) string { return h.Runtime.KeyFor(n.Account, region, n.Tags) },
		Source: settings.EventSource, Account: h.Account, Log: h.Log,
	}
	if chat := getenv(settings.EnvChatTopic); chat != "" {
		handler.Chat = topic{h.Cloud.Topics(), chat}
	}
	return handler, nil
}

// topic sends letters to one SNS topic.
type topic struct {
	topics *cloud.Topics
	arn    string
}

func (t topic) Send(ctx context.Context, l Letter) error {
	return t.topics.Publish(ctx, t.arn, cloud.Message{
		Subject: l.Subject, ByProtocol: map[string]string{"default": l.Text}, Attributes: l.Attributes,
	})
}
