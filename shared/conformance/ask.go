package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// Verdict is how an answer stands to what the local AWS assumes.
type Verdict string

// Verdicts.
const (
	Agrees     Verdict = "agrees"
	Differs    Verdict = "differs"
	Answered   Verdict = "answered" // and the local AWS has nothing of the kind
	Unanswered Verdict = "unanswered"
	// NotFollowed is of the local AWS alone, when it was given a report: it does not answer as that says.
	NotFollowed Verdict = "not followed"
)

// answered reports whether a result with the verdict has an answer, and whether the verdict says that at all.
func (v Verdict) answered() (answered, known bool) {
	switch v {
	case Agrees, Differs, Answered:
		return true, true
	case Unanswered:
		return false, true
	}
	return false, false
}

// known reports whether this version has the verdict. None at all ("") is what people write who tell the local AWS how to be.
func (v Verdict) known() bool {
	_, known := v.answered()
	return known || v == NotFollowed || v == ""
}

// Reason is why a question has no answer.
type Reason string

// Reasons.
const (
	NotPermitted  Reason = "not permitted"
	NoOperation   Reason = "no such operation"
	TimedOut      Reason = "timed out"
	NotShown      Reason = "not shown" // what the answer would be read from
	NotEvaluated  Reason = "policies are not evaluated"
	WithoutRegion Reason = "needs a second Region"
	WithoutOrg    Reason = "needs an organization"
	Stopped       Reason = "stopped"
	Unexpected    Reason = "none of the possible answers"
	Refusal       Reason = "a step was refused" // by AWS, with an error that says nothing about rights
	Broken        Reason = "a step failed"
)

// Reasons why a report has no answer of AWS's to a question.
const (
	NotAsked  Reason = "the report does not ask it"
	OfAnother Reason = "the report is not of this part of AWS"

	Contradicts Reason = "its answer, verdict and reason contradict each other"
	OtherwiseOf Reason = "the question is another one in this version"
	OutOfTime   Reason = "the report says no time at which it can have been made"
)

// Reasons why the local AWS does not follow an answer of a report.
const (
	UnknownQuestion Reason = "no such question in this version"
	UnknownAnswer   Reason = "no such answer in this version"
	UnknownVerdict  Reason = "no such verdict in this version"
	NoBehavior      Reason = "the local AWS cannot behave so"
	Excluded        Reason = "other answers of the report make the local AWS answer otherwise"
)

// Result is the answer to one question.
type Result struct {
	Question string  `json:"question"`
	Row      int     `json:"row"`
	Title    string  `json:"title"`
	Answer   Answer  `json:"answer,omitempty"`
	Reported Answer  `json:"reported,omitempty"` // in the report that the local AWS was to follow
	Assumed  Answer  `json:"assumed,omitempty"`
	Verdict  Verdict `json:"verdict"`
	Meaning  string  `json:"meaning,omitempty"`
	Reason   Reason  `json:"reason,omitempty"`
	Detail   string  `json:"detail,omitempty"` // the call and the code of the error
	Evidence []Fact  `json:"evidence,omitempty"`
	Seconds  int     `json:"seconds"`
}

// Why is what the answer means, or why there is none or another than was reported.
func (r Result) Why() string {
	why := strings.TrimSuffix(string(r.Reason)+": "+r.Detail, ": ")
	switch r.Verdict {
	case Unanswered:
		return why
	case NotFollowed:
		return fmt.Sprintf("reported %s: %s", r.Reported, why)
	}
	return r.Meaning
}

// Options say what is asked, of whom, and with how much patience.
type Options struct {
	Own        *sandbox.Session // in the account and Region that are asked
	Management *sandbox.Session // of the organization; nil leaves the second set out
	OU         string           // that holds the account and nothing else
	Second     string           // Region; "" leaves questions about replicas out
	Only       []string         // ids; none is all
	Patience   Patience
	Parallel   int // how many questions at once
	Now        func() time.Time
	Progress   func(done, total int, question string)
	Answered   func(Result) // of each question as soon as it has ended, one at a time; nil is nobody
}

// Asked lists the questions of a run: those that were named, or all but the second set where there is no organization.
func Asked(only []string, organization bool) []Question {
	return slices.DeleteFunc(Questions(), func(q Question) bool {
		return len(only) > 0 && !slices.Contains(only, q.ID) || len(only) == 0 && q.Need == NeedsOrganization && !organization
	})
}

// Ask asks the questions and answers their results, in the order of Questions. A question that cannot be answered is a
// result as well; when the context ends, the rest are.
func Ask(ctx context.Context, o Options) []Result {
	questions := Asked(o.Only, o.Management != nil)
	s := newShared(ctx, o.Own, o.Management, o)
	results := make([]Result, len(questions))
	var mu sync.Mutex
	done := 0
	play := func(at int) {
		results[at] = ask(ctx, s, questions[at], o)
		mu.Lock()
		defer mu.Unlock()
		if o.Answered != nil {
			o.Answered(results[at])
		}
		done++
		if o.Progress != nil {
			o.Progress(done, len(questions), questions[at].ID)
		}
	}
	var group errgroup.Group
	group.SetLimit(max(o.Parallel, 1))
	for at, q := range questions {
		if q.Need != NeedsOrganization {
			group.Go(func() error { play(at); return nil })
		}
	}
	_ = group.Wait() // it has no errors
	for at, q := range questions {
		if q.Need == NeedsOrganization { // one policy at a time
			play(at)
		}
	}
	return results
}

func ask(ctx context.Context, s *shared, q Question, o Options) Result {
	r := Result{Question: q.ID, Row: q.Row, Title: q.Title, Assumed: q.Assumed, Verdict: Unanswered}
	switch {
	case ctx.Err() != nil:
		r.Reason = Stopped
		return r
	case q.Need == NeedsRegion && s.second == nil:
		r.Reason = WithoutRegion
		return r
	case q.Need == NeedsOrganization && s.management == nil:
		r.Reason = WithoutOrg
		return r
	}
	limit := q.Limit(o.Patience.Trail)
	asked, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	w := &World{shared: s, slug: slugOf(q.ID)}
	answer, err := q.play(asked, w)
	r.Seconds, r.Evidence = int(time.Since(start).Round(time.Second).Seconds()), w.seen
	choice, known := q.Choice(answer)
	switch {
	case err != nil && ctx.Err() != nil:
		r.Reason = Stopped
	case err != nil:
		r.Reason, r.Detail = reasonOf(err)
		if r.Reason == NotShown && q.Trail {
			r.Detail = strings.Trim(r.Detail+"; "+s.skewed(ctx), "; ")
		}
	case !known:
		r.Reason, r.Detail = Unexpected, string(answer)
	default:
		r.Answer, r.Meaning, r.Verdict = answer, cmp.Or(w.meaning, choice.Meaning), verdict(answer, q.Assumed)
	}
	return r
}

// mostSkew is how far clocks may differ before events are looked for too late: they are from a minute before.
const mostSkew = 30 * time.Second

// skewed says how far the run's clock is from AWS's, by which CloudTrail keeps its events; "" where it is not far.
func (s *shared) skewed(ctx context.Context) string {
	ahead, err := s.own.Skew(ctx, s.now)
	switch {
	case err != nil || ahead.Abs() < mostSkew:
		return ""
	case ahead < 0:
		return fmt.Sprintf("this machine's clock is %s behind AWS's", -ahead.Round(time.Second))
	}
	return fmt.Sprintf("this machine's clock is %s ahead of AWS's: what it does is looked for later than it was recorded", ahead.Round(time.Second))
}

// play plays a question between its controls.
func (q Question) play(ctx context.Context, w *World) (Answer, error) {
	if err := q.control(ctx, w, "c"); err != nil {
		return "", err
	}
	answer, err := q.Play(ctx, w)
	if choice, _ := q.Choice(answer); err != nil || !choice.ByRefusal {
		return answer, err
	}
	return answer, q.control(ctx, w, "d") // for rights may have changed meanwhile
}

// control runs the question's control, if it has one, with things of its own: their names begin with the question's, and
// a suffix.
func (q Question) control(ctx context.Context, w *World, suffix string) error {
	if q.Control == nil {
		return nil
	}
	return q.Control(ctx, &World{shared: w.shared, slug: w.slug + suffix})
}

// slugOf is how the names begin of what a question makes: its number, for some names may have 64 characters at most.
func slugOf(id string) string {
	return fmt.Sprintf("q%02d", slices.IndexFunc(Questions(), func(q Question) bool { return q.ID == id })+1)
}

func verdict(answer, assumed Answer) Verdict {
	switch assumed {
	case "":
		return Answered
	case answer:
		return Agrees
	}
	return Differs
}

// reasonOf is why a question has no answer: by the types and codes of the error, never by its text.
func reasonOf(err error) (Reason, string) {
	detail := sandbox.Operation(err)
	if code := sandbox.Code(err); code != "" {
		detail = strings.TrimSpace(fmt.Sprintf("%s %s", detail, code))
	}
	switch {
	case errors.Is(err, errNotEvaluated):
		return NotEvaluated, detail
	case sandbox.Unknown(err):
		return NoOperation, detail
	case sandbox.Denied(err):
		return NotPermitted, detail
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut, detail
	case errors.Is(err, errNotShown):
		return NotShown, detail
	case errors.Is(err, errUnexpected):
		return Unexpected, detail
	case sandbox.Code(err) != "":
		return Refusal, detail
	}
	return Broken, detail
}
