package messaging

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/policy"
)

// busEvent is an event that arrives at a bus.
type busEvent struct {
	core.Location
	bus     string
	foreign bool           // it came from a bus or caller of another account: no rule sends it on to a third
	event   map[string]any // as encoding/json decodes it
}

// putEvent puts an event on a bus of a location. The state lock must be held.
func putEvent(a *core.AWS, p core.Location, bus string, event map[string]any) {
	transitOf(a).stats.Events++
	if !hasRules(a, p, bus) {
		return
	}
	decoded, err := decodedJSON(event) // a copy in the types that patterns know, which nobody changes any more
	if err != nil {
		transitOf(a).stats.Undeliverable++
		return
	}
	copied, _ := decoded.(map[string]any)
	enqueue(a, func() work { arrive(a, busEvent{Location: p, bus: bus, event: copied}); return nil })
}

// decodedJSON is a copy of a value as encoding/json would decode what it encodes. The error is that of encoding.
func decodedJSON(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, bool, float64:
		return v, nil
	case map[string]any:
		if v == nil {
			return nil, nil
		}
		out := make(map[string]any, len(v))
		for name, inner := range v {
			var err error
			if out[name], err = decodedJSON(inner); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		if v == nil {
			return nil, nil
		}
		out := make([]any, len(v))
		for i, inner := range v {
			var err error
			if out[i], err = decodedJSON(inner); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	err = json.Unmarshal(text, &out)
	return out, err
}

// putOn is putEvent for an event that is decoded JSON already.
func putOn(a *core.AWS, e busEvent) {
	transitOf(a).stats.Events++
	if a.Options.OnPut != nil {
		a.Options.OnPut(e.bus, e.event)
	}
	if hasRules(a, e.Location, e.bus) {
		enqueue(a, func() work { arrive(a, e); return nil })
	}
}

func hasRules(a *core.AWS, p core.Location, bus string) bool {
	b, ok := busesAt(a, p).buses[bus]
	return ok && len(b.rules) > 0
}

// listens reports whether any rule on the default bus of a location could match a CloudTrail event; readOnly ones reach
// only rules in state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS. It spares rendering events nobody gets. The
// state lock must be held.
func listens(a *core.AWS, p core.Location, readOnly bool) bool {
	for _, r := range busesAt(a, p).buses["default"].rules {
		if r.takes(readOnly) {
			return true
		}
	}
	return false
}

// takes reports whether the rule's state lets it see an event.
func (r *rule) takes(readOnly bool) bool {
	return r.state == ruleEnabledAll || r.state == ruleEnabled && !readOnly
}

// readOnlyManagement reports whether an event is CloudTrail's record of a reading management call, which ordinary rules do not see.
func readOnlyManagement(event map[string]any) bool {
	kind, _ := event["detail-type"].(string)
	if !strings.HasSuffix(kind, "via CloudTrail") {
		return false
	}
	detail, _ := event["detail"].(map[string]any)
	readOnly, _ := detail["readOnly"].(bool)
	management, said := detail["managementEvent"].(bool)
	return readOnly && (management || !said)
}

// arrive matches an event against the rules of its bus and sends it on to their targets.
func arrive(a *core.AWS, e busEvent) {
	b, ok := busesAt(a, e.Location).buses[e.bus]
	if !ok {
		return
	}
	readOnly := readOnlyManagement(e.event)
	for _, name := range slices.Sorted(maps.Keys(b.rules)) {
		r := b.rules[name]
		if r.pattern == nil || !r.takes(readOnly) || !r.pattern.Match(e.event) {
			continue
		}
		for _, t := range r.targets {
			if p, _, isBus := busOfARN(a, t.Arn); isBus && e.foreign && p.Account != e.Account {
				continue // one hop only
			}
			transitOf(a).stats.Matched++
			d := eventDelivery{aws: a, busEvent: e, rule: r, target: t, ruleARN: ruleARN(e.Location, e.bus, name)}
			deliver(a, d.hand)
		}
	}
}

// eventDelivery is one event on its way to one target of one rule.
type eventDelivery struct {
	aws *core.AWS
	busEvent
	rule    *rule
	target  target
	ruleARN string
}

const eventsPrincipal = "events.amazonaws.com"

// hand gives the event to the target, or to the rule's dead-letter queue.
func (d eventDelivery) hand() work {
	input, err := d.input()
	if err != nil {
		d.fail("INVALID_JSON", err)
		return nil
	}
	switch arn.Of(d.target.Arn).Service {
	case "sqs":
		err = d.toQueue(input)
	case "events":
		err = d.toBus()
	case "sns":
		err = eventToTopic(d.aws, d.target.Arn, input, d.ruleARN)
	case "lambda":
		return asynchronous(d.aws, invocation{arn: d.target.Arn, payload: []byte(input), principal: eventsPrincipal,
			source: d.ruleARN, refused: func(err error) { d.fail("NO_PERMISSIONS", err) }})
	case "logs":
	default:
		err = fmt.Errorf("no target of this kind here: %s", d.target.Arn)
	}
	if err != nil {
		d.fail(codeOf(err), err)
		return nil
	}
	transitOf(d.aws).stats.Delivered++
	return nil
}

// codeOf is EventBridge's error code for a delivery that was refused.
func codeOf(err error) string {
	if strings.Contains(core.AsError(err).Code, "AccessDenied") { // KMS's refusals begin with the service that passes them on
		return "NO_PERMISSIONS"
	}
	return "NO_RESOURCE"
}

func (d eventDelivery) toQueue(input string) error {
	q, ok := queueByARN(d.aws, d.target.Arn)
	if !ok {
		return noSuchQueue()
	}
	return sendAs(d.aws, eventsPrincipal, d.ruleARN, q, sendInput{MessageBody: input})
}

// sendAs sends a message as an AWS service, when the queue's policy lets it.
func sendAs(a *core.AWS, principal, source string, q *queue, in sendInput) error {
	on := core.Access{Action: "sqs:SendMessage", Resource: q.arn(), ResourcePolicy: q.attributes["Policy"], Owner: q.Account}
	if err := permit(a, principal, source, on); err != nil {
		return err
	}
	if err := q.encryption().byService(a, principal, source); err != nil {
		return err
	}
	_, err := sendTo(a, q, in, strings.ToUpper("AIDA"+principal[:3])+"EXAMPLE", a.Options.Now().UTC())
	return err
}

// permit reports whether a resource's own policy lets an AWS service act on it for a rule, topic or the like, and no RCP is against
// it. The state lock must be held.
func permit(a *core.AWS, principal, source string, on core.Access) error {
	context := map[string][]string{"aws:SourceArn": {source}, "aws:SourceAccount": {arn.Of(source).Account}, "aws:SecureTransport": {"true"}}
	a.DescribeSource(context, arn.Of(source).Account)
	maps.Copy(context, on.Context)
	own := policy.Policies{RCPs: a.ResourceControls(on.Owner), AWSManagedKey: on.AWSManagedKey}
	if on.ResourcePolicy != "" {
		own.Resource = a.Parse("policy of "+on.Resource, on.ResourcePolicy)
	}
	request := policy.Request{Principal: policy.Principal{Kind: policy.KindService, Name: principal}, Action: on.Action, Resource: on.Resource,
		ResourceAccount: on.Owner, Context: context}
	decision := policy.Evaluate(request, own)
	if a.Options.OnDecision != nil {
		d := core.Decision{Request: request, Resource: on.ResourcePolicy, Answer: decision.Answer}
		if !on.AWSManagedKey {
			d.RCPs = a.ResourceControlTexts(on.Owner)
		}
		a.Options.OnDecision(d)
	}
	if decision.Answer == policy.Allowed {
		return nil
	}
	why := " because no resource-based policy allows the " + on.Action + " action"
	if decision.Answer == policy.ExplicitlyDenied {
		why = " with an explicit deny in a " + string(decision.Decided[0].Type)
	}
	return &core.Error{Code: "AccessDenied", Status: 403, Message: principal + " is not authorized to perform: " + on.Action + " on resource: " + on.Resource + why}
}

// serviceRole is the session an AWS service has when it assumes a role that trusts it. The state lock must be held.
func serviceRole(a *core.AWS, principal, roleARN, source string) (core.Caller, error) {
	account, role, err := trusting(a, principal, roleARN, source)
	if err != nil {
		return core.Caller{}, err
	}
	return core.RoleCaller(account, role, a.Letters(32, "0123456789abcdef")), nil
}

// ServiceRole is the session that a service of another room has when it assumes a role that trusts it, for the sake of a
// resource. The state lock must be held.
func ServiceRole(a *core.AWS, principal, roleARN, source string) (core.Caller, error) {
	return serviceRole(a, principal, roleARN, source)
}

// trusting finds a role that an AWS service may assume.
func trusting(a *core.AWS, principal, roleARN, source string) (account string, role *core.Identity, err error) {
	if account, role = a.RoleByARN(roleARN); role == nil {
		return "", nil, &core.Error{Code: "AccessDenied", Status: 403, Message: principal + " is not authorized to perform: sts:AssumeRole on resource: " + roleARN}
	}
	err = permit(a, principal, source, core.Access{Action: "sts:AssumeRole", Resource: roleARN, ResourcePolicy: role.Trust, Owner: account})
	return account, role, err
}

// eventBusInvocation tells an event that a rule forwards from one that somebody puts on a bus by a call.
// Source: Service Authorization Reference, Amazon EventBridge, condition keys.
const eventBusInvocation = "events:eventBusInvocation"

// toBus sends the event on to a bus of another account or Region, or beside this one, as the target's role.
func (d eventDelivery) toBus() error {
	p, name, _ := busOfARN(d.aws, d.target.Arn)
	b, ok := busesAt(d.aws, p).buses[name]
	if !ok {
		return noSuchBus(name)
	}
	who := core.Caller{Service: eventsPrincipal}
	if d.target.RoleArn != "" {
		var err error
		if who, err = serviceRole(d.aws, eventsPrincipal, d.target.RoleArn, d.ruleARN); err != nil {
			return err
		}
	}
	c := &core.Call{AWS: d.aws, Location: d.Location, Service: "events", Operation: "PutEvents", Now: d.aws.Options.Now().UTC(), Caller: who}
	on := core.Access{Action: "events:PutEvents", Resource: d.target.Arn, ResourcePolicy: b.policy(), Owner: p.Account,
		Context: map[string][]string{"aws:SourceArn": {d.ruleARN}, "aws:SourceAccount": {d.Account}, eventBusInvocation: {"true"}}}
	if err := c.Authorize(on); err != nil {
		return err
	}
	putOn(d.aws, busEvent{Location: p, bus: name, foreign: d.foreign || p.Account != d.Account, event: d.event})
	return nil
}

// fail keeps an event that could not be handed over in the target's dead-letter queue, if it has one.
func (d eventDelivery) fail(code string, err error) {
	stats := &transitOf(d.aws).stats
	q, ok := queueByARN(d.aws, d.target.DeadLetterConfig.Arn)
	if !ok {
		stats.Undeliverable++
		return
	}
	body, _ := json.Marshal(d.event) // decoded from JSON
	attributes := map[string]messageAttribute{}
	for name, value := range map[string]string{"RULE_ARN": d.ruleARN, "TARGET_ARN": d.target.Arn, "ERROR_CODE": code,
		"ERROR_MESSAGE": err.Error(), "RETRY_ATTEMPTS": "0"} {
		attributes[name] = messageAttribute{DataType: "String", StringValue: &value}
	}
	if sendAs(d.aws, eventsPrincipal, d.ruleARN, q, sendInput{MessageBody: string(body), MessageAttributes: attributes}) != nil {
		stats.Undeliverable++
		return
	}
	stats.DeadLettered++
}

// input is what the target gets: the event, a part of it, a constant, or a template filled from it.
func (d eventDelivery) input() (string, error) {
	t := d.target
	switch {
	case t.Input != "":
		return t.Input, nil
	case t.InputTransformer != nil:
		return d.transform(*t.InputTransformer)
	case t.InputPath != "":
		part, ok := jsonPath(d.event, t.InputPath)
		if !ok {
			return "", fmt.Errorf("no %s in the event", t.InputPath)
		}
		return encode(part)
	}
	return encode(d.event)
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// jsonPath follows $.a.b; EventBridge's paths with brackets are not known here.
func jsonPath(event map[string]any, path string) (any, bool) {
	var value any = event
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, false
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(rest, "."), ".") {
		if step == "" {
			continue
		}
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[step]; !ok {
			return nil, false
		}
	}
	return value, true
}

// transform fills <name> in a template: inside quotes with text, elsewhere with JSON.
func (d eventDelivery) transform(t inputTransformer) (string, error) {
	values := map[string]any{"aws.events.event": d.event, "aws.events.event.json": d.event, "aws.events.rule-arn": d.ruleARN,
		"aws.events.rule-name": d.rule.name, "aws.events.event.ingestion-time": d.aws.Options.Now().UTC().Format(time.RFC3339)}
	for name, path := range t.InputPathsMap {
		values[name], _ = jsonPath(d.event, path)
	}
	var out strings.Builder
	rest, quoted := t.InputTemplate, false
	for rest != "" {
		if name, after, ok := placeholder(rest); ok {
			if value, known := values[name]; known {
				text, err := fill(value, quoted)
				if err != nil {
					return "", err
				}
				out.WriteString(text)
				rest = after
				continue
			}
		}
		if rest[0] == '"' && !strings.HasSuffix(out.String(), `\`) {
			quoted = !quoted
		}
		out.WriteByte(rest[0])
		rest = rest[1:]
	}
	return out.String(), nil
}

func placeholder(text string) (name, after string, ok bool) {
	if text[0] != '<' {
		return "", "", false
	}
	return strings.Cut(text[1:], ">")
}

func fill(value any, quoted bool) (string, error) {
	text, err := encode(value)
	if err != nil || !quoted {
		return text, err
	}
	if s, ok := value.(string); ok {
		text, err = encode(s)
		return text[1 : len(text)-1], err
	}
	text, err = encode(text)
	return text[1 : len(text)-1], err
}
