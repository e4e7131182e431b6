package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// Input is all that the app is made from.
type Input struct {
	Config settings.Config
	Rules  []trail.Rule
	// Channels is the list of ways to reach people; the configuration deploys some of them.
	Channels []channels.Channel
	Dist     string // folder of the Lambda binaries: <name>/bootstrap
	// Context is the app's own CDK context: the member template is rendered by an app beside it, under the same flags.
	Context map[string]any
}

// Build adds every stack to the app and writes to w the sizes that have limits. The order is the order of deployment: the
// hub listens before anybody forwards, the home Region's member stack makes the roles that the other Regions' use.
func Build(app awscdk.App, in Input, w io.Writer) error {
	member, err := memberTemplate(in)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "member template: %d of %d bytes\n", len(member), maxInlineTemplate)
	hub, err := newHubStack(app, in)
	if err != nil {
		return err
	}
	org, err := newOrgStack(app, in, member, w)
	if err != nil {
		return err
	}
	org.AddStackDependency(hub, jsii.String("the hub listens before members forward"))
	return buildManagementMember(app, in, hub)
}

// buildManagementMember adds the member stack of the management account per guarded Region: service-managed
// StackSets skip that account.
func buildManagementMember(app awscdk.App, in Input, hub awscdk.Stack) error {
	var home awscdk.Stack
	for _, region := range regionsHomeFirst(in.Config) {
		stack, err := newMemberStack(app, "doublelock-member-"+region, in, awscdk.StackProps{
			Env:         environment(in.Config.Organization.ManagementAccount, region),
			Description: jsii.String("Doublelock member: forwards events, lets the hub look (management account)"),
		})
		if err != nil {
			return err
		}
		if home == nil {
			home = stack
			stack.AddStackDependency(hub, jsii.String("the hub listens before members forward"))
			continue
		}
		stack.AddStackDependency(home, jsii.String("the home Region's stack makes the roles"))
	}
	return buildOrganizationEvents(app, in, home)
}

// buildOrganizationEvents forwards the events of Organizations (a policy detached, changed or switched off) where their
// Region is not guarded anyway. They appear in the management account only.
func buildOrganizationEvents(app awscdk.App, in Input, home awscdk.Stack) error {
	region := arn.PartitionOf(in.Config.Regions.Home).OrganizationsRegion()
	if slices.Contains(regionsHomeFirst(in.Config), region) {
		return nil
	}
	in.Config.Keys.Create = false
	in.Rules = pick(in.Rules, func(r trail.Rule) bool { return slices.Contains(sources(r), "aws.organizations") })
	stack, err := newMemberStack(app, "doublelock-member-"+region, in, awscdk.StackProps{
		Env:         environment(in.Config.Organization.ManagementAccount, region),
		Description: jsii.String("Doublelock member: forwards the events of Organizations (management account)"),
	})
	if err != nil {
		return err
	}
	stack.AddStackDependency(home, jsii.String("the home Region's stack makes the roles"))
	return nil
}

// sources are the event sources that a rule matches by name.
func sources(r trail.Rule) []string {
	var names []string
	list, _ := r.Pattern["source"].([]any)
	for _, v := range list {
		if name, ok := v.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

func environment(account, region string) *awscdk.Environment {
	return &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}
}

// regionsHomeFirst lists the guarded Regions and the home Region, which always has the roles, before all others.
func regionsHomeFirst(c settings.Config) []string {
	regions := []string{c.Regions.Home}
	for _, region := range c.Regions.Guarded {
		if region != c.Regions.Home {
			regions = append(regions, region)
		}
	}
	return regions
}
