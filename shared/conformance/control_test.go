package conformance_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// denied is a call that an account refuses to everybody, or to the roles of the run alone, from some time on.
type denied struct {
	operation string // service:operation
	toRoles   bool
	from      int // which call of it is the first that is refused, from 1
}

func (d denied) String() string {
	return fmt.Sprintf("%s from call %d%s", d.operation, d.from, map[bool]string{true: ", to the run's role"}[d.toRoles])
}

// of reports whether a call is one of those that may be refused.
func (d denied) of(c *core.Call) bool {
	return d.operation == c.Service+":"+c.Operation && (!d.toRoles || strings.Contains(c.Caller.RoleARN, sandbox.Prefix))
}

// underDenial asks one question of a local AWS of a behavior that refuses what is denied, and answers how often each call was made. With
// an operation of "" nothing is denied.
func underDenial(t *testing.T, id string, of localaws.Behavior, d denied, patience conformance.Patience) (conformance.Result, map[denied]int) {
	t.Helper()
	var mu sync.Mutex
	made := map[denied]int{}
	l := start(t, localaws.Options{Seed: 1, Behavior: of})
	own, manager := l.session(t, account, "role/Sandbox/me", run, unwritten), l.session(t, management, "role/Admin/me", run, unwritten)
	l.Options.Faults.Refuse = func(c *core.Call) error {
		mu.Lock()
		defer mu.Unlock()
		for _, toRoles := range []bool{false, true} {
			if call := (denied{operation: c.Service + ":" + c.Operation, toRoles: toRoles}); call.of(c) {
				made[call]++
			}
		}
		if !d.of(c) || made[denied{operation: d.operation, toRoles: d.toRoles}] < d.from {
			return nil
		}
		code := "AccessDeniedException"
		if c.Form != nil { // as the services say it that take forms
			code = "AccessDenied"
		}
		return &core.Error{Code: code, Message: "denied by the account", Status: 403}
	}
	l.runClock(t, home)
	results := conformance.Ask(t.Context(), conformance.Options{Own: own, Management: manager, OU: ou, Second: far, Only: []string{id}, Patience: patience, Parallel: 1, Now: time.Now})
	return results[0], made
}

// An account that refuses a call to everybody, from the start or from some time on, by a policy that has nothing to do with
// the question, never makes a question answer otherwise than it would: it stays without an answer. Each call that the
// question makes is denied in turn.
func TestARefusalThatIsNotTheQuestionsIsNoAnswer(t *testing.T) {
	t.Parallel()
	impatient := conformance.Patience{Trail: 100 * time.Millisecond, Change: 100 * time.Millisecond, Settle: 10 * time.Millisecond, Between: 10 * time.Millisecond}
	for _, q := range conformance.Questions() {
		for name, behavior := range worlds(q) {
			t.Run(q.ID+", "+name, func(t *testing.T) {
				t.Parallel()
				right, calls := underDenial(t, q.ID, behavior, denied{}, conformance.ForDouble())
				var tries []denied
				for call, times := range calls {
					for from := 1; from <= times; from++ {
						tries = append(tries, denied{call.operation, call.toRoles, from})
					}
				}
				var group errgroup.Group
				group.SetLimit(4)
				for _, d := range tries {
					group.Go(func() error {
						switch got, _ := underDenial(t, q.ID, behavior, d, impatient); {
						case got.Verdict != conformance.Unanswered && got.Answer != right.Answer:
							t.Errorf("denied %s: %s, %s; without: %s", d, got.Answer, got.Verdict, right.Answer)
						case got.Verdict == conformance.Unanswered && d.from == 1 && got.Reason != conformance.NotPermitted && got.Reason != right.Reason:
							t.Errorf("denied %s: %s %s", d, got.Reason, got.Detail)
						}
						return nil
					})
				}
				_ = group.Wait() // it has no errors
				if len(tries) == 0 {
					t.Error("nothing is called: this test sees nothing")
				}
			})
		}
	}
}

// worlds are how AWS may be for a question: as the local AWS assumes, and, where that answer is a refusal, as it is with one
// that is none: there a false refusal shows.
func worlds(q conformance.Question) map[string]localaws.Behavior {
	all := map[string]localaws.Behavior{"as assumed": {}}
	if assumed, _ := q.Choice(q.Assumed); !assumed.ByRefusal {
		return all
	}
	for _, c := range q.Choices {
		if !c.ByRefusal && c.Set != nil {
			var b localaws.Behavior
			c.Set(&b)
			all[string(c.Answer)] = b
			break
		}
	}
	return all
}

// A question that can be answered by a refusal says what shows that the refusal is its own.
func TestAQuestionThatARefusalAnswersHasAControl(t *testing.T) {
	for _, q := range conformance.Questions() {
		for _, c := range q.Choices {
			if c.ByRefusal && q.Control == nil {
				t.Errorf("%s: %s is read off a refusal, and there is no control", q.ID, c.Answer)
			}
			if c.Answer == conformance.Refused && !c.ByRefusal {
				t.Errorf("%s: %s is a refusal, and is not read off one", q.ID, c.Answer)
			}
		}
	}
}

// A policy of the account that denies the secrets of services alone spares the control: the denial is the account's all the same.
func TestADenialOfTheSecretsOfServicesIsNotAWSsAnswer(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1})
	l.Options.Faults.Refuse = func(c *core.Call) error {
		if c.Operation == "TagResource" && bytes.Contains(c.Input, []byte("!")) {
			return &core.Error{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:TagResource with an explicit deny in a service control policy", Status: 400}
		}
		return nil
	}
	if r := l.ask(t, "secretsmanager.owned.tag")[0]; r.Verdict != conformance.Unanswered || r.Reason != conformance.NotPermitted {
		t.Errorf("%s %q (%s %s), want %s", r.Verdict, r.Answer, r.Reason, r.Detail, conformance.NotPermitted)
	}
}
