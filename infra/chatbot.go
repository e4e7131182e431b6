package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awschatbot"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// newChatbot lets Amazon Q Developer carry topics into Slack: one topic into the channel that gets everything, with the
// alarms about Doublelock itself, and a topic into each channel of an owner. Amazon Q makes one subscription of a topic
// for all channels, so that a filter by owner is not possible. A person authorizes the Slack workspace once, in the
// console. The channels can run nothing: their role has no policy, and the guardrail denies what a role could.
func newChatbot(scope constructs.Construct, row channels.Channel, p channelParts) {
	addresses := ownersAt(p.config, row.Field.Name)
	overview := p.config.Overview()[row.Field.Name]
	if overview == "" && len(addresses) == 0 {
		return
	}
	b := bot{scope, p, newRole(scope, "ChatRole", role{
		Name: "doublelock-chat", Description: "Amazon Q Developer shows Doublelock's messages in Slack",
		Trust: trust("Service", p.names.principal("chatbot"), preventive.Condition{"StringEquals": {"aws:SourceAccount": {p.names.account}}}),
	}).AttrArn()}
	carrier := row.Carrier.Chatbot
	if overview != "" {
		topic := newTopic(scope, topicID(carrier.Topic), carrier.Topic, p.key, p.names)
		b.show("Chat", settings.HubName, overview, topic.Ref(), p.operations)
	}
	for _, address := range slices.Sorted(maps.Keys(addresses)) {
		if address != overview {
			topic := newTopic(scope, topicID(carrier.Topic)+"-"+address, carrier.TopicFor(carrier.Topic, address), p.key, p.names)
			b.show("Chat-"+address, settings.HubName+"-"+address, address, topic.Ref())
		}
	}
}

// bot is Amazon Q Developer with the role of its channels.
type bot struct {
	scope constructs.Construct
	parts channelParts
	role  *string
}

// show carries topics into a Slack channel.
func (b bot) show(id, name, channel string, topics ...*string) {
	arns := make([]any, 0, len(topics))
	for _, topic := range topics {
		arns = append(arns, topic)
	}
	awschatbot.NewCfnSlackChannelConfiguration(b.scope, jsii.String(id), &awschatbot.CfnSlackChannelConfigurationProps{
		ConfigurationName: jsii.String(name),
		SlackWorkspaceId:  jsii.String(b.parts.config.Owners.SlackWorkspace),
		SlackChannelId:    jsii.String(channel),
		IamRoleArn:        b.role,
		GuardrailPolicies: jsii.Strings(b.parts.names.partition.New("iam", "", "aws", "policy/AWSDenyAll").String()),
		LoggingLevel:      jsii.String("ERROR"),
		SnsTopicArns:      &arns,
		UserRoleRequired:  false,
	})
}
