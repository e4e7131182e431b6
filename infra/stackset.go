package main

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
)

// newStackSets enrolls the targets of every wave: OUs by one StackSet that also enrolls accounts that join later,
// single accounts by another. One StackSet for all waves, because an account that moves between two would need its
// roles twice for a moment.
func newStackSets(scope constructs.Construct, c settings.Config, member string) {
	units, accounts := memberTargets(c)
	if len(units) > 0 {
		newStackSet(scope, "Members", memberStackName, c, member, true, awscdk.CfnStackSet_DeploymentTargetsProperty{
			OrganizationalUnitIds: jsii.Strings(units...),
		})
	}
	if len(accounts) > 0 {
		newStackSet(scope, "SingleMembers", memberStackName+"-accounts", c, member, false, awscdk.CfnStackSet_DeploymentTargetsProperty{
			OrganizationalUnitIds: jsii.Strings(c.Organization.RootID),
			AccountFilterType:     jsii.String("INTERSECTION"),
			Accounts:              jsii.Strings(accounts...),
		})
	}
}

func newStackSet(scope constructs.Construct, id, name string, c settings.Config, member string, auto bool, targets awscdk.CfnStackSet_DeploymentTargetsProperty) {
	enroll := awscdk.CfnStackSet_AutoDeploymentProperty{Enabled: auto}
	if auto {
		enroll.RetainStacksOnAccountRemoval = false
	}
	caller := "SELF"
	if c.Organization.Delegated {
		caller = "DELEGATED_ADMIN"
	}
	awscdk.NewCfnStackSet(scope, jsii.String(id), &awscdk.CfnStackSetProps{
		StackSetName:     jsii.String(name),
		Description:      jsii.String("Doublelock member: forwards events, lets the hub look"),
		PermissionModel:  jsii.String("SERVICE_MANAGED"),
		CallAs:           jsii.String(caller),
		Capabilities:     jsii.Strings("CAPABILITY_NAMED_IAM"),
		AutoDeployment:   enroll,
		ManagedExecution: map[string]any{"Active": true},
		TemplateBody:     jsii.String(member),
		OperationPreferences: awscdk.CfnStackSet_OperationPreferencesProperty{
			RegionOrder:                jsii.Strings(regionsHomeFirst(c)...),
			RegionConcurrencyType:      jsii.String("SEQUENTIAL"),
			MaxConcurrentPercentage:    jsii.Number(25),
			FailureTolerancePercentage: jsii.Number(10),
		},
		StackInstancesGroup: []any{awscdk.CfnStackSet_StackInstancesProperty{
			DeploymentTargets: targets, Regions: jsii.Strings(regionsHomeFirst(c)...),
		}},
	})
}

// memberTargets are the targets of all waves, each once: OUs and roots, and single accounts but the management one,
// which StackSets skip.
func memberTargets(c settings.Config) (units, accounts []string) {
	for _, wave := range c.Waves {
		for _, target := range wave.Targets {
			switch {
			case strings.HasPrefix(target, "ou-"), strings.HasPrefix(target, "r-"):
				units = append(units, target)
			case target != c.Organization.ManagementAccount:
				accounts = append(accounts, target)
			}
		}
	}
	if slices.Contains(units, c.Organization.RootID) {
		units = []string{c.Organization.RootID} // every OU is in it; naming one again would enroll its accounts twice
	}
	slices.Sort(units)
	slices.Sort(accounts)
	return slices.Compact(units), slices.Compact(accounts)
}
