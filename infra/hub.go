package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
)

// newHubStack is the security account: where events arrive, are judged, remembered and sent on.
func newHubStack(app awscdk.App, in Input) (awscdk.Stack, error) {
	c, n := in.Config, namesOf(in.Config)
	stack := awscdk.NewStack(app, jsii.String("doublelock-hub"), &awscdk.StackProps{
		Env:                   environment(n.account, n.region),
		Description:           jsii.String("Doublelock hub: judges every secret of the organization"),
		TerminationProtection: jsii.Bool(true),
		AnalyticsReporting:    jsii.Bool(false),
	})
	deployed := c.DeployedChannels(in.Channels)
	env, err := hubEnvironment(in, n, deployed)
	if err != nil {
		return nil, err
	}
	key := newHubKey(stack, n, deployed)
	if len(c.Operations.Operators) > 0 {
		role := operatorRole(c.Operations.Operators, n, key)
		if err := fitsTrust(role, "operations.operators"); err != nil {
			return nil, err
		}
		env[settings.EnvOperator] = newRole(stack, "OperatorRole", role).AttrRoleId()
	}
	newTable(stack, key, n)
	bus := newBus(stack, n)
	operations := newOperationsTopic(stack, c, key, n)
	newChannels(stack, deployed, channelParts{config: c, names: n, key: key, bus: bus, operations: operations})
	parts := hubParts{deployed: deployed, names: n, key: key, environment: env, logDays: c.Retention.LogDays, dist: in.Dist}
	for _, w := range workersOf(c) {
		queues, err := newWorker(stack, w, parts)
		if err != nil {
			return nil, err
		}
		for _, rule := range triggers(w, in.Rules, n) {
			newRule(stack, rule, bus.Ref(), toQueue(queues))
		}
		newSchedules(stack, w, c.Operations, n, key, queues)
	}
	for _, a := range hubAlarms(c, deployed) {
		newAlarm(stack, a, operations)
	}
	newDashboard(stack, workersOf(c), in.Rules, n)
	return stack, nil
}

// hubEnvironment are the variables of every function of the hub, by the names that handlers read.
func hubEnvironment(in Input, n names, deployed []channels.Channel) (map[string]*string, error) {
	c := in.Config
	runtime, err := settings.Format{Channels: in.Channels}.Runtime(c).Env()
	if err != nil {
		return nil, fmt.Errorf("render hub environment: %w", err)
	}
	all := map[string]*string{
		settings.EnvHubAccount: jsii.String(n.account),
		settings.EnvManagement: jsii.String(c.Organization.ManagementAccount),
		settings.EnvRegions:    jsii.String(strings.Join(c.Regions.Guarded, ",")),
		settings.EnvTable:      jsii.String(settings.HubName),
		settings.EnvBus:        jsii.String(settings.HubName),
		settings.EnvConfig:     jsii.String(runtime),
	}
	for _, row := range deployed {
		all[row.Env] = jsii.String(target(row, n))
	}
	return all, nil
}
