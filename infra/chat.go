package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awschatbot"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// newChat lets Amazon Q Developer carry the chat and operations topics into a Slack channel. A person authorizes the
// Slack workspace once, in the console. The channel can run nothing: its role has no policy, and its guardrail
// denies what a role could.
func newChat(scope constructs.Construct, c settings.Config, n names, t topics) {
	channel := slackChannel(c)
	if channel == "" {
		return
	}
	role := newRole(scope, "ChatRole", role{
		Name: "doublelock-chat", Description: "Amazon Q Developer shows Doublelock's messages in Slack",
		Trust: trust("Service", "chatbot.amazonaws.com", preventive.Condition{"StringEquals": {"aws:SourceAccount": {n.account}}}),
	})
	awschatbot.NewCfnSlackChannelConfiguration(scope, jsii.String("Chat"), &awschatbot.CfnSlackChannelConfigurationProps{
		ConfigurationName: jsii.String("doublelock"),
		SlackWorkspaceId:  jsii.String(c.Owners.SlackWorkspace),
		SlackChannelId:    jsii.String(channel),
		IamRoleArn:        role.AttrArn(),
		GuardrailPolicies: jsii.Strings("arn:" + n.partition + ":iam::aws:policy/AWSDenyAll"),
		LoggingLevel:      jsii.String("ERROR"),
		SnsTopicArns:      &[]any{t.chat, t.operations},
		UserRoleRequired:  false,
	})
}

// slackChannel is the channel that hears everything: the operators' own, else that of the fallback owner. Without a
// workspace there is none.
func slackChannel(c settings.Config) string {
	if c.Owners.SlackWorkspace == "" {
		return ""
	}
	return orElse(c.Operations.SlackChannel, c.Owners.Channels[c.Owners.Fallback].SlackChannel)
}
