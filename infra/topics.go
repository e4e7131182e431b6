package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/doublelock/doublelock/shared/settings"
)

// topics are the ARNs of the hub's three topics: one for e-mail text, one in Amazon Q Developer's schema (one topic
// cannot feed both), one for alarms about Doublelock itself.
type topics struct{ owners, chat, operations *string }

// newTopics makes the topics and subscribes the addresses of the configuration. An owner hears what is theirs.
func newTopics(scope constructs.Construct, c settings.Config, key awskms.CfnKey, n names) topics {
	owners := newTopic(scope, "OwnersTopic", settings.TopicOwners, key, n)
	chat := newTopic(scope, "ChatTopic", settings.TopicChat, key, n)
	operations := newTopic(scope, "OperationsTopic", settings.TopicOperations, key, n, alarmsMayPublish(n, settings.TopicOperations))
	for _, owner := range slices.Sorted(maps.Keys(c.Owners.Channels)) {
		if address := c.Owners.Channels[owner].Email; address != "" {
			newEmail(scope, "Email-"+owner, owners, address, map[string]any{attributeOwner: []string{owner}})
		}
	}
	if address := operator(c); address != "" {
		newEmail(scope, "OperationsEmail", operations, address, nil)
	}
	return topics{owners.Ref(), chat.Ref(), operations.Ref()}
}

// attributeOwner is the message attribute by which a subscription picks its owner's messages.
const attributeOwner = "owner"

// operator is who hears alarms about Doublelock itself: who runs it, else the owner of what nobody owns.
func operator(c settings.Config) string {
	if c.Operations.Email != "" {
		return c.Operations.Email
	}
	return c.Owners.Channels[c.Owners.Fallback].Email
}
