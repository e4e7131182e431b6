package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/policy"
)

// Expected says which denials are meant: calls of a principal, or of an action of it. * stands for any text; an empty
// Action is every action.
type Expected struct {
	Principal string
	Action    string
}

// ParseExpected reads "PRINCIPAL" or "PRINCIPAL ACTION", each a pattern with *.
func ParseExpected(line string) (Expected, bool) {
	fields := strings.Fields(line)
	switch len(fields) {
	case 1:
		return Expected{Principal: fields[0]}, true
	case 2:
		return Expected{Principal: fields[0], Action: fields[1]}, true
	}
	return Expected{}, false
}

func (e Expected) covers(principal, action string) bool {
	return like(e.Principal, principal) && (e.Action == "" || like(strings.ToLower(e.Action), strings.ToLower(action)))
}

// like matches a text with a pattern in which * stands for any text.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// Group is the calls of one principal by one pipeline that meet the same fate for the same reason.
type Group struct {
	Principal string
	Pipeline  string // tool, or the service that called for it; "" when not known
	Action    string
	Outcome   Outcome
	Statement string
	Step      string // action of the call to KMS within theirs that it decides on; "" for the calls themselves
	Why       string // of the first of them
	Expected  bool

	Count     int // all of them
	Succeeded int // of those, the ones that succeeded then
	First     time.Time
	Last      time.Time
	Example   Call
}

// Breaks reports whether something that worked would stop, and nobody expects it.
func (g Group) Breaks() bool { return g.Outcome == Denied && g.Succeeded > 0 && !g.Expected }

// Tally collects the verdicts of many calls.
type Tally struct {
	expected []Expected
	groups   map[groupKey]*Group
	Calls    int
	Skipped  int // records that are no calls
	ByFate   map[Outcome]int
}

type groupKey struct {
	principal, pipeline, action, statement, step string
	outcome                                      Outcome
}

// NewTally begins to count.
func NewTally(expected []Expected) *Tally {
	return &Tally{expected: expected, groups: map[groupKey]*Group{}, ByFate: map[Outcome]int{}}
}

// Add counts one call.
func (t *Tally) Add(call Call, v Verdict) {
	t.Calls++
	t.ByFate[v.Outcome]++
	if v.Outcome == Passes || v.Outcome == Unbound {
		return
	}
	principal := who(call.Request.Principal)
	key := groupKey{principal, cmp.Or(call.Service, call.Tool), call.Request.Action, v.Statement, v.Step, v.Outcome}
	g := t.groups[key]
	if g == nil {
		g = &Group{Principal: principal, Pipeline: key.pipeline, Action: key.action, Outcome: v.Outcome, Statement: v.Statement, Step: v.Step, Why: v.Decision.Why,
			Example: call, First: call.At, Last: call.At}
		g.Expected = slices.ContainsFunc(t.expected, func(e Expected) bool { return e.covers(principal, key.action) })
		t.groups[key] = g
	}
	g.Count++
	if call.Error == "" {
		g.Succeeded++
	}
	if call.At.Before(g.First) {
		g.First = call.At
	}
	if call.At.After(g.Last) {
		g.Last = call.At
	}
}

// Deciding is a statement for people, with the call to KMS that it decides on where it is not the call itself.
func Deciding(statement, step string) string {
	if statement == "" || step == "" {
		return statement
	}
	return statement + " at " + step
}

// who is the principal that policies see: sessions of one role are one.
func who(p policy.Principal) string {
	if p.Kind == policy.KindSession {
		return p.Role
	}
	return p.String()
}

var order = map[Outcome]int{Denied: 0, Unknown: 1, Exempt: 2}

// Groups lists what does not simply pass: what breaks first, then by principal.
func (t *Tally) Groups() []Group {
	var out []Group
	for _, g := range t.groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(breaksFirst(a, b), cmp.Compare(order[a.Outcome], order[b.Outcome]), cmp.Compare(a.Principal, b.Principal),
			cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Step, b.Step))
	})
	return out
}

func breaksFirst(a, b Group) int {
	switch {
	case a.Breaks() == b.Breaks():
		return 0
	case a.Breaks():
		return -1
	}
	return 1
}
