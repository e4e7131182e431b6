package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// deliveries remember what became of each message that was not done with at its first delivery: what is parked in the end
// can be explained without running the storm again.
type deliveries struct {
	mu   sync.Mutex
	made map[string][]string // by the message's id
}

// note takes down what became of a batch.
func (s *deliveries) note(batch events.SQSEvent, p *process, at time.Time, answer events.SQSEventResponse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	back := map[string]bool{}
	for _, f := range answer.BatchItemFailures {
		back[f.ItemIdentifier] = true
	}
	lines := p.said.take()
	for _, m := range batch.Records {
		if err == nil && !back[m.MessageId] {
			delete(s.made, m.MessageId)
			continue
		}
		why := "given back"
		if err != nil {
			why = err.Error() + p.end
		}
		s.made[m.MessageId] = append(s.made[m.MessageId], fmt.Sprintf("%s to %s (received %s): %s; it had said:%s",
			at.UTC().Format(time.DateTime), p.name, m.Attributes["ApproximateReceiveCount"], why, strings.Join(append([]string{""}, lines...), "\n      ")))
	}
}

// of is the story of a message.
func (s *deliveries) of(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append([]string{""}, s.made[id]...), "\n    ")
}

// said keeps the last warnings and errors that a process logged, since it was last asked.
type said struct {
	mu    sync.Mutex
	lines []string
}

const mostSaid = 4

func (s *said) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// listener is a log handler that keeps what a process says, and hands it on to another that may be nil.
type listener struct {
	said  *said
	with  []slog.Attr
	other slog.Handler
}

func (l listener) Enabled(_ context.Context, level slog.Level) bool {
	return l.other != nil || level >= slog.LevelWarn
}

func (l listener) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		words := map[string]string{}
		for _, a := range l.with {
			words[a.Key] = a.Value.String()
		}
		r.Attrs(func(a slog.Attr) bool { words[a.Key] = a.Value.String(); return true })
		raw, _ := json.Marshal(words) // texts
		l.said.mu.Lock()
		l.said.lines = append(l.said.lines, r.Message+" "+string(raw))
		l.said.lines = l.said.lines[max(0, len(l.said.lines)-mostSaid):]
		l.said.mu.Unlock()
	}
	if l.other == nil {
		return nil
	}
	return l.other.Handle(ctx, r)
}

func (l listener) WithAttrs(some []slog.Attr) slog.Handler {
	l.with = append(slices.Clone(l.with), some...)
	if l.other != nil {
		l.other = l.other.WithAttrs(some)
	}
	return l
}

func (l listener) WithGroup(string) slog.Handler { return l }
