package conformance

import (
	"context"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws"
)

// Answer is one of the possible answers to a question; "" is none.
type Answer string

// Need is what a question takes beside an account.
type Need string

// What questions may need.
const (
	NeedsNothing      Need = ""
	NeedsRegion       Need = "a second Region"
	NeedsOrganization Need = "an organization"
)

// Question is something that AWS's documents do not say, or that they say and nobody here has seen.
type Question struct {
	ID       string // stable; what a report names
	Row      int    // of docs/live-checks.md
	Title    string
	Document string // URL of the page that is silent, or says so
	Need     Need
	Trail    bool     // it waits for CloudTrail, or for what is as late
	Calls    []string // of Play and Control, the run's role included: service:Operation, as IAM names the right to it
	Choices  []Choice
	Assumed  Answer // what the local AWS does; "" where it has nothing of the kind
	// Control makes the call, or sees the effect, that the question waits to be refused, as the same caller, where nothing
	// of the question forbids it. Where that fails, a refusal says nothing, and the question is unanswered. It runs before
	// Play, and once more after an answer that is read off a refusal; each time with things of its own.
	Control func(context.Context, *World) error
	Play    func(context.Context, *World) (Answer, error)
	// Overruled reports whether a behavior of the local AWS, chosen by the answer to another question, keeps it from each answer to
	// this one that it can give otherwise; nil is never.
	Overruled func(localaws.Behavior) bool
}

// Choice is a possible answer.
type Choice struct {
	Answer  Answer
	Meaning string // for our code
	// ByRefusal says that the answer is read off a call that fails, or an effect that does not come: an account where that
	// is so for everything looks the same. Its question has a Control.
	ByRefusal bool
	// Set makes the local AWS behave so; nil where it cannot, and for what it does of itself.
	Set func(*localaws.Behavior)
}

// Choice is the choice of an answer.
func (q Question) Choice(a Answer) (Choice, bool) {
	at := slices.IndexFunc(q.Choices, func(c Choice) bool { return c.Answer == a })
	if at < 0 {
		return Choice{}, false
	}
	return q.Choices[at], true
}

// Find is the question of an id.
func Find(id string) (Question, bool) {
	all := Questions()
	at := slices.IndexFunc(all, func(q Question) bool { return q.ID == id })
	if at < 0 {
		return Question{}, false
	}
	return all[at], true
}

// Questions lists every question, in the order in which they are reported.
func Questions() []Question {
	return slices.Concat(conditionQuestions(), versionQuestions(), keyQuestions(), replicaQuestions(), shownQuestions(), choiceQuestions(), recordQuestions(), serviceQuestions(), organizationQuestions())
}

// Limit is how long a question may take at most, CloudTrail's delay included.
func (q Question) Limit(patience time.Duration) time.Duration {
	limit := playTime
	if q.Control != nil {
		limit += 2 * controlTime
	}
	if q.Trail {
		limit += 2 * patience
	}
	return limit
}

// playTime is how long a question may take that waits for no event: keys, roles and policies need up to five minutes each
// until AWS knows them everywhere, and what stays as it was is looked at as long.
const playTime = 20 * time.Minute

// controlTime is how long a control may take, of which there are two: a role, and what it may do, within five minutes each.
const controlTime = 6 * time.Minute
