package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
)

func messages(ids ...string) events.SQSEvent {
	var batch events.SQSEvent
	for _, id := range ids {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: id})
	}
	return batch
}

func failures(t *testing.T, answer events.SQSEventResponse, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatalf("error %v: SQS would bring the whole batch again", err)
	}
	var ids []string
	for _, f := range answer.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func TestOnlyTheMessagesThatFailedComeAgain(t *testing.T) {
	var seen []string
	answer, err := handlers.OneByOne(t.Context(), messages("a", "b", "c", "d"), time.Second, nil, nil, func(_ context.Context, m events.SQSMessage) error {
		seen = append(seen, m.MessageId)
		if m.MessageId == "b" || m.MessageId == "d" {
			return errors.New("failed")
		}
		return nil
	})
	if diff := cmp.Diff([]string{"b", "d"}, failures(t, answer, err)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, seen); diff != "" {
		t.Errorf("handed over (-want +got):\n%s", diff)
	}
	answer, err = handlers.Together(t.Context(), messages("a", "b"), time.Second, nil, nil, func(context.Context, []events.SQSMessage) map[string]error {
		return map[string]error{"a": errors.New("failed"), "nobody's": errors.New("failed")}
	})
	if diff := cmp.Diff([]string{"a"}, failures(t, answer, err)); diff != "" {
		t.Errorf("failures of a batch at once (-want +got):\n%s", diff)
	}
}

// The last seconds before Lambda ends the function are for the answer: without one, every message would come again.
func TestTheReserveIsKeptForTheAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	end, _ := ctx.Deadline()
	answer, err := handlers.OneByOne(ctx, messages("a"), 10*time.Second, nil, nil, func(ctx context.Context, _ events.SQSMessage) error {
		if got, bounded := ctx.Deadline(); !bounded || !got.Equal(end.Add(-10*time.Second)) {
			t.Errorf("the deadline is %v, want ten seconds before %v", got, end)
		}
		return nil
	})
	if got := failures(t, answer, err); len(got) > 0 {
		t.Errorf("failures %v", got)
	}
	if answer, err = handlers.OneByOne(ctx, messages("a", "b"), 2*time.Minute, nil, nil, func(ctx context.Context, _ events.SQSMessage) error { return ctx.Err() }); len(failures(t, answer, err)) != 2 {
		t.Errorf("no time is left, and the answer is %v", answer)
	}
	if answer, err = handlers.OneByOne(t.Context(), messages("a"), time.Minute, nil, nil, func(ctx context.Context, _ events.SQSMessage) error { return ctx.Err() }); len(failures(t, answer, err)) != 0 {
		t.Errorf("without a deadline: %v", answer)
	}
}

// AWS takes a null list for no failure. Not everything that polls does: an emulator never deleted the batch.
func TestAnAnswerWithoutFailuresHasAnEmptyList(t *testing.T) {
	answer, err := handlers.OneByOne(t.Context(), messages("a"), time.Second, nil, nil, func(context.Context, events.SQSMessage) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"batchItemFailures":[]}`; string(raw) != want {
		t.Errorf("answered %s, want %s", raw, want)
	}
}

// queue takes messages back.
type queue struct {
	back []string
	err  error
}

func (q *queue) Postpone(_ context.Context, m events.SQSMessage, delay time.Duration) error {
	if delay != 15*time.Minute {
		return errors.New("another delay than SQS allows at most")
	}
	if q.err == nil {
		q.back = append(q.back, m.MessageId)
	}
	return q.err
}

// What fails because AWS is down must not be parked as if it were broken.
func TestAnOutageIsNotTakenForABrokenMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		err      error
		received string
		queue    *queue
		back     bool
	}{
		"AWS is down, and its queue would park it soon": {fmt.Errorf("call: %w", guard.ErrUnavailable), "3", &queue{}, true},
		"so it is when it was received more often":      {guard.ErrThrottled, "4", &queue{}, true},
		"time ran out":                          {context.DeadlineExceeded, "3", &queue{}, true},
		"its queue brings it again soon":        {guard.ErrUnavailable, "2", &queue{}, false},
		"the message itself is wrong":           {errors.New("read event: no JSON"), "3", &queue{}, false},
		"a person has to mend it":               {guard.ErrDenied, "3", &queue{}, false},
		"nobody says how often it was received": {guard.ErrUnavailable, "", &queue{}, false},
		"it cannot be put back":                 {guard.ErrUnavailable, "3", &queue{err: guard.ErrUnavailable}, false},
	} {
		t.Run(name, func(t *testing.T) {
			batch := messages("a")
			batch.Records[0].Attributes = map[string]string{"ApproximateReceiveCount": tt.received}
			answer, err := handlers.OneByOne(t.Context(), batch, time.Second, tt.queue, whole, func(context.Context, events.SQSMessage) error { return tt.err })
			if failed := len(failures(t, answer, err)) == 1; failed == tt.back || len(tt.queue.back) == 1 != tt.back {
				t.Errorf("failed: %t, put back: %v", failed, tt.queue.back)
			}
		})
	}
}

func whole(events.SQSMessage) error { return nil }

// Processes that are stopped answer nothing, and SQS counts each of them against the message: five would park it. Nothing
// but what nobody can read is parked.
func TestAMessageWhoseProcessesWereStoppedBeginsAnew(t *testing.T) {
	broken := func(events.SQSMessage) error { return errors.New("no JSON") }
	for name, tt := range map[string]struct {
		received string
		reads    handlers.Reads
		queue    *queue
		handled  bool
	}{
		"it was received three times: it is tried":           {"3", whole, &queue{}, true},
		"three tries ended without an answer":                {"4", whole, &queue{}, false},
		"the process was stopped when it put it back":        {"5", whole, &queue{}, false},
		"nobody can read it: it is parked":                   {"4", broken, &queue{}, true},
		"it cannot be put back, and is tried":                {"4", whole, &queue{err: guard.ErrUnavailable}, true},
		"nobody says how often it was received: it is tried": {"", whole, &queue{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			batch := messages("a", "b")
			batch.Records[0].Attributes = map[string]string{"ApproximateReceiveCount": tt.received}
			batch.Records[1].Attributes = map[string]string{"ApproximateReceiveCount": "1"}
			var handled []string
			answer, err := handlers.OneByOne(t.Context(), batch, time.Second, tt.queue, tt.reads, func(_ context.Context, m events.SQSMessage) error {
				handled = append(handled, m.MessageId)
				return nil
			})
			want := []string{"b"}
			if tt.handled {
				want = []string{"a", "b"}
			}
			if diff := cmp.Diff(want, handled); diff != "" {
				t.Errorf("handled (-want +got):\n%s", diff)
			}
			if back := len(tt.queue.back) == 1; back == tt.handled || len(failures(t, answer, err)) > 0 {
				t.Errorf("put back: %v, answer %v", tt.queue.back, answer)
			}
		})
	}
}
