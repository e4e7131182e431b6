package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
)

// newTopic makes a topic under the hub's key. Our functions publish by their own roles; who else may is in publishers.
func newTopic(scope constructs.Construct, id, name string, key awskms.CfnKey, n names, publishers ...preventive.Statement) awssns.CfnTopic {
	topic := awssns.NewCfnTopic(scope, jsii.String(id), &awssns.CfnTopicProps{
		TopicName: jsii.String(name), KmsMasterKeyId: key.AttrArn(),
	})
	awssns.NewCfnTopicPolicy(scope, jsii.String(id+"Policy"), &awssns.CfnTopicPolicyProps{
		Topics:         &[]*string{topic.Ref()},
		PolicyDocument: document(append(publishers, onlyTLS("sns:Publish", n.topic(name)))...),
	})
	return topic
}

// alarmsMayPublish lets CloudWatch alarms of the hub publish to a topic.
func alarmsMayPublish(n names, topic string) preventive.Statement {
	return preventive.Statement{
		Sid: "Alarms", Effect: "Allow", Principal: preventive.Principal{"Service": {n.principal("cloudwatch")}},
		Action: preventive.Values{"sns:Publish"}, Resource: preventive.Values{n.topic(topic)},
		Condition: preventive.Condition{"StringEquals": {"aws:SourceAccount": {n.account}}},
	}
}

// newSubscription subscribes an address to a topic; filter nil is everything. AWS asks the person to confirm.
func newSubscription(scope constructs.Construct, id string, topic awssns.CfnTopic, protocol, address string, filter map[string]any) {
	props := &awssns.CfnSubscriptionProps{
		TopicArn: topic.Ref(), Protocol: jsii.String(protocol), Endpoint: jsii.String(address),
	}
	if filter != nil {
		props.FilterPolicy, props.FilterPolicyScope = filter, jsii.String("MessageAttributes")
	}
	awssns.NewCfnSubscription(scope, jsii.String(id), props)
}
