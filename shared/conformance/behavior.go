package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws"
)

// Unfollowed is an answer of a report that the local AWS does not follow.
type Unfollowed struct {
	Question string
	Answer   Answer
	Reason   Reason
}

// Notes say, a line each, what somebody should know who follows the report.
func (f Followed) Notes() []string {
	var notes []string
	if len(f.Report.Results) > 0 && f.Report.Against != AWS {
		notes = append(notes, fmt.Sprintf("the report is of a run against %q, not against %s: what it says is not AWS's word", f.Report.Against, AWS))
	}
	for _, left := range f.Left {
		notes = append(notes, fmt.Sprintf("the local AWS cannot follow the report in %s", left))
	}
	return notes
}

func (u Unfollowed) String() string { return fmt.Sprintf("%s: %s: %s", u.Question, u.Answer, u.Reason) }

// Followed is a report, and the local AWS that follows it.
type Followed struct {
	Report   Report
	Behavior localaws.Behavior
	Left     []Unfollowed // what it does not follow
}

// Behavior is the local AWS as a report says that AWS is, and what it does not follow: what this version does not know,
// what the local AWS has no way to do, and what excludes what a later answer says.
func (r Report) Behavior() (b localaws.Behavior, left []Unfollowed) {
	for _, one := range r.Results {
		if q, known := Find(one.Question); known && one.Verdict.known() {
			if choice, known := q.Choice(one.Answer); known && choice.Set != nil {
				choice.Set(&b)
			}
		}
	}
	for _, one := range r.Results {
		if one.Answer == "" { // nobody knows
			continue
		}
		if why := whyNot(one, b); why != "" {
			left = append(left, Unfollowed{one.Question, one.Answer, why})
		}
	}
	return b, left
}

// whyNot is why a behavior does not answer as a result says; "" where it does.
func whyNot(one Result, b localaws.Behavior) Reason {
	q, known := Find(one.Question)
	if !known {
		return UnknownQuestion
	}
	choice, known := q.Choice(one.Answer)
	switch {
	case !one.Verdict.known():
		return UnknownVerdict
	case !known:
		return UnknownAnswer
	case !q.follows(choice):
		return NoBehavior
	case choice.Set != nil && !chosen(choice, b), q.Overruled != nil && q.Overruled(b):
		return Excluded
	}
	for _, other := range q.Choices {
		if choice.Set == nil && other.Set != nil && chosen(other, b) {
			return Excluded
		}
	}
	return ""
}

// openToAll reports whether everybody reads who may read a secret: nothing is then read off who may not decrypt.
func openToAll(b localaws.Behavior) bool { return b.NoSecondLock }

// chosen reports whether a behavior is that of a choice.
func chosen(c Choice, b localaws.Behavior) bool {
	same := b
	c.Set(&same)
	return same == b
}

// follows reports whether the local AWS can answer so: of itself, or by a behavior.
func (q Question) follows(c Choice) bool { return c.Set != nil || c.Answer == q.Assumed }

// Followable are the answers to a question that the local AWS can give, when a report says so, and those that it cannot.
func (q Question) Followable() (can, cannot []Answer) {
	for _, c := range q.Choices {
		if q.follows(c) {
			can = append(can, c.Answer)
		} else {
			cannot = append(cannot, c.Answer)
		}
	}
	return can, cannot
}

// CannotFollow lists, a line each, the answers that the local AWS cannot give: it follows every other.
func CannotFollow() string {
	var out strings.Builder
	for _, q := range Questions() {
		if _, cannot := q.Followable(); len(cannot) > 0 {
			fmt.Fprintf(&out, "  %s: %s\n", q.ID, join(cannot))
		}
	}
	return out.String()
}

// FollowTable is a table, in Markdown, of the answers that the local AWS can and cannot give.
func FollowTable() string {
	var out strings.Builder
	out.WriteString("| question | follows | does not follow |\n| --- | --- | --- |\n")
	for _, q := range Questions() {
		can, cannot := q.Followable()
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", q.ID, dash(join(can)), dash(join(cannot)))
	}
	return out.String()
}

func join(answers []Answer) string {
	var all []string
	for _, a := range answers {
		all = append(all, string(a))
	}
	return strings.Join(all, ", ")
}

// ReadBehavior is the local AWS in a partition as a file with a report says that AWS is. No file ("") is as always. Read reads the
// file. A report without an answer is refused: there is nothing to follow in it. So is one of another partition.
func ReadBehavior(path string, p arn.Partition, read func(path string) ([]byte, error)) (Followed, error) {
	if path == "" {
		return Followed{}, nil
	}
	text, err := read(path)
	if err != nil {
		return Followed{}, err
	}
	r, err := ReadReport(bytes.NewReader(text))
	if err == nil && !slices.ContainsFunc(r.Results, func(one Result) bool { return one.Answer != "" }) {
		err = errors.New("read report: it answers no question")
	}
	if err == nil && r.Partition != "" && r.Partition != p {
		err = fmt.Errorf("read report: it is of %q, and the local AWS is in %s", r.Partition, p)
	}
	if err != nil {
		return Followed{}, fmt.Errorf("%s: %w", path, err)
	}
	f := Followed{Report: r}
	f.Behavior, f.Left = r.Behavior()
	return f, nil
}

// Judge gives a result of asking the local AWS the verdict that it does not follow the report, where it answered otherwise.
func (f Followed) Judge(r Result) Result {
	var why Reason
	for _, one := range f.Report.Results {
		if one.Question == r.Question {
			r.Reported = one.Answer
		}
	}
	at := slices.IndexFunc(f.Left, func(u Unfollowed) bool { return u.Question == r.Question })
	if at >= 0 {
		why = f.Left[at].Reason
	}
	switch {
	case r.Reported == "" || r.Reported == r.Answer && why != UnknownVerdict: // of which nobody here can say what it means
	case at >= 0:
		r.Verdict, r.Reason, r.Detail = NotFollowed, why, ""
	case r.Answer != "", slices.Contains([]Reason{Unexpected, Refusal, NotPermitted, NotShown, NotEvaluated}, r.Reason):
		r.Verdict, r.Reason, r.Detail = NotFollowed, Excluded, ""
	}
	return r
}

// Unasked are results for the answers that the local AWS cannot follow and was not asked for.
func (f Followed) Unasked(results []Result) []Result {
	var unasked []Result
	for _, u := range f.Left {
		if slices.ContainsFunc(results, func(r Result) bool { return r.Question == u.Question }) {
			continue
		}
		r := Result{Question: u.Question, Reported: u.Answer, Verdict: NotFollowed, Reason: u.Reason}
		if q, known := Find(u.Question); known {
			r.Row, r.Title, r.Assumed = q.Row, q.Title, q.Assumed
		}
		unasked = append(unasked, r)
	}
	return unasked
}
