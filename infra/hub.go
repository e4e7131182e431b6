package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
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
	newChat(stack, c, n, topics)
	newSlackAPI(stack, c, n, key, bus)
	parts := hubParts{names: n, key: key, environment: env, logDays: c.Retention.LogDays, dist: in.Dist}
	for _, w := range workers {
		queues, err := newWorker(stack, w, parts)
		if err != nil {
			return nil, err
		}
		for _, rule := range wakes(w, in.Rules, n) {
			newRule(stack, rule, bus.Ref(), toQueue(queues))
		}
		newSchedules(stack, w, c.Operations, n, key, queues)
	}
	for _, a := range hubAlarms(c) {
		newAlarm(stack, a, topics.operations)
	}
	newDashboard(stack, in.Rules, n)
	return stack, nil
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
