package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Brake stops every change that goes through Effects, for all workers at once, until somebody lets go of it.
type Brake struct {
	Turns []Turn `json:"turns"` // the last is how it is now; the oldest of more than mostTurns are forgotten

	Revision int64           `json:"-"` // of the item; 0: nobody ever set it
	Stored   json.RawMessage `json:"-"` // as Intent's
}

// Turn is somebody setting the brake, or letting go of it.
type Turn struct {
	On     bool      `json:"on"`
	By     string    `json:"by"` // ARN of who says so
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Identity tells a turn from the others of its brake.
func (t Turn) Identity() string { return t.At.Format(time.RFC3339Nano) + " " + t.By }

const mostTurns = 20

// Now is how the brake is; the zero Turn of one that was never set.
func (b Brake) Now() Turn {
	if len(b.Turns) == 0 {
		return Turn{}
	}
	return b.Turns[len(b.Turns)-1]
}

// Paused says that changes are paused, and by whom; nil: they are made.
func (b Brake) Paused() *PausedError {
	if now := b.Now(); now.On {
		return &PausedError{now}
	}
	return nil
}

// Turned is the brake after another turn.
func (b Brake) Turned(t Turn) Brake {
	b.Turns = append(append([]Turn{}, b.Turns...), t)
	if extra := len(b.Turns) - mostTurns; extra > 0 {
		b.Turns = b.Turns[extra:]
	}
	return b
}

// Brakes keeps the brake.
type Brakes interface {
	// Brake reads it as last written. One that cannot be read is a *Unreadable: nobody knows whether it is set.
	Brake(ctx context.Context) (Brake, error)
	// SetBrake answers false, and writes nothing, where somebody wrote since it was read.
	SetBrake(ctx context.Context, b Brake) (bool, error)
}

// PausedError says that a change is not made because the brake is set. It is an ErrFenced: nothing was sent.
type PausedError struct{ Turn }

func (p *PausedError) Error() string {
	return fmt.Sprintf("changes are paused since %s by %s: %s", p.At.Format(time.RFC3339), p.By, p.Reason)
}

// Is reports that a paused change was not sent.
func (p *PausedError) Is(target error) bool { return target == ErrFenced }

// Paused reads the brake: nil where changes may be made. A brake that cannot be read counts as set.
func (e *Effects) Paused(ctx context.Context) (*PausedError, error) {
	b, err := e.Intents.Brake(ctx)
	if bad, is := errors.AsType[*Unreadable](err); is {
		return &PausedError{Turn{On: true, By: "nobody known", At: e.Now().UTC(), Reason: "the brake's row cannot be read, and counts as set: doublelock repair shows it (" + bad.Reason + ")"}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask whether changes are paused: %w", err)
	}
	return b.Paused(), nil
}

// Unpaused errs with *PausedError where the brake is set. An ErrFenced either way: who asks it sends nothing.
func (e *Effects) Unpaused(ctx context.Context) error {
	switch paused, err := e.Paused(ctx); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	case paused != nil:
		return paused
	}
	return nil
}
