package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// newHubStack is the security account: where events arrive, are judged, remembered and told.
func newHubStack(app awscdk.App, in Input) (awscdk.Stack, error) {
	c, n := in.Config, namesOf(in.Config)
	stack := awscdk.NewStack(app, jsii.String("doublelock-hub"), &awscdk.StackProps{
		Env:                   environment(n.account, n.region),
		Description:           jsii.String("Doublelock hub: judges every secret of the organization"),
		TerminationProtection: jsii.Bool(true),
		AnalyticsReporting:    jsii.Bool(false),
	})
	env, err := hubEnvironment(c, n)
	if err != nil {
		return nil, err
	}
	key := newHubKey(stack, n)
	newTable(stack, key, n)
	bus := newBus(stack, n)
	topics := newTopics(stack, c, key, n)
	parts := hubParts{names: n, key: key, environment: env, logDays: c.Retention.LogDays, dist: in.Dist}
	for _, w := range workers {
		queues, err := newWorker(stack, w, parts)
		if err != nil {
			return nil, err
		}
		for _, rule := range wakes(w, in.Rules, n) {
			newRule(stack, rule, bus.Ref(), toQueue(queues))
		}
		for _, a := range workerAlarms(w) {
			newAlarm(stack, a, topics.operations)
		}
	}
	return stack, nil
}

// wakes are the rules on the hub's bus that fill a worker's queue. Rules on notices match the hub's own account:
// any account of the organization may put an event of any source but AWS's on the bus.
func wakes(w worker, rules []trail.Rule, n names) []trail.Rule {
	notice := map[string]any{
		"source": []string{settings.EventSource}, "detail-type": []string{settings.DetailTypeNotice}, "account": []string{n.account},
	}
	switch w.Name {
	case "detect":
		var forwarded []trail.Rule
		for _, rule := range rules {
			if rule.Forwarded {
				forwarded = append(forwarded, rule)
			}
		}
		return forwarded
	case "alert":
		return []trail.Rule{{Name: w.id(), Description: "Notices, to be told", Pattern: notice}}
	case "remediate":
		notice["detail"] = map[string]any{"decision": map[string]any{"rekey": []bool{true}}}
		return []trail.Rule{{Name: w.id(), Description: "Notices whose secret is to be re-keyed", Pattern: notice}}
	}
	return nil
}

// toQueue sends to a worker's queue, and to its dead-letter queue what EventBridge itself could not deliver.
func toQueue(queues pair) awsevents.CfnRule_TargetProperty {
	return awsevents.CfnRule_TargetProperty{
		Id: jsii.String("queue"), Arn: queues.Queue.AttrArn(),
		DeadLetterConfig: awsevents.CfnRule_DeadLetterConfigProperty{Arn: queues.Dead.AttrArn()},
	}
}

// hubEnvironment is what every function of the hub is told, by the names that handlers read.
func hubEnvironment(c settings.Config, n names) (map[string]*string, error) {
	runtime, err := c.Runtime().Env()
	if err != nil {
		return nil, fmt.Errorf("render hub environment: %w", err)
	}
	return map[string]*string{
		settings.EnvOrganization: jsii.String(n.org),
		settings.EnvHubAccount:   jsii.String(n.account),
		settings.EnvManagement:   jsii.String(c.Organization.ManagementAccount),
		settings.EnvRegions:      jsii.String(strings.Join(c.Regions.Guarded, ",")),
		settings.EnvTable:        jsii.String(settings.HubName),
		settings.EnvBus:          jsii.String(settings.HubName),
		settings.EnvOwnersTopic:  jsii.String(n.topic(settings.TopicOwners)),
		settings.EnvChatTopic:    jsii.String(n.topic(settings.TopicChat)),
		settings.EnvConfig:       jsii.String(runtime),
	}, nil
}
