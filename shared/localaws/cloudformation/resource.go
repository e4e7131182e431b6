package cloudformation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// maker creates a resource of one type.
type maker func(context.Context, *creation) (made, error)

// made is what a resource became: what Ref answers and what Fn::GetAtt answers.
type made struct {
	id         string
	attributes map[string]any
	inert      bool // noted only: nothing was created
}

// anyAttribute is the attribute of inert resources whose value stands in for all those that nobody modelled.
const anyAttribute = "*"

// makers is the table of resource types that create something.
func makers() map[string]maker {
	all := map[string]maker{}
	for _, some := range []map[string]maker{
		queueMakers(), topicMakers(), busMakers(), keyMakers(), identityMakers(), tableMakers(), functionMakers(),
		organizationMakers(), stackSetMakers(),
	} {
		maps.Copy(all, some)
	}
	return all
}

func makerOf(kind string) (maker, bool) {
	if slices.Contains(inertTypes, kind) {
		return makeInert, true
	}
	found, ok := makers()[kind]
	return found, ok
}

// creation is one resource on its way, and later what is needed to remove it.
type creation struct {
	aws        *core.AWS
	location   core.Location
	caller     core.Caller
	stack      string
	logicalID  string
	kind       string
	properties map[string]any
	retained   bool
	undo       []func(context.Context) error
}

// call asks a service of this AWS as CloudFormation does, in the name of the deploying role.
func (c *creation) call(service, operation string, input any) (map[string]any, error) {
	return asCloudFormation(c.aws, c.location, c.caller, service, operation, input)
}

func asCloudFormation(a *core.AWS, p core.Location, who core.Caller, service, operation string, input any) (map[string]any, error) {
	request, err := a.NewCall(p, who, service, operation, input)
	if err != nil {
		return nil, err
	}
	request.UserAgent, request.SourceIP = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
	result, err := a.Run(request)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", service, operation, err)
	}
	return core.AsMap(result)
}

// onRemoval remembers the call that takes back what was just made. What is gone already is fine.
func (c *creation) onRemoval(service, operation string, input any) {
	c.undo = append(c.undo, func(context.Context) error {
		_, err := c.call(service, operation, input)
		if isGone(err) {
			return nil
		}
		return err
	})
}

func isGone(err error) bool {
	var answered *core.Error
	if !errors.As(err, &answered) {
		return false
	}
	for _, word := range []string{"NotFound", "NoSuchEntity", "NonExistentQueue", "QueueDoesNotExist", "PolicyNotAttached"} {
		if strings.Contains(answered.Code, word) {
			return true
		}
	}
	return false
}

// removeAll takes resources back, newest first, and goes on after a failure.
func removeAll(ctx context.Context, all []*creation, retainedToo bool) error {
	var failures []error
	for i := len(all) - 1; i >= 0; i-- {
		c := all[i]
		if c.retained && !retainedToo {
			continue
		}
		for j := len(c.undo) - 1; j >= 0; j-- {
			if err := c.undo[j](ctx); err != nil {
				failures = append(failures, fmt.Errorf("remove %s (%s): %w", c.logicalID, c.kind, err))
			}
		}
		c.undo = nil
	}
	return errors.Join(failures...)
}

// into reads the properties into the struct v points to, by field name. A property that the struct does not have is
// an error: what is not modelled must not be dropped in silence. Fields of type ignored are known to mean nothing here.
func (c *creation) into(v any) error {
	target := reflect.ValueOf(v).Elem()
	for _, name := range slices.Sorted(maps.Keys(c.properties)) {
		field := target.FieldByName(name)
		if !field.IsValid() {
			return wrong(name, errors.New("not known here"))
		}
		var raw bytes.Buffer
		encoder := json.NewEncoder(&raw)
		encoder.SetEscapeHTML(false) // documents go on as they are written, without \u003e for >
		if err := encoder.Encode(c.properties[name]); err != nil {
			return wrong(name, err)
		}
		decoder := json.NewDecoder(&raw)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(field.Addr().Interface()); err != nil {
			return wrong(name, err)
		}
	}
	return nil
}

// need reports a required property that is missing.
func need(name, value string) error {
	if value == "" {
		return wrong(name, errors.New("missing"))
	}
	return nil
}

// wrong says which property an error is about.
func wrong(property string, err error) error {
	return &pathError{path: "Properties." + property, err: err}
}

// nameOr is the name given, or one as CloudFormation makes it up: stack, logical id, twelve letters.
func (c *creation) nameOr(given string, most int) string {
	if given != "" {
		return given
	}
	c.aws.Lock()
	tail := c.aws.Letters(12, core.UpperAlnum)
	c.aws.Unlock()
	head := c.stack + "-" + c.logicalID + "-"
	return head[:min(len(head), most-len(tail))] + tail
}

func (c *creation) arn(service, resource string) string {
	return c.location.ARN(service, resource)
}

// ignored is a property that means nothing in this AWS (tags of resources that nobody lists, tracing, logging).
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

// number is a JSON number, or text with one: CloudFormation takes both.
type number int64

func (n *number) UnmarshalJSON(raw []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil {
		return fmt.Errorf("%s is no number", raw)
	}
	*n = number(value)
	return nil
}

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

// truth is true or false, or text with either.
type truth bool

func (t *truth) UnmarshalJSON(raw []byte) error {
	value, err := strconv.ParseBool(strings.Trim(string(raw), `"`))
	if err != nil {
		return fmt.Errorf("%s is neither true nor false", raw)
	}
	*t = truth(value)
	return nil
}

// jsonText is a JSON document as the services take it: text. Templates may write it as text or as an object.
type jsonText string

func (t *jsonText) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*t = jsonText(text)
		return nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return err
	}
	*t = jsonText(compact.String())
	return nil
}

// tag is how most resource types write tags.
type tag struct{ Key, Value string }

// answer reads a text at a path of an answer, as "Role.Arn".
func answer(out map[string]any, path string) string {
	var value any = out
	for _, step := range strings.Split(path, ".") {
		inner, _ := value.(map[string]any)
		value = inner[step]
	}
	text, _ := value.(string)
	return text
}

// inertTypes are noted and create nothing: the local run does not have their services.
var inertTypes = []string{
	"AWS::CDK::Metadata", "AWS::Chatbot::SlackChannelConfiguration",
	"AWS::CloudTrail::Trail", "AWS::CloudWatch::Alarm",
	"AWS::CloudWatch::Dashboard", "AWS::Events::ApiDestination", "AWS::Events::Connection",
	"AWS::Logs::LogGroup",
	"AWS::Scheduler::Schedule", "AWS::SSM::Document", "AWS::SSM::Parameter",
}

// makeInert notes a resource. Its id is the name that the template gives it.
func makeInert(_ context.Context, c *creation) (made, error) {
	words := strings.Split(c.kind, "::")
	service, noun := strings.ToLower(words[1]), words[2]
	given, _ := scalarText(c.properties[nameProperty(c.properties, noun)])
	id := c.nameOr(given, 64)
	own := c.arn(service, strings.ToLower(noun)+"/"+id)
	if noun == "LogGroup" {
		own = c.arn("logs", "log-group:"+id+":*")
	}
	return made{id: id, attributes: map[string]any{"Arn": own, anyAttribute: id}, inert: true}, nil
}

// nameProperty is the property by which a type names itself: its noun with Name, or Name.
func nameProperty(properties map[string]any, noun string) string {
	if _, ok := properties[noun+"Name"]; ok {
		return noun + "Name"
	}
	return "Name"
}
