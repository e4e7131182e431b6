package store

import (
	"context"
	"encoding/json"
	"time"
)

// Answer is the last answer that AWS gave to a question.
type Answer struct {
	At   time.Time       `json:"at"` // when it was given, or an hour later at most; zero: none is kept
	Body json.RawMessage `json:"body"`
}

// OldestAnswer is how old an answer may be that stands in for AWS while AWS cannot be asked. A day outlives every outage of
// AWS so far, and is short enough that a person is notified of one that is ours, such as a role that was taken away: what needs
// the answer fails from then on, waits in its queue, and raises its alarms.
const OldestAnswer = 24 * time.Hour

// Usable reports that the answer may stand in for AWS at a time.
func (a Answer) Usable(now time.Time) bool {
	return !a.At.IsZero() && now.Sub(a.At) <= OldestAnswer
}

// Answers keeps the last answer to each question, for the time when AWS cannot be asked. What is decided by one says so, and
// makes nothing look safer than it was.
type Answers interface {
	// Last is the answer that was kept last. An answer that cannot be read is none.
	Last(ctx context.Context, question string) (Answer, error)
	// Keep keeps an answer, unless a later one is there.
	Keep(ctx context.Context, question string, a Answer) error
}
