package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// newBus makes the hub's bus. The rules of every account of the organization may forward events to it, and nobody else. What an
// account forwards carries that account's id; rules for our own events match the hub's id. Nobody of another account puts an event
// there with a call of his own, so none looks like one that a rule forwarded.
// Source: Service Authorization Reference, Amazon EventBridge, events:eventBusInvocation.
func newBus(scope constructs.Construct, n names) awsevents.CfnEventBus {
	bus := awsevents.NewCfnEventBus(scope, jsii.String("Bus"), &awsevents.CfnEventBusProps{
		Name:        jsii.String(settings.HubName),
		Description: jsii.String("Events about secrets and keys from every account, and what Doublelock made of them"),
	})
	awsevents.NewCfnEventBusPolicy(scope, jsii.String("BusPolicy"), &awsevents.CfnEventBusPolicyProps{
		EventBusName: bus.Ref(),
		StatementId:  jsii.String("Organization"),
		Statement: plain(preventive.Statement{
			Sid: "Organization", Effect: "Allow", Principal: preventive.Principal{"AWS": {"*"}},
			Action: preventive.Values{"events:PutEvents"}, Resource: preventive.Values{n.bus()},
			Condition: preventive.Condition{"StringEquals": {"aws:PrincipalOrgID": {n.org}, "events:eventBusInvocation": {"true"}}},
		}),
	})
	return bus
}
