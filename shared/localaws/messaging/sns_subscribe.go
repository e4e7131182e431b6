package messaging

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

// Limits of filter policies (SNS Developer Guide, "Filter policy constraints").
const (
	maxFilterKeys         = 5
	maxFilterCombinations = 150
)

var snsProtocols = []string{"sqs", "email", "email-json", "lambda", "https", "http", "sms"}

func subscribe(c *core.Call, t *topic) (any, error) {
	var in struct {
		Protocol, Endpoint string
		Attributes         map[string]string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains(snsProtocols, in.Protocol) {
		return nil, snsInvalid("Does not support this protocol string: " + in.Protocol)
	}
	if strings.HasPrefix(in.Protocol, "email") && !strings.Contains(in.Endpoint, "@") || in.Endpoint == "" {
		return nil, snsInvalid("Email address")
	}
	for _, old := range t.subscriptions {
		if old.protocol == in.Protocol && old.endpoint == in.Endpoint {
			return sameSubscription(old, in.Attributes)
		}
	}
	made := &subscription{arn: t.arn() + ":" + c.AWS.UUID(), protocol: in.Protocol, endpoint: in.Endpoint, owner: c.Account,
		attributes: map[string]string{}}
	if err := made.configure(in.Attributes); err != nil {
		return nil, err
	}
	t.subscriptions = append(t.subscriptions, made)
	return struct{ SubscriptionArn string }{made.arn}, nil
}

func sameSubscription(old *subscription, attributes map[string]string) (any, error) {
	for name, value := range attributes {
		if old.attributes[name] != value {
			return nil, snsInvalid("Attributes Reason: Subscription already exists with different attributes")
		}
	}
	return struct{ SubscriptionArn string }{old.arn}, nil
}

// configure sets attributes, the filter among them, or changes nothing.
func (s *subscription) configure(attributes map[string]string) error {
	next := maps.Clone(s.attributes)
	maps.Copy(next, attributes)
	filter, err := compileFilter(next["FilterPolicy"])
	if err != nil {
		return err
	}
	switch scope := next["FilterPolicyScope"]; scope {
	case "", "MessageAttributes", "MessageBody":
	default:
		return snsInvalid("FilterPolicyScope: Invalid value [" + scope + "]. Please use either MessageBody or MessageAttributes")
	}
	s.attributes, s.filter = next, filter
	s.byBody, s.raw = next["FilterPolicyScope"] == "MessageBody", next["RawMessageDelivery"] == "true"
	return nil
}

// compileFilter reads a filter policy: the language of event patterns, with limits of its own.
func compileFilter(text string) (*pattern.Pattern, error) {
	if text == "" || text == "{}" {
		return nil, nil
	}
	var decoded map[string]any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		return nil, snsInvalid("FilterPolicy: failed to parse JSON.")
	}
	keys, combinations := complexity(decoded)
	if keys > maxFilterKeys {
		return nil, snsInvalid("FilterPolicy: Filter policy can not have more than 5 keys")
	}
	if combinations > maxFilterCombinations {
		return nil, snsInvalid("FilterPolicy: Filter policy is too complex")
	}
	filter, err := pattern.Compile([]byte(text))
	if err != nil {
		return nil, snsInvalid("FilterPolicy: " + err.Error())
	}
	return filter, nil
}

// complexity counts the leaf keys and multiplies the lengths of their lists.
func complexity(object map[string]any) (keys, combinations int) {
	combinations = 1
	for _, value := range object {
		switch v := value.(type) {
		case map[string]any:
			k, n := complexity(v)
			keys, combinations = keys+k, combinations*n
		case []any:
			keys, combinations = keys+1, combinations*max(1, len(v))
		}
	}
	return keys, combinations
}

// passes reports whether the subscription wants a message.
func (s *subscription) passes(m notification) bool {
	if s.filter == nil {
		return true
	}
	if !s.byBody {
		return s.filter.Match(m.filterable())
	}
	var body map[string]any
	if json.Unmarshal([]byte(m.text("default")), &body) != nil {
		return false
	}
	return s.filter.Match(body)
}

func unsubscribe(c *core.Call) (any, error) {
	asked := c.Form.Get("SubscriptionArn")
	if t, ok := topicByARN(c.AWS, topicOf(c.AWS, asked)); ok {
		t.subscriptions = slices.DeleteFunc(t.subscriptions, func(s *subscription) bool { return s.arn == asked })
	}
	return nil, nil
}

type subscriptionMember struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

func listSubscriptionsByTopic(_ *core.Call, t *topic) (any, error) {
	var out struct {
		Subscriptions []subscriptionMember `xml:"Subscriptions>member"`
	}
	for _, s := range t.subscriptions {
		out.Subscriptions = append(out.Subscriptions, subscriptionMember{s.arn, s.owner, s.protocol, s.endpoint, t.arn()})
	}
	return out, nil
}
