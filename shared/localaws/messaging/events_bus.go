package messaging

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

var busName = regexp.MustCompile(`^[/.\-_A-Za-z0-9]{1,256}$`)

func eventsBusOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateEventBus":   createEventBus,
		"DeleteEventBus":   deleteEventBus,
		"DescribeEventBus": describeEventBus,
		"ListEventBuses":   listEventBuses,
		"PutPermission":    putPermission,
		"RemovePermission": removePermission,
	}
}

func createEventBus(c *core.Call) (any, error) {
	var in struct {
		Name, Description string
		Tags              []tagPair
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !busName.MatchString(in.Name) || strings.Contains(in.Name, "/") {
		return nil, validation("EventBus name is not valid: " + in.Name)
	}
	buses := busesAt(c.AWS, c.Location).buses
	if _, taken := buses[in.Name]; taken {
		return nil, &core.Error{Code: "ResourceAlreadyExistsException", Message: "Event bus " + in.Name + " already exists."}
	}
	b := newEventBus(in.Name)
	b.description, b.created = in.Description, c.Now
	buses[in.Name] = b
	tag(c.AWS, busARN(c.Location, in.Name), tagMap(in.Tags))
	return map[string]string{"EventBusArn": busARN(c.Location, in.Name)}, nil
}

func validation(message string) error {
	return &core.Error{Code: "ValidationException", Message: message}
}

func deleteEventBus(c *core.Call) (any, error) {
	var in struct{ Name string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.Name == "default" {
		return nil, validation("Cannot delete event bus default.")
	}
	buses := busesAt(c.AWS, c.Location).buses
	if b, ok := buses[in.Name]; ok && len(b.rules) > 0 {
		return nil, validation("Event bus " + in.Name + " can't be deleted since it has rules.")
	}
	delete(buses, in.Name)
	return struct{}{}, nil
}

type busShown struct {
	Name        string
	Arn         string
	Description string `json:",omitempty"`
	Policy      string `json:",omitempty"`
}

func describeEventBus(c *core.Call) (any, error) {
	var in struct{ Name string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, p, err := busOf(c, in.Name)
	if err != nil {
		return nil, err
	}
	return busShown{b.name, busARN(p, b.name), b.description, b.policy()}, nil
}

func listEventBuses(c *core.Call) (any, error) {
	var in struct{ NamePrefix string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	list := []busShown{}
	buses := busesAt(c.AWS, c.Location).buses
	for _, name := range slices.Sorted(maps.Keys(buses)) {
		if strings.HasPrefix(name, in.NamePrefix) {
			list = append(list, busShown{name, busARN(c.Location, name), buses[name].description, buses[name].policy()})
		}
	}
	return map[string]any{"EventBuses": list}, nil
}

// policy is the bus's resource policy, "" for none.
func (b *eventBus) policy() string {
	if len(b.statements) == 0 {
		return ""
	}
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": b.statements}) // decoded from JSON
	return string(text)
}

type permission struct {
	EventBusName, Action, Principal, StatementId, Policy string //nolint:revive // AWS's own names
	Condition                                            *struct{ Type, Key, Value string }
}

// putPermission sets a whole policy, or adds one statement.
func putPermission(c *core.Call) (any, error) {
	var in permission
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, p, err := busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	var statements []map[string]any
	if in.Policy != "" {
		statements, err = policyStatements(in.Policy)
	} else {
		statements, err = withStatement(b.statements, in, busARN(p, b.name))
	}
	if err != nil {
		return nil, err
	}
	before := b.statements
	if b.statements = statements; len(b.policy()) > 10240 {
		b.statements = before
		return nil, &core.Error{Code: "PolicyLengthExceededException", Message: "The event bus policy size exceeds the maximum allowed limit."}
	}
	return struct{}{}, nil
}

func policyStatements(text string) ([]map[string]any, error) {
	var document struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, validation("This policy contains invalid Json")
	}
	var many []map[string]any
	if json.Unmarshal(document.Statement, &many) == nil {
		return many, nil
	}
	var one map[string]any
	if err := json.Unmarshal(document.Statement, &one); err != nil || one == nil {
		return nil, validation("This policy contains invalid Json")
	}
	return []map[string]any{one}, nil
}

func withStatement(old []map[string]any, in permission, bus string) ([]map[string]any, error) {
	if in.StatementId == "" || in.Principal == "" || in.Action != "events:PutEvents" {
		return nil, validation("Action events:PutEvents, Principal and StatementId are required without a Policy.")
	}
	var principal any = "*"
	if in.Principal != "*" {
		principal = map[string]any{"AWS": arn.Of(bus).Partition.Root(in.Principal)}
	}
	made := map[string]any{"Sid": in.StatementId, "Effect": "Allow", "Principal": principal, "Action": in.Action, "Resource": bus}
	if in.Condition != nil {
		made["Condition"] = map[string]any{in.Condition.Type: map[string]any{in.Condition.Key: in.Condition.Value}}
	}
	return append(withoutStatement(old, in.StatementId), made), nil
}

func withoutStatement(old []map[string]any, id string) []map[string]any {
	return slices.DeleteFunc(slices.Clone(old), func(s map[string]any) bool { return s["Sid"] == id })
}

func removePermission(c *core.Call) (any, error) {
	var in struct {
		StatementId, EventBusName string //nolint:revive // AWS's own names
		RemoveAllPermissions      bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	b, _, err := busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	if in.RemoveAllPermissions {
		b.statements = nil
		return struct{}{}, nil
	}
	rest := withoutStatement(b.statements, in.StatementId)
	if len(rest) == len(b.statements) {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Statement with the provided id does not exist."}
	}
	b.statements = rest
	return struct{}{}, nil
}
