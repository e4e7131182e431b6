package policytest_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/judge"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

const root = "../../.." // of the repository

// TestAgreesWithSimulator compares our answers with those of npm @cloud-copilot/iam-simulate, run as a process. Every
// difference is explained in differences, and an explanation that is no longer needed fails as well.
func TestAgreesWithSimulator(t *testing.T) {
	if _, err := judge.Opinions(t.Context(), root, []any{}); errors.Is(err, judge.ErrNotInstalled) {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	compared, seen := 0, map[string]bool{}
	for file, list := range loadCases(t) {
		var sent []any
		for _, c := range list {
			if _, beyond := beyondSimulator(c.(map[string]any)); !beyond {
				sent = append(sent, c)
			}
		}
		cases, err := policytest.Read(sent)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, theirs := range simulate(t, sent) {
			compared++
			compare(t, cases[i], theirs, seen)
		}
	}
	for name := range differences {
		if !seen[name] {
			t.Errorf("no case differs any more, or there is none: %q", name)
		}
	}
	if compared < 200 {
		t.Errorf("only %d cases were compared", compared)
	}
	t.Logf("%d cases compared, %d explained differences", compared, len(seen))
}

func compare(t *testing.T, c policytest.Case, theirs judge.Opinion, seen map[string]bool) {
	t.Helper()
	ours := policytest.Run(c)
	why, explained := differences[c.Name]
	switch {
	case theirs.Answer == ours.Decision.Answer && explained:
		t.Errorf("%s: no difference, but one is explained: %s", c.Name, why)
	case theirs.Answer == ours.Decision.Answer:
	case theirs.Error != "" && len(ours.Decision.Unreadable) > 0 && ours.Decision.Answer == policy.Unknown:
		// both find a document that AWS would refuse
	case explained:
		seen[c.Name] = true
	case theirs.Error != "":
		t.Errorf("%s: the simulator cannot answer: %s; we say %s", c.Name, theirs.Error, ours.Decision.Answer)
	default:
		t.Errorf("%s: the simulator says %s, we %s: %s", c.Name, theirs.Answer, ours.Decision.Answer, ours.Decision.Why)
	}
}

// beyondSimulator tells cases about things that the simulator does not know.
func beyondSimulator(c map[string]any) (why string, beyond bool) {
	request, _ := c["request"].(map[string]any)
	principal, _ := request["principal"].(map[string]any)
	switch {
	case c["grants"] != nil:
		return "KMS grants", true
	case c["managementAccount"] != nil:
		return "the management account", true
	case request["unknownContext"] != nil:
		return "unknown context", true
	case principal != nil && principal["type"] != "Anonymous":
		return "principals with more than an ARN", true
	case c["name"] == "a policy given as text is parsed":
		return "policies as text", true
	}
	return "", false
}

func simulate(t *testing.T, cases []any) []judge.Opinion {
	t.Helper()
	if len(cases) == 0 {
		return nil
	}
	opinions, err := judge.Opinions(t.Context(), root, cases)
	if err != nil {
		t.Fatal(err)
	}
	if len(opinions) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(opinions), len(cases))
	}
	return opinions
}

// completed explains every case whose completions the simulator answers otherwise.
var completed = map[string]string{
	"an unknown world still has the caller's account": derives,
	"unknown global keys still have the caller's ARN": derives,
}

// TestCompletionsAgreeWithSimulator covers what the simulator has no notion of: a request of which not all is known. It is completed
// in many ways, and each is asked. Where we are certain, no completion is answered with the opposite; where we say that what is not
// known decides, some completion is allowed and some is not.
func TestCompletionsAgreeWithSimulator(t *testing.T) {
	if _, err := judge.Opinions(t.Context(), root, []any{}); errors.Is(err, judge.ErrNotInstalled) {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	type asked struct {
		name     string
		decision policy.Decision
	}
	var of []asked
	var sent []any
	random := rand.New(rand.NewPCG(1, 2))
	for file, list := range loadCases(t) {
		for _, raw := range list {
			c := raw.(map[string]any)
			request := c["request"].(map[string]any)
			if request["unknownContext"] == nil {
				continue
			}
			cases, err := policytest.Read([]any{raw})
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if why, beyond := beyondSimulator(map[string]any{"grants": c["grants"], "managementAccount": c["managementAccount"], "request": map[string]any{"principal": request["principal"]}}); beyond {
				t.Logf("%s: %s", c["name"], why)
				continue
			}
			one := cases[0]
			completion := completionOf(one.Policies, random)
			decision := policytest.Run(one).Decision
			for range 40 {
				whole := completion.of(one.Request)
				context := map[string]any{}
				for key, values := range whole.Context {
					if len(values) > 0 {
						context[key] = values
					}
				}
				question, changed := maps.Clone(c), maps.Clone(request)
				delete(changed, "unknownContext")
				changed["context"] = context
				question["request"] = changed
				sent, of = append(sent, question), append(of, asked{one.Name, decision})
			}
		}
	}
	allowed, denied := map[string]bool{}, map[string]bool{}
	for i, theirs := range simulate(t, sent) {
		if theirs.Error != "" {
			continue
		}
		if theirs.Answer == policy.Allowed {
			allowed[of[i].name] = true
		} else {
			denied[of[i].name] = true
		}
	}
	count := 0
	for i, each := range of {
		if i > 0 && of[i-1].name == each.name {
			continue
		}
		count++
		why, explained := completed[each.name]
		yes, no := allowed[each.name], denied[each.name]
		agrees := yes && no
		switch each.decision.Answer {
		case policy.Allowed:
			agrees = !no
		case policy.ExplicitlyDenied, policy.ImplicitlyDenied:
			agrees = !yes
		}
		switch {
		case agrees && explained:
			t.Errorf("%s: the completions agree, but a reason is given why not: %s", each.name, why)
		case !agrees && !explained:
			t.Errorf("%s: we say %s; of its completions the simulator allows some: %t, denies some: %t", each.name, each.decision.Answer, yes, no)
		}
	}
	if count < 20 {
		t.Errorf("only %d cases have something that is not known", count)
	}
	t.Logf("%d cases, %d completions", count, len(sent))
}
