package bus

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Send puts one event of ours on the bus: detail is a JSON object of at most 256 KiB, which a rule may hand to an API
// destination as it is. Whoever gets it must not get it twice: see session.Single.
func (b *Bus) Send(ctx context.Context, detailType, detail string) error {
	entry := types.PutEventsRequestEntry{
		EventBusName: &b.name, Source: aws.String(settings.EventSource), DetailType: &detailType, Detail: &detail,
	}
	return session.Single(ctx, func() error {
		_, err := b.put(ctx, []outgoing{{id: detailType, entry: entry}}, func(o *eventbridge.Options) { o.RetryMaxAttempts = 1 })
		return err
	})
}
