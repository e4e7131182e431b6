package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// triggers are the rules on the hub's bus that fill a worker's queue. A worker that only a
// schedule starts has none.
func triggers(w worker, rules []trail.Rule, n names) []trail.Rule {
	switch w.Name {
	case "detect":
		return pick(rules, func(r trail.Rule) bool { return r.Forwarded })
	case "alert":
		return []trail.Rule{{Name: w.id(), Description: "Notices, to be sent", Pattern: notices(n)}}
	case "remediate":
		pattern := notices(n)
		pattern["detail"] = map[string]any{"decision": map[string]any{"rekey": []bool{true}}}
		return []trail.Rule{{Name: w.id(), Description: "Notices whose secret is to be re-keyed", Pattern: pattern}}
	case "watchdog":
		denied := pick(rules, func(r trail.Rule) bool { return r.AllManagementEvents })
		for i := range denied {
			denied[i].Name = w.id()
		}
		return denied
	}
	return nil
}

// notices matches what the hub itself puts on its bus. The account is the hub's, because any account of the
// organization may put an event of any source but AWS's there.
func notices(n names) map[string]any {
	return map[string]any{
		"source": []string{settings.EventSource}, "detail-type": []string{settings.DetailTypeNotice}, "account": []string{n.account},
	}
}

func pick(rules []trail.Rule, want func(trail.Rule) bool) []trail.Rule {
	var picked []trail.Rule
	for _, rule := range rules {
		if want(rule) {
			picked = append(picked, rule)
		}
	}
	return picked
}

// toQueue sends to a worker's queue, and to its dead-letter queue what EventBridge itself could not deliver.
func toQueue(queues pair) awsevents.CfnRule_TargetProperty {
	return awsevents.CfnRule_TargetProperty{
		Id: jsii.String("queue"), Arn: queues.Queue.AttrArn(),
		DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: queues.Dead.AttrArn()},
	}
}
