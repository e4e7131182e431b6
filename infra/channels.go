package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// channelParts are what the carriers of channels stand on.
type channelParts struct {
	config     settings.Config
	names      names
	key        awskms.CfnKey
	bus        awsevents.CfnEventBus
	operations *string // topic of alarms about Doublelock itself
}

// newChannels makes what carries the messages of each channel.
func newChannels(scope awscdk.Stack, deployed []channels.Channel, p channelParts) {
	for _, row := range deployed {
		switch {
		case row.Carrier.Subscriptions != nil:
			newSubscriptions(scope, row, p)
		case row.Carrier.Chatbot != nil:
			newChatbot(scope, row, p)
		case row.Carrier.Destination != nil:
			newDestination(scope, *row.Carrier.Destination, p)
		}
	}
}

// target is where the functions send the messages of a channel.
func target(row channels.Channel, n names) string {
	switch {
	case row.Carrier.Subscriptions != nil:
		return n.topic(row.Carrier.Subscriptions.Topic)
	case row.Carrier.Chatbot != nil:
		return n.topic(row.Carrier.Chatbot.Topic)
	default:
		return settings.HubName // its bus
	}
}

// maySend are the rights to send by every channel.
func maySend(deployed []channels.Channel, n names) []preventive.Statement {
	var topics []string
	posts := false
	for _, row := range deployed {
		switch {
		case row.Carrier.Subscriptions != nil:
			topics = append(topics, target(row, n))
		case row.Carrier.Chatbot != nil:
			topics = append(topics, target(row, n), row.Carrier.Chatbot.TopicFor(target(row, n), "*"))
		default:
			posts = true
		}
	}
	slices.Sort(topics)
	may := []preventive.Statement{allow("Topics", []string{"sns:Publish"}, topics, nil)}
	if posts {
		may = append(may, mayPublish("Posts", n))
	}
	return may
}

// newSubscriptions makes a topic, and a subscription for each address that takes the messages of its owners.
func newSubscriptions(scope constructs.Construct, row channels.Channel, p channelParts) {
	carrier := row.Carrier.Subscriptions
	topic := newTopic(scope, topicID(carrier.Topic), carrier.Topic, p.key, p.names)
	owners := ownersAt(p.config, row.Field.Name)
	ids := subscriptionIDs(titled(row.Name), owners)
	for _, address := range slices.Sorted(maps.Keys(owners)) {
		newSubscription(scope, ids[owners[address][0]], topic, carrier.Protocol, address, map[string]any{channels.AttributeOwner: owners[address]})
	}
}

// ownersAt lists the owners of each address: SNS takes one subscription of an address to a topic.
func ownersAt(c settings.Config, field string) map[string][]string {
	owners := map[string][]string{}
	for _, owner := range slices.Sorted(maps.Keys(c.Owners.Channels)) {
		if address := c.Owners.Channels[owner][field]; address != "" {
			owners[address] = append(owners[address], owner)
		}
	}
	return owners
}

// subscriptionIDs names the subscription of each address by its first owner. CloudFormation takes letters and digits only, so
// that team-a and team.a look the same to it: of those that do, the first in the order of the alphabet has the plain id, as it
// has always been, the others a suffix from a hash of their name. An id that changed would make a new subscription, which
// a person has to confirm again.
func subscriptionIDs(prefix string, owners map[string][]string) map[string]string {
	var firsts []string
	for _, list := range owners {
		firsts = append(firsts, list[0])
	}
	slices.Sort(firsts)
	ids, taken := map[string]string{}, map[string]bool{}
	for _, owner := range firsts {
		ids[owner] = prefix + "-" + owner
		if plain := lettersAndDigits(owner); taken[plain] {
			ids[owner] += "-" + shortHash(owner)
		} else {
			taken[plain] = true
		}
	}
	return ids
}

// topicID is the id of a topic: OwnersTopic of doublelock-owners.
func topicID(name string) string {
	return titled(strings.TrimPrefix(name, settings.HubName+"-")) + "Topic"
}

func titled(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// operator is the address of alarms about Doublelock itself: who runs it, else the owner of what nobody owns.
func operator(c settings.Config) string {
	return orElse(c.Operations.Email, c.Owners.Channels[c.Owners.Fallback][channels.Email().Name])
}

// newOperationsTopic makes the topic of alarms about Doublelock itself.
func newOperationsTopic(scope constructs.Construct, c settings.Config, key awskms.CfnKey, n names) *string {
	topic := newTopic(scope, "OperationsTopic", settings.TopicOperations, key, n, alarmsMayPublish(n, settings.TopicOperations))
	if address := operator(c); address != "" {
		newSubscription(scope, "OperationsEmail", topic, "email", address, nil)
	}
	return jsii.String(*topic.Ref())
}
