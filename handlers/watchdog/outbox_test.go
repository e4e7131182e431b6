package watchdog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// box is an outbox in which something waits.
type box struct {
	late   int
	err    error
	before time.Time
}

func (b *box) Drain(context.Context) (int, error) { return 0, b.err }

func (b *box) Late(_ context.Context, before time.Time) (int, error) {
	b.before = before
	return b.late, nil
}

type stillness struct{}

func (stillness) Beat(context.Context) error { return nil }

// lever is a brake, set or not.
type lever struct {
	paused *store.PausedError
	err    error
}

func (l lever) Paused(context.Context) (*store.PausedError, error) { return l.paused, l.err }

func TestEachHeartbeatMeasuresWhetherChangesArePaused(t *testing.T) {
	for name, tt := range map[string]struct {
		lever lever
		want  []float64
	}{
		"they are made":     {lever{}, []float64{0}},
		"they are paused":   {lever{paused: &store.PausedError{Turn: store.Turn{On: true, By: "arn:alice", Reason: "INC-7"}}}, []float64{1}},
		"that is not known": {lever{err: guard.ErrUnavailable}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := &watchdog.Handler{Heartbeat: stillness{}, Namespace: "Doublelock", Brake: tt.lever, Paused: "ChangesPaused", Now: time.Now, Account: "222222222222", Log: slog.New(slog.NewJSONHandler(&log, nil))}
			task := `{"source":"doublelock","detail-type":"Doublelock Schedule","account":"222222222222","detail":{"task":"heartbeat"}}`
			answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: task}}})
			if failed := len(answer.BatchItemFailures) > 0; err != nil || failed != (tt.lever.err != nil) {
				t.Errorf("answer %+v, %v", answer, err)
			}
			var got []float64
			for line := range strings.Lines(log.String()) {
				var measured struct{ ChangesPaused *float64 }
				if err := json.Unmarshal([]byte(line), &measured); err != nil {
					t.Fatal(err)
				}
				if measured.ChangesPaused != nil {
					got = append(got, *measured.ChangesPaused)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("measured %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEachHeartbeatMeasuresWhatWaitsForAnHour(t *testing.T) {
	now := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	waiting := &box{late: 3, err: guard.ErrUnavailable}
	var log bytes.Buffer
	h := &watchdog.Handler{
		Heartbeat: stillness{}, Outbox: waiting, Namespace: "Doublelock", Late: "LateNotices", TooLate: time.Hour, Now: func() time.Time { return now },
		Account: "222222222222", Log: slog.New(slog.NewJSONHandler(&log, nil)),
	}
	task := `{"source":"doublelock","detail-type":"Doublelock Schedule","account":"222222222222","detail":{"task":"heartbeat"}}`
	answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: task}}})
	if err != nil || len(answer.BatchItemFailures) != 1 {
		t.Errorf("answer %+v, %v: an outbox that cannot be drained is tried again", answer, err)
	}
	if want := now.Add(-time.Hour); !waiting.before.Equal(want) {
		t.Errorf("counted what waits since %s, want %s", waiting.before, want)
	}
	var line struct {
		LateNotices float64
		AWS         struct {
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	first, errLine := log.ReadBytes('\n')
	if err := errors.Join(errLine, json.Unmarshal(first, &line)); err != nil {
		t.Fatal(err)
	}
	if m := line.AWS.CloudWatchMetrics; line.LateNotices != 3 || len(m) != 1 || m[0].Namespace != "Doublelock" || len(m[0].Dimensions[0]) != 0 || m[0].Metrics[0].Name != "LateNotices" || m[0].Metrics[0].Unit != "Count" {
		t.Errorf("measured %s", first)
	}
}
