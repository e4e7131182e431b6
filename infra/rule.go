package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/trail"
)

// allManagementEvents is the state in which a rule sees read-only events as well.
const allManagementEvents = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"

// newRule makes an EventBridge rule on a bus; bus nil is the account's default bus.
func newRule(scope constructs.Construct, r trail.Rule, bus *string, target awsevents.CfnRule_TargetProperty) awsevents.CfnRule {
	state := "ENABLED"
	if r.AllManagementEvents {
		state = allManagementEvents
	}
	return awsevents.NewCfnRule(scope, jsii.String("Rule-"+r.Name), &awsevents.CfnRuleProps{
		Name:         jsii.String(r.Name),
		Description:  jsii.String(r.Description),
		EventBusName: bus,
		EventPattern: plain(r.Pattern),
		State:        jsii.String(state),
		Targets:      []any{target},
	})
}
