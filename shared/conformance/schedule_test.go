package conformance_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// clock is what the local AWS has not: it sends an event for each scheduled rule, as soon as that has a target.
type clock struct {
	l          *local
	queues     []string             // to whose targets it sends; the others stay without an event
	made       func(service string) // is called for each target of a schedule: "sqs", or "events" of a bus
	mu         sync.Mutex
	scheduled  []string // names of rules
	group      sync.WaitGroup
	unexpected error
}

// runClock gives a local AWS a clock whose events arrive in the queues of some Regions, over a bus or not.
func (l *local) runClock(t testing.TB, regions ...string) *clock {
	c := &clock{l: l, queues: regions, made: func(string) {}}
	before := l.Options.Faults.Refuse
	l.Options.Faults.Refuse = func(call *core.Call) error {
		if before != nil {
			if err := before(call); err != nil {
				return err
			}
		}
		return c.see(call)
	}
	t.Cleanup(func() {
		c.group.Wait()
		if c.unexpected != nil {
			t.Error(c.unexpected)
		}
	})
	return c
}

func (c *clock) see(call *core.Call) error {
	var in struct {
		Name, Rule, ScheduleExpression string
		Targets                        []struct{ Arn string }
	}
	if call.Service != "events" || call.Operation != "PutRule" && call.Operation != "PutTargets" {
		return nil
	}
	if err := call.Decode(&in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case in.ScheduleExpression != "":
		c.scheduled = append(c.scheduled, in.Name)
	case slices.Contains(c.scheduled, in.Rule):
		target := arn.Of(in.Targets[0].Arn)
		c.group.Go(func() { c.made(target.Service) }) // not within the call that is seen
		if slices.Contains(c.queues, target.Region) {
			c.group.Go(func() { c.send(target) })
		}
	}
	return nil
}

// send puts the event where the schedule, or the rule of the bus, would: bus and queue of a question have the same beginning.
func (c *clock) send(target arn.ARN) {
	name := target.Base()
	if target.Service == "events" {
		name = strings.TrimSuffix(name, "-bus") + "-queue"
	}
	_, err := c.l.As("test", target.Account, target.Region, "sqs", "SendMessage", map[string]string{
		"QueueUrl":    fmt.Sprintf("%s/%s/%s", c.l.url, target.Account, name),
		"MessageBody": `{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`})
	if gone, is := errors.AsType[*core.Error](err); err != nil && (!is || gone.Code != "QueueDoesNotExist") { // of a target that is not there
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unexpected = err
	}
}

// denySenders attaches a service control policy by which the role of the question's rules may send nothing. Those of its
// controls may.
func (l *local) denySenders(t testing.TB) {
	t.Helper()
	manager := l.session(t, management, "role/Admin/me", run, unwritten)
	if err := manager.AttachPolicy(t.Context(), "senders", ou, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"events:PutEvents","Resource":"*",
		"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*-q??-sender"}}}]}`); err != nil {
		t.Error(err)
	}
}

// That no event of a schedule arrives in another Region says something where one of this Region is seen, and where other events
// arrive there over the same bus, as the same role, before and after.
func TestAScheduleThatIsNotDeliveredIsSetAgainstAnEventThatIs(t *testing.T) {
	t.Parallel()
	none := conformance.Result{Verdict: conformance.Unanswered, Reason: conformance.NotShown}
	for name, of := range map[string]struct {
		fires  []string
		denied string // after which target of a schedule the sender is denied; "first" is from the start
		want   conformance.Result
	}{
		"it arrives":                            {[]string{home, far}, "", conformance.Result{Verdict: conformance.Answered, Answer: "delivered"}},
		"it does not":                           {[]string{home}, "", conformance.Result{Verdict: conformance.Answered, Answer: "not-delivered"}},
		"no schedule fires":                     {nil, "", none},
		"the sender is denied":                  {[]string{home}, "first", none},
		"the sender is denied after some time":  {[]string{home}, "sqs", none},
		"and after the schedule has its target": {[]string{home}, "events", none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			if of.denied == "first" {
				l.denySenders(t)
			}
			l.runClock(t, of.fires...).made = func(service string) {
				if service == of.denied {
					l.denySenders(t)
				}
			}
			r := l.ask(t, "events.schedule.foreign-bus")[0]
			if got := (conformance.Result{Verdict: r.Verdict, Answer: r.Answer, Reason: r.Reason}); got.Verdict != of.want.Verdict || got.Answer != of.want.Answer || got.Reason != of.want.Reason {
				t.Errorf("%s %q (%s %s), want %s %q %s", r.Verdict, r.Answer, r.Reason, r.Detail, of.want.Verdict, of.want.Answer, of.want.Reason)
			}
		})
	}
}
