package handlers

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Hides keeps a message that a function has received from all others, from now on and for so long.
type Hides interface {
	Hide(ctx context.Context, message events.SQSMessage, d time.Duration) error
}

// A queue hides what a function received for six times the function's time: so long nobody would see that its process died. A
// process that is at something that others wait for hides its messages itself, a short time and again and again.
const (
	hiddenFor   = 10 * time.Second
	hiddenEvery = 3 * time.Second
	hideFactor  = 6 // of the function's time, as its queue: see infra
)

// WhileAlive hands a batch over, and hides its messages for as long as the process lives: when that dies, they come to another
// within ten seconds. What fails stays hidden for as long as its queue would have hidden it. hides may be nil: it is the queue's.
func WhileAlive(ctx context.Context, batch events.SQSEvent, hides Hides, handle func(context.Context) (events.SQSEventResponse, error)) (events.SQSEventResponse, error) {
	if hides == nil {
		return handle(ctx)
	}
	began := time.Now()
	beating, stop := context.WithCancel(ctx)
	defer stop()
	var beats sync.WaitGroup
	hide(beating, hides, batch.Records, hiddenFor) // who dies at once is followed, too
	beats.Go(func() {
		tick := time.NewTicker(hiddenEvery)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
				hide(beating, hides, batch.Records, hiddenFor)
			}
		}
	})
	answer, err := handle(ctx)
	stop()
	beats.Wait()
	if deadline, has := ctx.Deadline(); has && err == nil {
		failed := map[string]bool{}
		for _, f := range answer.BatchItemFailures {
			failed[f.ItemIdentifier] = true
		}
		var again []events.SQSMessage
		for _, m := range batch.Records {
			if failed[m.MessageId] {
				again = append(again, m)
			}
		}
		hide(ctx, hides, again, hideFactor*deadline.Sub(began)-time.Since(began))
	}
	return answer, err
}

// hide hides messages. What cannot be hidden comes again later, or twice: both happen anyway.
func hide(ctx context.Context, hides Hides, messages []events.SQSMessage, d time.Duration) {
	for _, m := range messages {
		_ = hides.Hide(ctx, m, d)
	}
}
