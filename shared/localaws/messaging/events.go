package messaging

import (
	"maps"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

// eventStore is Amazon EventBridge in one account and Region. The default bus is always there.
type eventStore struct{ buses map[string]*eventBus }

func newEventStore() *eventStore {
	return &eventStore{buses: map[string]*eventBus{"default": newEventBus("default")}}
}

func busesAt(a *core.AWS, at core.Location) *eventStore { return core.Regional(a, at, newEventStore) }

type eventBus struct {
	name        string
	description string
	created     time.Time
	statements  []map[string]any // of its resource policy
	rules       map[string]*rule
}

func newEventBus(name string) *eventBus { return &eventBus{name: name, rules: map[string]*rule{}} }

// rule states.
const (
	ruleDisabled   = "DISABLED"
	ruleEnabled    = "ENABLED"
	ruleEnabledAll = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

type rule struct {
	name, description, state, role string
	text                           string // the pattern as given
	schedule                       string
	pattern                        *pattern.Pattern // nil for a schedule
	targets                        []target
}

// target is where a rule sends, as PutTargets takes and ListTargetsByRule answers it.
type target struct {
	Id               string            `json:"Id"` //nolint:revive // AWS's own name
	Arn              string            `json:"Arn"`
	RoleArn          string            `json:"RoleArn,omitempty"`
	Input            string            `json:"Input,omitempty"`
	InputPath        string            `json:"InputPath,omitempty"`
	InputTransformer *inputTransformer `json:"InputTransformer,omitempty"`
	DeadLetterConfig deadLetterConfig  `json:"DeadLetterConfig,omitzero"`
	RetryPolicy      map[string]int    `json:"RetryPolicy,omitempty"`
}

type inputTransformer struct {
	InputPathsMap map[string]string `json:"InputPathsMap,omitempty"`
	InputTemplate string            `json:"InputTemplate"`
}

type deadLetterConfig struct {
	Arn string `json:"Arn,omitempty"`
}

func eventsOperations() map[string]core.Operation {
	all := map[string]core.Operation{
		"PutEvents":           putEvents,
		"ListTagsForResource": listEventTags,
	}
	maps.Copy(all, eventsBusOperations())
	maps.Copy(all, eventsRuleOperations())
	maps.Copy(all, eventsConnectionOperations())
	return all
}

// busOf finds a bus by name or ARN, "" for the default one, in the caller's location or the ARN's.
func busOf(c *core.Call, nameOrARN string) (*eventBus, core.Location, error) {
	p, name := busLocation(c, nameOrARN)
	b, ok := busesAt(c.AWS, p).buses[name]
	if !ok {
		return nil, p, noSuchBus(name)
	}
	return b, p, nil
}

func busLocation(c *core.Call, nameOrARN string) (core.Location, string) {
	if p, name, ok := busOfARN(c.AWS, nameOrARN); ok {
		return p, name
	}
	if nameOrARN == "" {
		return c.Location, "default"
	}
	return c.Location, nameOrARN
}

func noSuchBus(name string) error {
	return &core.Error{Code: "ResourceNotFoundException", Message: "Event bus " + name + " does not exist."}
}

func busOfARN(a *core.AWS, busARN string) (core.Location, string, bool) {
	at, resource, ok := a.Locate(busARN, "events")
	if !ok {
		return core.Location{}, "", false
	}
	name, ok := strings.CutPrefix(resource, "event-bus/")
	return at, name, ok
}

func busARN(p core.Location, name string) string {
	return p.ARN("events", "event-bus/"+name)
}

// ruleARN has the bus in it, except on the default one.
func ruleARN(p core.Location, bus, name string) string {
	if bus != "default" {
		name = bus + "/" + name
	}
	return p.ARN("events", "rule/"+name)
}

// eventsAccess names the rule or bus a call is about. PutEvents authorises each entry's bus by itself.
func eventsAccess(c *core.Call) (core.Access, error) {
	var in struct{ Name, Rule, EventBusName, ResourceARN string }
	if err := c.Decode(&in); err != nil {
		return core.Access{}, err
	}
	switch {
	case in.ResourceARN != "":
		return core.Access{Resource: in.ResourceARN}, nil
	case strings.HasSuffix(c.Operation, "Connection"):
		return core.Access{Resource: connectionARN(c.Location, in.Name)}, nil
	case c.Operation == "PutEvents":
		return eventsPutAccess(c)
	case strings.HasSuffix(c.Operation, "EventBus"):
		p, name := busLocation(c, in.Name)
		return core.Access{Resource: busARN(p, name)}, nil
	case strings.HasSuffix(c.Operation, "Permission"):
		// They know no resource. Source: Service Authorization Reference, Amazon EventBridge.
		return core.Access{Resource: "*"}, nil
	}
	p, bus := busLocation(c, in.EventBusName)
	name := in.Name
	if in.Rule != "" {
		name = in.Rule
	}
	if name == "" {
		return core.Access{Resource: "*"}, nil
	}
	return core.Access{Resource: ruleARN(p, bus, name)}, nil
}

// eventsPutAccess is what the first entry takes; putEvents asks for the others.
func eventsPutAccess(c *core.Call) (core.Access, error) {
	var in struct{ Entries []putEntry }
	if err := c.Decode(&in); err != nil {
		return core.Access{}, err
	}
	if len(in.Entries) == 0 {
		return onBus(c, putEntry{}), nil
	}
	return onBus(c, in.Entries[0]), nil
}

// onBus is what putting an event on a bus takes.
func onBus(c *core.Call, e putEntry) core.Access {
	p, name := busLocation(c, e.EventBusName)
	on := core.Access{Action: "events:PutEvents", Resource: busARN(p, name), Owner: p.Account,
		Context: map[string][]string{eventBusInvocation: {"false"}, "events:source": {e.Source}, "events:detail-type": {e.DetailType}}}
	if b, ok := busesAt(c.AWS, p).buses[name]; ok {
		on.ResourcePolicy = b.policy()
	}
	return on
}
