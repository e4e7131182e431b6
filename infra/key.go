package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/preventive"
)

// newHubKey makes the hub's own CMK: queues, topics, table and logs are under it.
func newHubKey(scope constructs.Construct, n names, deployed []channels.Channel) awskms.CfnKey {
	var tags *[]*awscdk.CfnTag
	through := []string{"dynamodb", "sns", "sqs"}
	if len(destinations(deployed)) > 0 { // their connections keep the token under the key (EventBridge user guide, encrypting connections)
		tags, through = keyTags(map[string]string{"EventBridgeApiDestinations": "true"}), append(through, "secretsmanager")
	}
	key := awskms.NewCfnKey(scope, jsii.String("Key"), &awskms.CfnKeyProps{
		Description:       jsii.String("Doublelock hub: queues, topics, table and logs"),
		EnableKeyRotation: true,
		KeyPolicy:         document(hubKeyPolicy(n, through)...),
		Tags:              tags,
	})
	awskms.NewCfnAlias(scope, jsii.String("KeyAlias"), &awskms.CfnAliasProps{
		AliasName: jsii.String(hubKeyAlias), TargetKeyId: key.AttrArn(),
	})
	return key
}

// hubKeyPolicy names every service that works with the key by itself, and those through which the account may use it. CDK adds none of them, and no linter misses
// them: a rule would fail to reach its encrypted queue and an alarm its topic, both in silence.
func hubKeyPolicy(n names, through []string) []preventive.Statement {
	here := preventive.Condition{"StringEquals": {"aws:SourceAccount": {n.account}}}
	dataKey := preventive.Values{"kms:Decrypt", "kms:GenerateDataKey"}
	return []preventive.Statement{
		keyStatement("Administration", "AWS", n.root(), preventive.KeyAdministration, nil),
		keyStatement("UseThroughServices", "AWS", n.root(),
			preventive.Values{"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncrypt*"},
			preventive.Condition{"StringEquals": {
				"kms:CallerAccount": {n.account},
				"kms:ViaService":    n.via(through...),
			}}),
		keyStatement("RulesToQueues", "Service", n.principal("events"), dataKey, here),
		keyStatement("AlarmsToTopics", "Service", n.principal("cloudwatch"), dataKey, here),
		keyStatement("Logs", "Service", n.regional("logs"),
			preventive.Values{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"},
			preventive.Condition{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": {n.arn("logs", "log-group:/aws/lambda/doublelock-*")}}}),
	}
}

func keyStatement(sid, kind, principal string, actions preventive.Values, condition preventive.Condition) preventive.Statement {
	return preventive.Statement{
		Sid: sid, Effect: "Allow", Principal: preventive.Principal{kind: {principal}},
		Action: actions, Resource: preventive.Values{"*"}, Condition: condition,
	}
}
