package channels

import (
	"regexp"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify"
)

// AttributeOwner is the message attribute by which a subscription picks the messages of its owner: notify.Owner.Route.
const AttributeOwner = "owner"

// Channel is one way to reach people.
type Channel struct {
	Name       string // in logs, and part of what is remembered of a delivery: it stays as it is
	Field      Field  // where doublelock.yaml says how an owner is reached
	Needs      Setting
	Partitions []arn.Partition // where AWS has what carries it; empty is everywhere
	Limit      int             // of different addresses; 0 is none
	LimitWhy   string          // half a sentence
	Env        string          // variable of the functions that says where to send: a topic's ARN, or the name of a bus
	Carrier    Carrier
	// Render writes the body of a message for one address; to is "" where the carrier knows the addresses. Its subject is
	// the message's own.
	Render func(m notify.Message, to string) (string, error)
	// Whole reports that what Render writes names every resource that the message is about. What is no whole is divided.
	Whole func(m notify.Message, to string) bool
}

// Field is a field of an owner in doublelock.yaml. Several channels may reach the same address.
type Field struct {
	Name    string
	About   string // its description in the JSON Schema
	What    string // with its article: "a Slack channel id"
	Example string
	Pattern string            // a regular expression; "" is none
	Format  string            // of the JSON Schema, such as "email"; "" is none
	Valid   func(string) bool // besides the pattern; nil is always
	// Overview says that one address gets the messages of everybody: the field of this name under operations, else the
	// one of the fallback owner.
	Overview bool
}

// Fits reports whether an address looks like one of the field.
func (f Field) Fits(address string) bool {
	return (f.Pattern == "" || regexp.MustCompile(f.Pattern).MatchString(address)) && (f.Valid == nil || f.Valid(address))
}

// Setting is a setting of the whole organization that deploys a channel. The zero Setting is no condition.
type Setting struct {
	Path    string // in doublelock.yaml
	Missing string // what needs it, in the plural: "Slack channels"
	Fix     string
}

// Carrier is what carries the messages of a channel. One of its fields is set.
type Carrier struct {
	Subscriptions *Subscriptions
	Chatbot       *Chatbot
	Destination   *Destination
}

// Subscriptions are one SNS topic; each address is a subscription that filters by AttributeOwner.
type Subscriptions struct {
	Topic    string // its name
	Protocol string // of SNS: email, https, …
}

// Chatbot is Amazon Q Developer in chat applications. It takes all that is sent to a topic, for which it makes the one
// subscription, so that an address has a topic of its own: Topic-ADDRESS. The topic named Topic is the overview's.
type Chatbot struct{ Topic string }

// TopicFor is the name or ARN of the topic of an address, from that of the overview; to is "" for the overview.
func (Chatbot) TopicFor(overview, to string) string {
	if to == "" {
		return overview
	}
	return overview + "-" + to
}

// Destination is an EventBridge API destination: it posts the detail of our events, with a token that EventBridge keeps.
type Destination struct {
	Name       string // of the connection, destination, role and rule
	DetailType string // of the events that are posted
	URL        string
	Parameter  string // of the deployment that takes the token, never shown
	About      string // of that parameter
	Header     string // that carries the token
	Prefix     string // before the token
	PerSecond  int    // calls at most
}

// On reports whether a channel is deployed: settings holds the settings of the organization by path, "" where they are off.
func (c Channel) On(partition arn.Partition, settings map[string]string) bool {
	return c.In(partition) && (c.Needs.Path == "" || settings[c.Needs.Path] != "")
}

// In reports whether the partition has what carries the channel.
func (c Channel) In(partition arn.Partition) bool {
	return len(c.Partitions) == 0 || slices.Contains(c.Partitions, partition)
}

// Fields lists the fields of channels, each once, in the order of the list.
func Fields(list []Channel) []Field {
	var fields []Field
	for _, c := range list {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == c.Field.Name }) {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// Reach is the part of an owner's addresses that deployed channels carry; empty means that nothing reaches the owner.
func Reach(deployed []Channel, addresses map[string]string) notify.Address {
	reached := notify.Address{}
	for _, f := range Fields(deployed) {
		if address := addresses[f.Name]; address != "" {
			reached[f.Name] = address
		}
	}
	return reached
}
