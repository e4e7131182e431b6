package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

const slackAPI = "doublelock-slack-api"

// newSlackAPI posts notices with Slack's chat.postMessage, for organizations that do not use Amazon Q Developer. The
// token is a parameter of the deployment; EventBridge keeps it as a secret under the hub's key and is the only one
// that reads it. Slack answers 200 to a message it refuses, so a wrong token shows in Slack's own log, not here.
func newSlackAPI(scope awscdk.Stack, c settings.Config, n names, key awskms.CfnKey, bus awsevents.CfnEventBus) {
	channel := slackChannel(c)
	if !c.Operations.SlackAPI || channel == "" {
		return
	}
	token := awscdk.NewCfnParameter(scope, jsii.String("SlackToken"), &awscdk.CfnParameterProps{
		NoEcho: jsii.Bool(true), MinLength: jsii.Number(1), Description: jsii.String("Slack bot token with chat:write, xoxb-…"),
	})
	connection := awsevents.NewCfnConnection(scope, jsii.String("SlackConnection"), &awsevents.CfnConnectionProps{
		Name: jsii.String(slackAPI), AuthorizationType: jsii.String("API_KEY"), KmsKeyIdentifier: key.AttrArn(),
		AuthParameters: awsevents.CfnConnection_AuthParametersProperty{ApiKeyAuthParameters: awsevents.CfnConnection_ApiKeyAuthParametersProperty{
			ApiKeyName: jsii.String("Authorization"), ApiKeyValue: jsii.String("Bearer " + *token.ValueAsString()),
		}},
	})
	destination := awsevents.NewCfnApiDestination(scope, jsii.String("SlackDestination"), &awsevents.CfnApiDestinationProps{
		Name: jsii.String(slackAPI), ConnectionArn: connection.AttrArn(), HttpMethod: jsii.String("POST"),
		InvocationEndpoint: jsii.String("https://slack.com/api/chat.postMessage"), InvocationRateLimitPerSecond: jsii.Number(1),
	})
	role := newRole(scope, "SlackRole", role{
		Name: slackAPI, Description: "EventBridge posts Doublelock's notices to Slack",
		Trust: trust("Service", "events.amazonaws.com", preventive.Condition{"StringEquals": {"aws:SourceAccount": {n.account}}}),
		May:   []preventive.Statement{allow("Post", []string{"events:InvokeApiDestination"}, []string{*destination.AttrArn()}, nil)},
	})
	dead := newQueue(scope, "SlackDeadLetters", slackAPI+"-dlq", deadLetters(key), n)
	newRule(scope, slackRule(n), bus.Ref(), awsevents.CfnRule_TargetProperty{
		Id: jsii.String("slack"), Arn: destination.AttrArn(), RoleArn: role.AttrArn(),
		InputTransformer: slackText(channel),
		DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.AttrArn()},
	})
}

// slackRule matches the notices that a person is told.
func slackRule(n names) trail.Rule {
	pattern := notices(n)
	pattern["detail"] = map[string]any{"decision": map[string]any{"tell": []bool{true}}}
	return trail.Rule{Name: slackAPI, Description: "Notices, to be posted to Slack", Pattern: pattern}
}

// slackText makes the message out of the fields of a notice that cannot hold a quotation mark: EventBridge fills them
// into the JSON as they are.
func slackText(channel string) awsevents.CfnRule_InputTransformerProperty {
	fields := map[string]*string{}
	for _, name := range []string{"kind", "name", "account", "region", "state"} {
		fields[name] = jsii.String("$.detail." + name)
	}
	template := `{"channel":"` + channel + `","text":"<kind>: <name> in <account> <region> is <state>"}`
	return awsevents.CfnRule_InputTransformerProperty{InputPathsMap: fields, InputTemplate: jsii.String(template)}
}
