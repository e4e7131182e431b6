package handlers_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
)

// hidden is until when messages are hidden, by their ids.
type hidden struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (h *hidden) of(id string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until[id]
}

func (h *hidden) Hide(ctx context.Context, m events.SQSMessage, d time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until[m.MessageId] = time.Now().Add(d)
	return nil
}

func TestAMessageComesToAnotherWithinTenSecondsOfItsProcessesDeath(t *testing.T) {
	batch := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "one"}, {MessageId: "two"}}}
	synctest.Test(t, func(t *testing.T) {
		h := &hidden{until: map[string]time.Time{}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		began := time.Now()
		answer, err := handlers.WhileAlive(ctx, batch, h, func(context.Context) (events.SQSEventResponse, error) {
			for range 100 { // it may die at any time
				for _, id := range []string{"one", "two"} {
					if left := time.Until(h.of(id)); left <= 0 || left > 10*time.Second {
						t.Fatalf("after %s %s is hidden for %s", time.Since(began), id, left)
					}
				}
				time.Sleep(time.Second)
			}
			return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: "two"}}}, nil
		})
		if err != nil || len(answer.BatchItemFailures) != 1 {
			t.Fatal(answer, err)
		}
		if until := h.of("two").Sub(began); until != 12*time.Minute {
			t.Errorf("what failed comes again %s after it came, want six times the function's time", until)
		}
		if left := time.Until(h.of("one")); left > 10*time.Second {
			t.Errorf("what was handled is hidden for %s", left)
		}
	})
}

// broken hides nothing.
type broken struct{}

func (broken) Hide(context.Context, events.SQSMessage, time.Duration) error {
	return errors.New("SQS is down")
}

func TestWhatCannotBeHiddenIsHandledAllTheSame(t *testing.T) {
	for _, hides := range []handlers.Hides{nil, broken{}} {
		called := 0
		_, err := handlers.WhileAlive(t.Context(), events.SQSEvent{Records: make([]events.SQSMessage, 1)}, hides, func(context.Context) (events.SQSEventResponse, error) {
			called++
			return events.SQSEventResponse{}, nil
		})
		if called != 1 || err != nil {
			t.Errorf("handled %d times, %v", called, err)
		}
	}
}
