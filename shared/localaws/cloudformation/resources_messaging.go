package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
)

func queueMakers() map[string]maker {
	return map[string]maker{"AWS::SQS::Queue": makeQueue, "AWS::SQS::QueuePolicy": makeQueuePolicy}
}

// attributes collects the attributes that were set, as SQS and SNS take them: text by name.
type attributes map[string]string

func (a attributes) text(name string, value jsonText) {
	if value != "" {
		a[name] = string(value)
	}
}

func (a attributes) number(name string, value *number) {
	if value != nil {
		a[name] = value.String()
	}
}

func (a attributes) truth(name string, value *truth) {
	if value != nil {
		a[name] = fmt.Sprint(bool(*value))
	}
}

type queueProperties struct {
	QueueName                                               string
	DelaySeconds, VisibilityTimeout, MessageRetentionPeriod *number
	MaximumMessageSize, ReceiveMessageWaitTimeSeconds       *number
	KmsDataKeyReusePeriodSeconds                            *number
	KmsMasterKeyId, RedrivePolicy, RedriveAllowPolicy       jsonText //nolint:revive // AWS's own names
	SqsManagedSseEnabled                                    *truth
	Tags                                                    ignored
}

func makeQueue(_ context.Context, c *creation) (made, error) {
	var p queueProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	set := attributes{}
	set.number("DelaySeconds", p.DelaySeconds)
	set.number("VisibilityTimeout", p.VisibilityTimeout)
	set.number("MessageRetentionPeriod", p.MessageRetentionPeriod)
	set.number("MaximumMessageSize", p.MaximumMessageSize)
	set.number("ReceiveMessageWaitTimeSeconds", p.ReceiveMessageWaitTimeSeconds)
	set.number("KmsDataKeyReusePeriodSeconds", p.KmsDataKeyReusePeriodSeconds)
	set.text("KmsMasterKeyId", p.KmsMasterKeyId)
	set.text("RedrivePolicy", p.RedrivePolicy)
	set.text("RedriveAllowPolicy", p.RedriveAllowPolicy)
	set.truth("SqsManagedSseEnabled", p.SqsManagedSseEnabled)
	name := c.nameOr(p.QueueName, 80)
	out, err := c.call("sqs", "CreateQueue", map[string]any{"QueueName": name, "Attributes": set})
	if err != nil {
		return made{}, err
	}
	url := answer(out, "QueueUrl")
	c.onRemoval("sqs", "DeleteQueue", map[string]any{"QueueUrl": url})
	return made{id: url, attributes: map[string]any{"Arn": c.arn("sqs", name), "QueueName": name, "QueueUrl": url}}, nil
}

func makeQueuePolicy(_ context.Context, c *creation) (made, error) {
	var p struct {
		Queues         []string
		PolicyDocument jsonText
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	for _, url := range p.Queues {
		set := func(policy string) map[string]any {
			return map[string]any{"QueueUrl": url, "Attributes": attributes{"Policy": policy}}
		}
		if _, err := c.call("sqs", "SetQueueAttributes", set(string(p.PolicyDocument))); err != nil {
			return made{}, err
		}
		c.onRemoval("sqs", "SetQueueAttributes", set(""))
	}
	return made{id: c.nameOr("", 64)}, nil
}

func topicMakers() map[string]maker {
	return map[string]maker{
		"AWS::SNS::Topic": makeTopic, "AWS::SNS::TopicPolicy": makeTopicPolicy, "AWS::SNS::Subscription": makeSubscription,
	}
}

func makeTopic(_ context.Context, c *creation) (made, error) {
	var p struct {
		TopicName                       string
		DisplayName, KmsMasterKeyId     jsonText //nolint:revive // AWS's own names
		SignatureVersion, TracingConfig jsonText
		Subscription                    []struct{ Protocol, Endpoint string }
		Tags                            ignored
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	set := attributes{}
	set.text("DisplayName", p.DisplayName)
	set.text("KmsMasterKeyId", p.KmsMasterKeyId)
	set.text("SignatureVersion", p.SignatureVersion)
	set.text("TracingConfig", p.TracingConfig)
	name := c.nameOr(p.TopicName, 256)
	out, err := c.call("sns", "CreateTopic", map[string]any{"Name": name, "Attributes": set})
	if err != nil {
		return made{}, err
	}
	arn := answer(out, "TopicArn")
	c.onRemoval("sns", "DeleteTopic", map[string]any{"TopicArn": arn})
	for _, s := range p.Subscription {
		in := map[string]any{"TopicArn": arn, "Protocol": s.Protocol, "Endpoint": s.Endpoint, "ReturnSubscriptionArn": true}
		if _, err := c.call("sns", "Subscribe", in); err != nil {
			return made{}, err
		}
	}
	return made{id: arn, attributes: map[string]any{"TopicArn": arn, "TopicName": name}}, nil
}

func makeTopicPolicy(_ context.Context, c *creation) (made, error) {
	var p struct {
		Topics         []string
		PolicyDocument jsonText
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	for _, arn := range p.Topics {
		in := map[string]any{"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": string(p.PolicyDocument)}
		if _, err := c.call("sns", "SetTopicAttributes", in); err != nil {
			return made{}, err
		}
	}
	return made{id: c.nameOr("", 64)}, nil
}

func makeSubscription(_ context.Context, c *creation) (made, error) {
	var p struct {
		TopicArn, Protocol, Endpoint                   string //nolint:revive // AWS's own names
		FilterPolicy, FilterPolicyScope, RedrivePolicy jsonText
		DeliveryPolicy                                 jsonText
		RawMessageDelivery                             *truth
		Region                                         string
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	set := attributes{}
	set.text("FilterPolicy", p.FilterPolicy)
	set.text("FilterPolicyScope", p.FilterPolicyScope)
	set.text("RedrivePolicy", p.RedrivePolicy)
	set.text("DeliveryPolicy", p.DeliveryPolicy)
	set.truth("RawMessageDelivery", p.RawMessageDelivery)
	out, err := c.call("sns", "Subscribe", map[string]any{
		"TopicArn": p.TopicArn, "Protocol": p.Protocol, "Endpoint": p.Endpoint, "Attributes": set, "ReturnSubscriptionArn": true,
	})
	if err != nil {
		return made{}, err
	}
	arn := answer(out, "SubscriptionArn")
	c.onRemoval("sns", "Unsubscribe", map[string]any{"SubscriptionArn": arn})
	return made{id: arn, attributes: map[string]any{"Arn": arn}}, nil
}

func busMakers() map[string]maker {
	return map[string]maker{
		"AWS::Events::EventBus": makeEventBus, "AWS::Events::EventBusPolicy": makeEventBusPolicy, "AWS::Events::Rule": makeRule,
	}
}

func makeEventBus(_ context.Context, c *creation) (made, error) {
	var p struct {
		Name, Description, KmsKeyIdentifier string
		Policy                              jsonText
		DeadLetterConfig                    struct{ Arn string }
		LogConfig, Tags                     ignored
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	in := map[string]any{"Name": p.Name, "Description": p.Description}
	if p.KmsKeyIdentifier != "" {
		in["KmsKeyIdentifier"] = p.KmsKeyIdentifier
	}
	if p.DeadLetterConfig.Arn != "" {
		in["DeadLetterConfig"] = p.DeadLetterConfig
	}
	out, err := c.call("events", "CreateEventBus", in)
	if err != nil {
		return made{}, err
	}
	c.onRemoval("events", "DeleteEventBus", map[string]any{"Name": p.Name})
	if p.Policy != "" {
		if _, err := c.call("events", "PutPermission", map[string]any{"EventBusName": p.Name, "Policy": string(p.Policy)}); err != nil {
			return made{}, err
		}
	}
	return made{id: p.Name, attributes: map[string]any{"Name": p.Name, "Arn": answer(out, "EventBusArn")}}, nil
}

type busPolicyProperties struct {
	EventBusName, StatementId, Action, Principal string //nolint:revive // AWS's own names
	Statement                                    map[string]any
	Condition                                    *struct{ Key, Type, Value string }
}

// makeEventBusPolicy adds one statement to the bus's policy, as CloudFormation does; statements of others stay.
func makeEventBusPolicy(_ context.Context, c *creation) (made, error) {
	var p busPolicyProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	if err := need("StatementId", p.StatementId); err != nil {
		return made{}, err
	}
	if p.EventBusName == "" {
		p.EventBusName = "default"
	}
	in := map[string]any{"EventBusName": p.EventBusName, "StatementId": p.StatementId, "Action": p.Action, "Principal": p.Principal}
	if p.Condition != nil {
		in["Condition"] = p.Condition
	}
	if p.Statement != nil {
		policy, err := c.busPolicyWith(p)
		if err != nil {
			return made{}, err
		}
		in = map[string]any{"EventBusName": p.EventBusName, "Policy": policy}
	}
	if _, err := c.call("events", "PutPermission", in); err != nil {
		return made{}, err
	}
	c.onRemoval("events", "RemovePermission", map[string]any{"EventBusName": p.EventBusName, "StatementId": p.StatementId})
	return made{id: p.EventBusName + "|" + p.StatementId}, nil
}

func (c *creation) busPolicyWith(p busPolicyProperties) (string, error) {
	out, err := c.call("events", "DescribeEventBus", map[string]any{"Name": p.EventBusName})
	if err != nil {
		return "", err
	}
	var policy struct {
		Version   string
		Statement []map[string]any
	}
	if text := answer(out, "Policy"); text != "" {
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			return "", fmt.Errorf("read policy of bus %s: %w", p.EventBusName, err)
		}
	}
	policy.Version = "2012-10-17"
	p.Statement["Sid"] = p.StatementId
	policy.Statement = append(policy.Statement, p.Statement)
	raw, err := json.Marshal(policy)
	return string(raw), err
}

type ruleTarget struct {
	Arn              string                `json:",omitempty"` //nolint:revive // AWS's own names
	Id               string                `json:",omitempty"` //nolint:revive // AWS's own names
	RoleArn          string                `json:",omitempty"` //nolint:revive // AWS's own names
	Input            string                `json:",omitempty"`
	InputPath        string                `json:",omitempty"`
	InputTransformer *ruleTransformer      `json:",omitempty"`
	DeadLetterConfig *struct{ Arn string } `json:",omitempty"`
	RetryPolicy      *ruleRetry            `json:",omitempty"`
}

type ruleTransformer struct {
	InputPathsMap map[string]string `json:",omitempty"`
	InputTemplate string
}

type ruleRetry struct {
	MaximumEventAgeInSeconds *number `json:",omitempty"`
	MaximumRetryAttempts     *number `json:",omitempty"`
}

func makeRule(_ context.Context, c *creation) (made, error) {
	var p struct {
		Name, EventBusName, ScheduleExpression, State, Description, RoleArn string //nolint:revive // AWS's own names
		EventPattern                                                        jsonText
		Targets                                                             []ruleTarget
		Tags                                                                ignored
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	name := c.nameOr(p.Name, 64)
	in := map[string]any{"Name": name}
	for key, value := range map[string]string{
		"EventBusName": p.EventBusName, "ScheduleExpression": p.ScheduleExpression, "State": p.State,
		"Description": p.Description, "RoleArn": p.RoleArn, "EventPattern": string(p.EventPattern),
	} {
		if value != "" {
			in[key] = value
		}
	}
	out, err := c.call("events", "PutRule", in)
	if err != nil {
		return made{}, err
	}
	c.onRemoval("events", "DeleteRule", ruleCall(name, p.EventBusName, nil))
	if err := c.putTargets(name, p.EventBusName, p.Targets); err != nil {
		return made{}, err
	}
	id := name
	if p.EventBusName != "" && p.EventBusName != "default" {
		id = p.EventBusName + "|" + name
	}
	return made{id: id, attributes: map[string]any{"Arn": answer(out, "RuleArn")}}, nil
}

func (c *creation) putTargets(rule, bus string, targets []ruleTarget) error {
	if len(targets) == 0 {
		return nil
	}
	out, err := c.call("events", "PutTargets", ruleCall(rule, bus, map[string]any{"Targets": targets}))
	if err != nil {
		return err
	}
	if failed, _ := out["FailedEntries"].([]any); len(failed) > 0 {
		return wrong("Targets", fmt.Errorf("%v", failed[0]))
	}
	ids := make([]string, len(targets))
	for i, target := range targets {
		ids[i] = target.Id
	}
	c.onRemoval("events", "RemoveTargets", ruleCall(rule, bus, map[string]any{"Ids": ids}))
	return nil
}

// ruleCall names a rule; PutTargets and RemoveTargets call it Rule, DeleteRule Name.
func ruleCall(rule, bus string, more map[string]any) map[string]any {
	in := map[string]any{}
	if more == nil {
		in["Name"] = rule
	} else {
		in["Rule"] = rule
	}
	if bus != "" {
		in["EventBusName"] = bus
	}
	for key, value := range more {
		in[key] = value
	}
	return in
}
