package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// forwardRole is the role by which EventBridge in this account puts events on the hub's bus.
func forwardRole(n names) role {
	return role{
		Name: settings.RoleForward, Description: "EventBridge forwards events about secrets and keys to the Doublelock hub",
		Trust: trust("Service", n.principal("events"), preventive.Condition{
			"StringEquals": {"aws:SourceAccount": {*awscdk.Aws_ACCOUNT_ID()}},
			"ArnLike":      {"aws:SourceArn": {awsSub("arn:${AWS::Partition}:events:*:${AWS::AccountId}:rule/doublelock-*")}},
		}),
		May: []preventive.Statement{allow("Forward", []string{"events:PutEvents"}, []string{n.bus()}, nil)},
	}
}

// newForwarding makes the rules that send to the hub in one hop, and the queue that keeps what could not be sent for
// 14 days. The queue has SQS's own encryption: a CMK per account and Region for it would cost more than all the rest.
func newForwarding(scope constructs.Construct, rules []trail.Rule, n names, role *string) {
	dead := awssqs.NewCfnQueue(scope, jsii.String("ForwardDeadLetters"), &awssqs.CfnQueueProps{
		QueueName: jsii.String(forwardDLQ), MessageRetentionPeriod: seconds(parkedFor), SqsManagedSseEnabled: true,
	})
	awssqs.NewCfnQueuePolicy(scope, jsii.String("ForwardDeadLettersPolicy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{dead.Ref()},
		PolicyDocument: document(
			fromRules(n, *dead.AttrArn(), *awscdk.Aws_ACCOUNT_ID(), awsSub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/doublelock-*")),
			onlyTLS("sqs:*", *dead.AttrArn()),
		),
	})
	for _, rule := range rules {
		if !rule.Forwarded {
			continue
		}
		newRule(scope, rule, nil, awsevents.CfnRule_TargetProperty{
			Id: jsii.String("hub"), Arn: jsii.String(n.bus()),
			RoleArn:          role,
			DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.AttrArn()},
		})
	}
}
