package messaging

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

// snsStore is Amazon SNS in one account and Region.
type snsStore struct{ topics map[string]*topic }

func newSNSStore() *snsStore { return &snsStore{topics: map[string]*topic{}} }

func topicsAt(a *core.AWS, at core.Location) *snsStore { return core.Regional(a, at, newSNSStore) }

type topic struct {
	core.Location
	name          string
	attributes    map[string]string
	subscriptions []*subscription
}

// subscription is confirmed as soon as it is made: there is nobody here to click a link.
type subscription struct {
	arn, protocol, endpoint, owner string

	attributes map[string]string
	filter     *pattern.Pattern // nil: everything
	byBody     bool             // the filter looks at the message's JSON instead of its attributes
	raw        bool
}

func snsOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateTopic":              createTopic,
		"DeleteTopic":              deleteTopic,
		"ListTopics":               listTopics,
		"SetTopicAttributes":       onTopic(setTopicAttributes),
		"Subscribe":                onTopic(subscribe),
		"Unsubscribe":              unsubscribe,
		"ListSubscriptionsByTopic": onTopic(listSubscriptionsByTopic),
		"Publish":                  onTopic(publish),
	}
}

// snsAccess names the topic a call is about and lets its policy speak.
func snsAccess(c *core.Call) (core.Access, error) {
	asked := c.Form.Get("TopicArn") + c.Form.Get("TargetArn")
	if name := c.Form.Get("Name"); asked == "" && name != "" {
		asked = topicARN(c.Location, name)
	}
	if sub := c.Form.Get("SubscriptionArn"); asked == "" && sub != "" {
		asked = topicOf(c.AWS, sub)
	}
	if asked == "" {
		return core.Access{Resource: "*"}, nil
	}
	on := core.Access{Resource: asked, Owner: arn.Of(asked).Account}
	if t, ok := topicByARN(c.AWS, asked); ok {
		on.ResourcePolicy = t.attributes["Policy"]
	}
	return on, nil
}

func topicARN(p core.Location, name string) string {
	return p.ARN("sns", name)
}

func (t *topic) arn() string { return topicARN(t.Location, t.name) }

// topicByARN finds a topic anywhere. The state lock must be held.
func topicByARN(a *core.AWS, topicARN string) (*topic, bool) {
	at, name, ok := a.Locate(topicARN, "sns")
	if !ok {
		return nil, false
	}
	t, ok := topicsAt(a, at).topics[name]
	return t, ok
}

// topicOf is the ARN of the topic of a subscription; "" for what is no subscription's ARN.
func topicOf(a *core.AWS, subscriptionARN string) string {
	at, resource, ok := a.Locate(subscriptionARN, "sns")
	name, _, isSubscription := strings.Cut(resource, ":")
	if !ok || !isSubscription {
		return ""
	}
	return topicARN(at, name)
}

func onTopic(run func(*core.Call, *topic) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		t, ok := topicByARN(c.AWS, c.Form.Get("TopicArn")+c.Form.Get("TargetArn"))
		if !ok {
			return nil, &core.Error{Code: "NotFound", Message: "Topic does not exist", Status: 404}
		}
		return run(c, t)
	}
}

func snsInvalid(message string) error {
	return &core.Error{Code: "InvalidParameter", Message: "Invalid parameter: " + message}
}

func createTopic(c *core.Call) (any, error) {
	var in struct {
		Name       string
		Attributes map[string]string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !ruleName.MatchString(strings.ReplaceAll(in.Name, "_", "-")) && len(in.Name) <= 64 || len(in.Name) > 256 || strings.Contains(in.Name, ".") {
		return nil, snsInvalid("Topic Name")
	}
	topics := topicsAt(c.AWS, c.Location).topics
	t, ok := topics[in.Name]
	if !ok {
		t = &topic{Location: c.Location, name: in.Name, attributes: map[string]string{}}
		topics[in.Name] = t
	}
	maps.Copy(t.attributes, in.Attributes)
	return struct{ TopicArn string }{t.arn()}, nil
}

func deleteTopic(c *core.Call) (any, error) {
	if t, ok := topicByARN(c.AWS, c.Form.Get("TopicArn")); ok {
		delete(topicsAt(c.AWS, t.Location).topics, t.name)
	}
	return nil, nil
}

type topicMember struct{ TopicArn string }

func listTopics(c *core.Call) (any, error) {
	var out struct {
		Topics []topicMember `xml:"Topics>member"`
	}
	topics := topicsAt(c.AWS, c.Location).topics
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		out.Topics = append(out.Topics, topicMember{topics[name].arn()})
	}
	return out, nil
}

func setTopicAttributes(c *core.Call, t *topic) (any, error) {
	var in struct{ AttributeName, AttributeValue string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.AttributeName == "Policy" && !json.Valid([]byte(in.AttributeValue)) {
		return nil, snsInvalid("Policy Error: null")
	}
	t.attributes[in.AttributeName] = in.AttributeValue
	return nil, nil
}
