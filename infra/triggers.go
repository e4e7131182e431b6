package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// rules are the rules on the hub's bus that fill a worker's queue, made of trail's.
type rules func(all []trail.Rule, w worker, n names) []trail.Rule

// triggers are the rules of a worker. One that only a schedule starts has none.
func triggers(w worker, all []trail.Rule, n names) []trail.Rule {
	if w.Rules == nil {
		return nil
	}
	return w.Rules(all, w, n)
}

// forwarded takes everything that member accounts send on, but reads.
func forwarded(all []trail.Rule, _ worker, _ names) []trail.Rule {
	return pick(all, func(r trail.Rule) bool { return r.Forwarded && !r.Reads })
}

// uses takes successful reads, and by a rule of the worker's own name the changes of secrets, some of which use their keys.
func uses(all []trail.Rule, w worker, _ names) []trail.Rule {
	used := pick(all, func(r trail.Rule) bool { return r.Reads || r.Changes })
	for i := range used {
		if used[i].Changes {
			used[i].Name = w.id()
		}
	}
	return used
}

// deniedReads takes reads that were refused, by a rule of the worker's own name.
func deniedReads(all []trail.Rule, w worker, _ names) []trail.Rule {
	denied := pick(all, func(r trail.Rule) bool { return r.AllManagementEvents && !r.Reads })
	for i := range denied {
		denied[i].Name = w.id()
	}
	return denied
}

// notices takes what the hub itself puts on its bus, by a rule of the worker's own name: every notice, or those whose
// detail matches. The account is the hub's, because any account of the organization may put an event of any source but
// AWS's there.
func notices(about string, detail map[string]any) rules {
	return func(_ []trail.Rule, w worker, n names) []trail.Rule {
		pattern := map[string]any{
			"source": []string{settings.EventSource}, "detail-type": []string{settings.DetailTypeNotice}, "account": []string{n.account},
		}
		if detail != nil {
			pattern["detail"] = detail
		}
		return []trail.Rule{{Name: w.id(), Description: about, Pattern: pattern}}
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
