package sandbox

import (
	"crypto/rand"
	"regexp"
	"strings"
	"time"
)

// Run is one run of questions, by its id: ten lower-case letters and digits from 2 to 7. The first five are when it began,
// in minutes since runEpoch, for others who find what it made; the rest is random.
type Run string

const (
	runLetters = "abcdefghijklmnopqrstuvwxyz234567"
	startSize  = 5
	runSize    = 10
)

var (
	runForm  = regexp.MustCompile(`^[a-z2-7]{10}$`)
	runEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Lifetime is longer than any run lasts: some 45 minutes, and what CloudTrail and a removal may take at most. A younger
// run may be alive, on whichever machine.
const Lifetime = 2 * time.Hour

// NewRun is the id of a run that begins now.
func NewRun(now time.Time) Run {
	minutes := max(int64(now.Sub(runEpoch)/time.Minute), 0)
	id := make([]byte, startSize)
	for at := range id {
		id[startSize-1-at] = runLetters[minutes%int64(len(runLetters))]
		minutes /= int64(len(runLetters))
	}
	return Run(string(id) + strings.ToLower(rand.Text()[:runSize-startSize]))
}

// Valid reports whether a text has the form of a run's id. Nothing is removed for a run that has not.
func (r Run) Valid() bool { return runForm.MatchString(string(r)) }

// Started is when a run began, to the minute.
func (r Run) Started() time.Time {
	if !r.Valid() {
		return time.Time{}
	}
	var minutes int64
	for _, char := range r[:startSize] {
		minutes = minutes*int64(len(runLetters)) + int64(strings.IndexRune(runLetters, char))
	}
	return runEpoch.Add(time.Duration(minutes) * time.Minute)
}

// Young reports whether a run may be alive. One that began in the future, but for clocks that differ, is none.
func (r Run) Young(now time.Time) bool {
	age := now.Sub(r.Started())
	return age > -Lifetime && age < Lifetime
}
