package handlers

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// OneByOne hands the messages of a batch over in order. Those that fail are named in the answer, so that SQS brings
// them again and no others. reserve is kept before the function's own deadline, to answer in time: what is not done by
// then fails.
func OneByOne(ctx context.Context, batch events.SQSEvent, reserve time.Duration, one func(context.Context, events.SQSMessage) error) (events.SQSEventResponse, error) {
	return Together(ctx, batch, reserve, func(ctx context.Context, messages []events.SQSMessage) map[string]bool {
		failed := map[string]bool{}
		for _, message := range messages {
			if err := one(ctx, message); err != nil {
				failed[message.MessageId] = true
			}
		}
		return failed
	})
}

// Together hands over the messages of a batch at once, and takes the ids of those that failed. It is OneByOne for
// handlers that make one thing of many messages.
func Together(ctx context.Context, batch events.SQSEvent, reserve time.Duration, all func(context.Context, []events.SQSMessage) map[string]bool) (events.SQSEventResponse, error) {
	ctx, cancel := before(ctx, reserve)
	defer cancel()
	failed := all(ctx, batch.Records)
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}} // never null: not every poller takes that for none
	for _, message := range batch.Records {
		if failed[message.MessageId] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return answer, nil
}

func before(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithCancel(ctx)
}
