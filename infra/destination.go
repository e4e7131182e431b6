package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// newDestination posts the messages that alert puts on the bus, each to the address that it names. The token is a
// parameter of the deployment; EventBridge keeps it as a secret under the hub's key and is the only one that reads it.
// Slack answers 200 to a message it refuses, so a wrong token shows in Slack's own log, not here.
func newDestination(scope awscdk.Stack, d channels.Destination, p channelParts) {
	id := strings.TrimSuffix(d.Parameter, "Token")
	token := awscdk.NewCfnParameter(scope, jsii.String(d.Parameter), &awscdk.CfnParameterProps{
		NoEcho: jsii.Bool(true), MinLength: jsii.Number(1), Description: jsii.String(d.About),
	})
	connection := awsevents.NewCfnConnection(scope, jsii.String(id+"Connection"), &awsevents.CfnConnectionProps{
		Name: jsii.String(d.Name), AuthorizationType: jsii.String("API_KEY"), KmsKeyIdentifier: p.key.AttrArn(),
		AuthParameters: awsevents.CfnConnection_AuthParametersProperty{ApiKeyAuthParameters: awsevents.CfnConnection_ApiKeyAuthParametersProperty{
			ApiKeyName: jsii.String(d.Header), ApiKeyValue: jsii.String(d.Prefix + *token.ValueAsString()),
		}},
	})
	destination := awsevents.NewCfnApiDestination(scope, jsii.String(id+"Destination"), &awsevents.CfnApiDestinationProps{
		Name: jsii.String(d.Name), ConnectionArn: connection.AttrArn(), HttpMethod: jsii.String("POST"),
		InvocationEndpoint: jsii.String(d.URL), InvocationRateLimitPerSecond: jsii.Number(d.PerSecond),
	})
	role := newRole(scope, id+"Role", role{
		Name: d.Name, Description: "EventBridge posts Doublelock's messages to " + d.URL,
		Trust: trust("Service", p.names.principal("events"), preventive.Condition{"StringEquals": {"aws:SourceAccount": {p.names.account}}}),
		May:   []preventive.Statement{allow("Post", []string{"events:InvokeApiDestination"}, []string{*destination.AttrArn()}, nil)},
	})
	dead := newQueue(scope, id+"DeadLetters", d.Name+"-dlq", deadLetters(p.key), p.names)
	newRule(scope, postRule(d, p.names), p.bus.Ref(), awsevents.CfnRule_TargetProperty{
		Id: jsii.String("post"), Arn: destination.AttrArn(), RoleArn: role.AttrArn(), InputPath: jsii.String("$.detail"),
		DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.AttrArn()},
	})
}

// postRule matches the messages for one destination. The account is the hub's, as in every rule on our own events.
func postRule(d channels.Destination, n names) trail.Rule {
	return trail.Rule{Name: d.Name, Description: "Messages, to be posted", Pattern: map[string]any{
		"source": []string{settings.EventSource}, "detail-type": []string{d.DetailType}, "account": []string{n.account},
	}}
}

// destinations are those of the deployed channels.
func destinations(deployed []channels.Channel) []channels.Destination {
	var all []channels.Destination
	for _, row := range deployed {
		if row.Carrier.Destination != nil {
			all = append(all, *row.Carrier.Destination)
		}
	}
	return all
}
