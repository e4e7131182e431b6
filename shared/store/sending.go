package store

import (
	"context"
	"errors"
	"sync"
)

// ErrFenced says that a call was not sent: its time was over, or another worker owns what it would have changed.
var ErrFenced = errors.New("not sent: another worker may be at it")

// ErrUnanswered says that a call was not sent again, because it was sent before and AWS may have carried it out.
var ErrUnanswered = errors.New("not sent again: it was sent and not answered")

// Sending is a call that changes something, on its way. The transport asks Before ahead of every attempt, with nothing
// left to do but to send the bytes, and says After how it went. It is safe for concurrent use.
type Sending struct {
	check  func(ctx context.Context) error
	repeat bool // what was not answered may be sent again

	mu         sync.Mutex
	sent       bool // an attempt was let through
	unanswered bool // and what became of the last is not known
}

// NewSending is a call that is let through as long as check answers nil. check is asked right before the bytes go, and its
// own time counts.
func NewSending(check func(ctx context.Context) error) *Sending { return &Sending{check: check} }

// NewRepeatable is a NewSending of which a second attempt does no more than the first.
func NewRepeatable(check func(ctx context.Context) error) *Sending {
	return &Sending{check: check, repeat: true}
}

// Before answers nil where the bytes may go now. Its errors are final.
func (s *Sending) Before(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unanswered && !s.repeat {
		return ErrUnanswered
	}
	if err := s.check(WithSending(ctx, nil)); err != nil {
		return err
	}
	s.sent, s.unanswered = true, true
	return nil
}

// After says that AWS answered the attempt in a way that leaves no doubt: it was carried out, or certainly not.
func (s *Sending) After(answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unanswered = s.unanswered && !answered
}

// Sent reports that an attempt was let through.
func (s *Sending) Sent() bool {
	sent, _ := s.state()
	return sent
}

// state is whether any attempt was let through, and whether what became of the last is unknown.
func (s *Sending) state() (sent, unanswered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.unanswered
}

type sendingKey struct{}

// WithSending puts a call on its way into a context, for the transport to find.
func WithSending(ctx context.Context, s *Sending) context.Context {
	return context.WithValue(ctx, sendingKey{}, s)
}

// SendingOf is the call that a context is on its way with; nil where it changes nothing.
func SendingOf(ctx context.Context) *Sending {
	s, _ := ctx.Value(sendingKey{}).(*Sending)
	return s
}
