package handlers

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/shared/guard"
)

// Later puts a message back into the queue that it came from, as a new one that nobody has received yet, to be received
// after delay. It refuses one that it has put back for days.
type Later interface {
	Postpone(ctx context.Context, message events.SQSMessage, delay time.Duration) error
}

// Reads says what is wrong with a message that no process can read, nil for one that is whole. It calls nobody.
type Reads func(message events.SQSMessage) error

// A message that cannot be handled because AWS is down must not be parked as if it were broken: SQS counts how often it
// was received, and five times are an hour at most. It is put back before, and its count begins again. So is one whose
// processes ended without an answer (they were stopped, or ran out of time), before it is handled another time.
const (
	patience  = 3 // times that a message is left to its queue's visibility timeout
	postponed = 15 * time.Minute
)

// OneByOne hands the messages of a batch over in order. Those that fail are named in the answer, so that SQS brings
// them again and no others; what fails by an outage again and again is put back by later, which may be nil, and so is what
// reads can read and was nevertheless received more often than patience allows. reserve is kept before the function's own
// deadline, to answer in time: what is not done by then fails.
func OneByOne(ctx context.Context, batch events.SQSEvent, reserve time.Duration, later Later, reads Reads, one func(context.Context, events.SQSMessage) error) (events.SQSEventResponse, error) {
	return Together(ctx, batch, reserve, later, reads, func(ctx context.Context, messages []events.SQSMessage) map[string]error {
		failed := map[string]error{}
		for _, message := range messages {
			if err := one(ctx, message); err != nil {
				failed[message.MessageId] = err
			}
		}
		return failed
	})
}

// Together hands over the messages of a batch at once, and takes the ids of those that failed, with why. It is OneByOne
// for handlers that make one thing of many messages.
func Together(ctx context.Context, batch events.SQSEvent, reserve time.Duration, later Later, reads Reads, all func(context.Context, []events.SQSMessage) map[string]error) (events.SQSEventResponse, error) {
	inTime, cancel := before(ctx, reserve)
	defer cancel()
	var messages []events.SQSMessage
	for _, message := range batch.Records {
		if later != nil && received(message) > patience && reads(message) == nil && later.Postpone(inTime, message, postponed) == nil {
			continue
		}
		messages = append(messages, message)
	}
	failed := map[string]error{}
	if len(messages) > 0 {
		failed = all(inTime, messages)
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}} // never null: not every poller takes that for none
	for _, message := range messages {
		err := failed[message.MessageId]
		if err == nil || later != nil && waits(err, message) && later.Postpone(ctx, message, postponed) == nil {
			continue
		}
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
	}
	return answer, nil
}

// waits reports that a message failed by nothing of its own, so often that its queue would park it soon.
func waits(err error, message events.SQSMessage) bool {
	return received(message) >= patience && guard.Passing(err)
}

// received is how often a message was received, this time included; 0 is not known.
func received(message events.SQSMessage) int {
	n, err := strconv.Atoi(message.Attributes["ApproximateReceiveCount"])
	if err != nil {
		return 0
	}
	return n
}

func before(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithCancel(ctx)
}
