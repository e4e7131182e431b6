package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what a resource is.
type Kind string

// What runs make.
const (
	Secret     Kind = "secret"
	Key        Kind = "key" // named by its description
	Alias      Kind = "alias"
	Role       Kind = "role"
	Function   Kind = "function"
	Rule       Kind = "rule" // on the default bus; its targets go with it
	BusRule    Kind = "bus rule"
	Bus        Kind = "bus"
	Queue      Kind = "queue"
	Schedules  Kind = "schedule group" // its schedules go with it
	Connection Kind = "connection"     // and the secret that EventBridge keeps for it
	Stack      Kind = "stack"
	Policy     Kind = "service control policy" // it is detached before
)

// Resource is something that a run made, or was about to make.
type Resource struct {
	Kind    Kind   `json:"kind"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
}

func (r Resource) String() string { return fmt.Sprintf("%s %s (%s)", r.Kind, r.Name, r.Region) }

// kindOf is how the resources of a kind are removed and found.
type kindOf struct {
	kind   Kind
	stage  int                                                         // of the removal, before which all of a lower one are gone
	global bool                                                        // the same in every Region
	look   time.Duration                                               // how long it may still be shown after its removal
	remove func(*Session, context.Context, string) error               // of that name, when it has the run's tag
	find   func(*Session, context.Context) (names []string, err error) // whose names are the run's
}

// How long things may still be shown after their removal. SQS deletes a queue within 60 seconds (API reference, DeleteQueue); Secrets Manager
// deletes in the background, after "a short delay" (DeleteSecret), and replicas before; IAM and Organizations are eventually consistent,
// and say no time.
const (
	soon      = 10 * time.Second
	inAMinute = 70 * time.Second
)

// kinds are in the order in which they are removed: what uses something goes before it.
var kinds = []kindOf{
	{Policy, 0, true, inAMinute, (*Session).removePolicy, (*Session).findPolicies}, // which denies
	{Schedules, 1, false, soon, (*Session).removeSchedules, (*Session).findSchedules},
	{Rule, 1, false, soon, (*Session).removeRule, (*Session).findRules},
	{BusRule, 1, false, soon, (*Session).removeBusRule, (*Session).findBusRules},
	{Connection, 1, false, soon, (*Session).removeConnection, (*Session).findConnections},
	{Stack, 1, false, soon, (*Session).removeStack, (*Session).findStacks},
	{Function, 1, false, soon, (*Session).removeFunction, (*Session).findFunctions},
	{Bus, 2, false, soon, (*Session).removeBus, (*Session).findBuses},
	{Queue, 2, false, inAMinute, (*Session).removeQueue, (*Session).findQueues},
	{Secret, 2, false, inAMinute, (*Session).removeSecret, (*Session).findSecrets},
	{Alias, 2, false, soon, (*Session).removeAlias, (*Session).findAliases},
	{Role, 2, true, inAMinute, (*Session).removeRole, (*Session).findRoles},
	{Key, 3, false, soon, (*Session).removeKey, (*Session).findKeys},
}

// Kinds lists every kind in the order in which they are removed.
func Kinds() []Kind {
	var all []Kind
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	return all
}

// Stages are the kinds in the order in which they are removed; those of a stage may be removed at once.
func Stages() [][]Kind {
	var all [][]Kind
	for at, k := range kinds {
		if at == 0 || k.stage != kinds[at-1].stage {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], k.kind)
	}
	return all
}

// ErrNotOurs says that something has a name of the run, and not its tag: it is never touched.
var ErrNotOurs = errors.New("has the name of a run but not its tag, and is left alone")

var errNothing = errors.New("there is no such thing")

func notOurs(kind Kind, name string) error { return fmt.Errorf("%s %s %w", kind, name, ErrNotOurs) }

// Remove removes something that the run made, and reports whether it was there. A key is scheduled for deletion. An answer that says that
// it was done is no proof: it is looked for again until there is nothing, and removed again. A refusal may be of what was done already,
// where the SDK sent again what had no answer, or of what something else still goes on with: it counts when it stays. That somebody may
// not look says nothing of what is there.
func (s *Session) Remove(ctx context.Context, r Resource) (bool, error) {
	at := slices.IndexFunc(kinds, func(k kindOf) bool { return k.kind == r.Kind })
	if at < 0 {
		return false, fmt.Errorf("remove %s: no such kind", r)
	}
	if !s.run.of(bare(r.Kind, r.Name)) {
		return false, fmt.Errorf("remove %s: it has no name of run %s", r, s.run)
	}
	k, in, was := kinds[at], s.In(r.Region), false
	var refused error
	gone, err := s.clock.until(ctx, k.look, func(ctx context.Context) (bool, error) {
		switch err := k.remove(in, ctx, r.Name); {
		case nothing(err):
			return true, nil
		case Code(err) != "" && !Denied(err):
			refused, was = err, true
			return false, nil
		default:
			refused, was = nil, true
			return false, err
		}
	})
	if err == nil && !gone {
		err = cmp.Or(refused, fmt.Errorf("AWS says that it is done, and it is still there %s later", k.look))
	}
	return was && gone, err
}

// nothing reports that there is no such thing, or that whoever was asked has none of the kind: a double that cannot make it.
func nothing(err error) bool { return errors.Is(err, errNothing) || Gone(err) || Unknown(err) }

// bare is a name without what its kind puts before it.
func bare(kind Kind, name string) string {
	if kind == Alias {
		return strings.TrimPrefix(name, aliasPrefix)
	}
	return name
}

// Run is the run that a resource's name says it is of; "" when it says none.
func (r Resource) Run() Run { return RunOf(bare(r.Kind, r.Name)) }

// Find finds what of some kinds the run made in a Region, by name. What is global is found in the Region that is asked for
// as such. Kinds that may not be listed are errors beside what was found.
func (s *Session) Find(ctx context.Context, region string, global bool, of []Kind) ([]Resource, error) {
	var all []Resource
	var failed []error
	for _, k := range kinds {
		if k.global && !global || !slices.Contains(of, k.kind) || s.finds != nil && !slices.Contains(s.finds, k.kind) {
			continue
		}
		names, err := k.find(s.In(region), ctx)
		if err != nil && !Unknown(err) {
			failed = append(failed, fmt.Errorf("find what is a %s: %w", k.kind, err))
		}
		for _, name := range names {
			if !s.run.of(bare(k.kind, name)) { // such as a name that begins like a run's and is somebody else's
				continue
			}
			all = append(all, Resource{Kind: k.kind, Account: s.account, Region: region, Name: name})
		}
	}
	return all, errors.Join(failed...)
}
