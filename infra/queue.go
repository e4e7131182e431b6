package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
)

const (
	maxReceives   = 5                   // tries of one item before it is parked
	parkedFor     = 14 * 24 * time.Hour // SQS's longest
	visibleFactor = 6                   // AWS's advice: visibility of six times the function's time
)

// pair is a queue and the dead-letter queue that takes what could not be handled.
type pair struct{ Queue, Dead awssqs.CfnQueue }

// newQueuePair makes both queues under the hub's key, open to EventBridge rules of the hub.
func newQueuePair(scope constructs.Construct, name string, timeout time.Duration, key awskms.CfnKey, n names) pair {
	dead := newQueue(scope, "DeadLetters", name+"-dlq", deadLetters(key), n)
	queue := newQueue(scope, "Queue", name, awssqs.CfnQueueProps{
		VisibilityTimeout:      seconds(visibleFactor * timeout),
		MessageRetentionPeriod: seconds(4 * 24 * time.Hour),
		KmsMasterKeyId:         key.AttrArn(),
		RedrivePolicy:          map[string]any{"deadLetterTargetArn": dead.AttrArn(), "maxReceiveCount": maxReceives},
	}, n)
	return pair{queue, dead}
}

// deadLetters keeps what is parked as long as SQS can.
func deadLetters(key awskms.CfnKey) awssqs.CfnQueueProps {
	return awssqs.CfnQueueProps{MessageRetentionPeriod: seconds(parkedFor), KmsMasterKeyId: key.AttrArn()}
}

func newQueue(scope constructs.Construct, id, name string, props awssqs.CfnQueueProps, n names) awssqs.CfnQueue {
	props.QueueName = jsii.String(name)
	queue := awssqs.NewCfnQueue(scope, jsii.String(id), &props)
	awssqs.NewCfnQueuePolicy(scope, jsii.String(id+"Policy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{queue.Ref()},
		PolicyDocument: document(
			fromRules(n, n.queue(name), n.account, n.arn("events", "rule/*")),
			onlyTLS("sqs:*", n.queue(name)),
		),
	})
	return queue
}

// fromRules lets EventBridge rules of an account send to a queue.
func fromRules(n names, queue, account, rules string) preventive.Statement {
	return preventive.Statement{
		Sid: "FromRules", Effect: "Allow", Principal: preventive.Principal{"Service": {n.principal("events")}},
		Action: preventive.Values{"sqs:SendMessage"}, Resource: preventive.Values{queue},
		Condition: preventive.Condition{
			"StringEquals": {"aws:SourceAccount": {account}},
			"ArnLike":      {"aws:SourceArn": {rules}},
		},
	}
}

func seconds(d time.Duration) *float64 { return jsii.Number(d.Seconds()) }
