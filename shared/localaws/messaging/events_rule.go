package messaging

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

const (
	maxTargets = 5
	maxRules   = 300
)

var ruleName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)

func eventsRuleOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"PutRule":           putRule,
		"DescribeRule":      onRule(describeRule),
		"EnableRule":        onRule(setState(ruleEnabled)),
		"DisableRule":       onRule(setState(ruleDisabled)),
		"DeleteRule":        deleteRule,
		"ListRules":         listRules,
		"PutTargets":        onRule(putTargets),
		"RemoveTargets":     onRule(removeTargets),
		"ListTargetsByRule": onRule(listTargetsByRule),
	}
}

type ruleInput struct {
	Name, EventPattern, ScheduleExpression, State, Description, RoleArn, EventBusName string
	Tags                                                                              []tagPair
}

func putRule(c *core.Call) (any, error) {
	var in ruleInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, p, err := busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	made, err := newRule(in)
	if err != nil {
		return nil, err
	}
	if old, ok := b.rules[in.Name]; ok {
		made.targets = old.targets
	} else if len(b.rules) >= maxRules {
		return nil, &core.Error{Code: "LimitExceededException", Message: fmt.Sprintf("The requested resource exceeds the maximum number allowed (%d rules).", maxRules)}
	}
	if b.rules[in.Name] == nil { // tags of a rule that exists are not changed by PutRule
		tag(c.AWS, ruleARN(p, b.name, in.Name), tagMap(in.Tags))
	}
	b.rules[in.Name] = made
	return map[string]string{"RuleArn": ruleARN(p, b.name, in.Name)}, nil
}

func newRule(in ruleInput) (*rule, error) {
	if !ruleName.MatchString(in.Name) {
		return nil, validation("1 validation error detected: Value '" + in.Name + "' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+")
	}
	if in.EventPattern == "" && in.ScheduleExpression == "" {
		return nil, validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	made := &rule{name: in.Name, description: in.Description, state: in.State, role: in.RoleArn, text: in.EventPattern,
		schedule: in.ScheduleExpression}
	if made.state == "" {
		made.state = ruleEnabled
	}
	if !slices.Contains([]string{ruleDisabled, ruleEnabled, ruleEnabledAll}, made.state) {
		return nil, validation("1 validation error detected: Value '" + in.State + "' at 'state' failed to satisfy constraint")
	}
	var err error
	if in.EventPattern != "" {
		made.pattern, err = compilePattern(in.EventPattern)
	}
	return made, err
}

func compilePattern(text string) (*pattern.Pattern, error) {
	p, err := pattern.Compile([]byte(text))
	if err != nil {
		return nil, &core.Error{Code: "InvalidEventPatternException", Message: "Event pattern is not valid. Reason: " + err.Error()}
	}
	return p, nil
}

// onRule finds the rule that Name or Rule names on EventBusName.
func onRule(run func(*core.Call, *rule, string) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		var in struct{ Name, Rule, EventBusName string }
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		name := in.Name + in.Rule // no call has both
		b, p, err := busOf(c, in.EventBusName)
		if err != nil {
			return nil, err
		}
		r, ok := b.rules[name]
		if !ok {
			return nil, noSuchRule(name, b.name)
		}
		return run(c, r, ruleARN(p, b.name, name))
	}
}

func noSuchRule(name, bus string) error {
	return &core.Error{Code: "ResourceNotFoundException", Message: "Rule " + name + " does not exist on EventBus " + bus + "."}
}

// ruleShown is a rule as DescribeRule and ListRules answer it.
type ruleShown struct {
	Name, Arn, State   string
	EventBusName       string `json:",omitempty"`
	EventPattern       string `json:",omitempty"`
	ScheduleExpression string `json:",omitempty"`
	Description        string `json:",omitempty"`
	RoleArn            string `json:",omitempty"`
}

func (r *rule) show(arn, bus string) ruleShown {
	return ruleShown{Name: r.name, Arn: arn, State: r.state, EventBusName: bus, EventPattern: r.text,
		ScheduleExpression: r.schedule, Description: r.description, RoleArn: r.role}
}

func describeRule(c *core.Call, r *rule, arn string) (any, error) {
	var in struct{ EventBusName string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	_, bus := busLocation(c, in.EventBusName)
	return r.show(arn, bus), nil
}

func setState(state string) func(*core.Call, *rule, string) (any, error) {
	return func(_ *core.Call, r *rule, _ string) (any, error) {
		r.state = state
		return struct{}{}, nil
	}
}

func deleteRule(c *core.Call) (any, error) {
	var in struct{ Name, EventBusName string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, _, err := busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	if r, ok := b.rules[in.Name]; ok && len(r.targets) > 0 {
		return nil, validation("Rule can't be deleted since it has targets.")
	}
	delete(b.rules, in.Name)
	return struct{}{}, nil
}

func listRules(c *core.Call) (any, error) {
	var in struct{ NamePrefix, EventBusName string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, p, err := busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	list := []ruleShown{}
	for _, name := range slices.Sorted(maps.Keys(b.rules)) {
		if strings.HasPrefix(name, in.NamePrefix) {
			list = append(list, b.rules[name].show(ruleARN(p, b.name, name), b.name))
		}
	}
	return map[string]any{"Rules": list}, nil
}

// entryFailure is one target or event of a call that did not work.
type entryFailure struct {
	TargetId     string //nolint:revive // AWS's own name
	ErrorCode    string
	ErrorMessage string
}

func putTargets(c *core.Call, r *rule, _ string) (any, error) {
	var in struct{ Targets []target }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	failed := []entryFailure{}
	for _, t := range in.Targets {
		if err := checkTarget(c, t); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(r.targets, func(old target) bool { return old.Id == t.Id })
		switch {
		case i >= 0:
			r.targets[i] = t
		case len(r.targets) >= maxTargets:
			failed = append(failed, entryFailure{t.Id, "LimitExceededException", "The requested resource exceeds the maximum number allowed."})
		default:
			r.targets = append(r.targets, t)
		}
	}
	return map[string]any{"FailedEntryCount": len(failed), "FailedEntries": failed}, nil
}

func checkTarget(c *core.Call, t target) error {
	if t.Id == "" || !arn.Is(t.Arn) {
		return validation("Parameter " + t.Arn + " is not valid. Reason: Provided Arn is not in correct format.")
	}
	ways := 0
	for _, set := range []bool{t.Input != "", t.InputPath != "", t.InputTransformer != nil} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return validation("Only one of Input, InputPath, or InputTransformer must be provided for target " + t.Id + ".")
	}
	if t.Input != "" && !json.Valid([]byte(t.Input)) {
		return validation("JSON syntax error in input for target " + t.Id + ".")
	}
	if p, _, ok := busOfARN(c.AWS, t.Arn); ok && p != c.Location && t.RoleArn == "" {
		return validation("RoleArn is required for target " + t.Arn + ".")
	}
	return nil
}

func removeTargets(c *core.Call, r *rule, _ string) (any, error) {
	var in struct{ Ids []string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	r.targets = slices.DeleteFunc(r.targets, func(t target) bool { return slices.Contains(in.Ids, t.Id) })
	return map[string]any{"FailedEntryCount": 0, "FailedEntries": []entryFailure{}}, nil
}

func listTargetsByRule(_ *core.Call, r *rule, _ string) (any, error) {
	if r.targets == nil {
		return map[string]any{"Targets": []target{}}, nil
	}
	return map[string]any{"Targets": r.targets}, nil
}
