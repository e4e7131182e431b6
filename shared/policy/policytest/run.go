package policytest

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/policy"
)

// Result is what became of one case.
type Result struct {
	Index    int // of the case in its file
	Name     string
	Passed   bool
	Expected policy.Answer
	Decision policy.Decision
}

// Run evaluates one case.
func Run(c Case) Result {
	d := policy.Evaluate(c.Request, c.Policies)
	return Result{Index: c.Index, Name: c.Name, Passed: d.Answer == c.Expected, Expected: c.Expected, Decision: d}
}

// Explanation says in one line what came out, and for a failure what was expected.
func (r Result) Explanation() string {
	if r.Passed {
		return r.Decision.Why
	}
	return fmt.Sprintf("expected %s, got %s: %s", r.Expected, r.Decision.Answer, r.Decision.Why)
}
