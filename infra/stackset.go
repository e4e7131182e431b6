package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
)

// newStackSet enrolls accounts: those there are and those that join later. It goes by OUs, by default the root, and not by
// rollout: being watched comes before being notified or fixed, and an account that moves between two StackSets would need its
// roles twice for a moment.
func newStackSet(scope constructs.Construct, c settings.Config, member string) {
	caller := "SELF"
	if c.Organization.Delegated {
		caller = "DELEGATED_ADMIN"
	}
	awscdk.NewCfnStackSet(scope, jsii.String("Members"), &awscdk.CfnStackSetProps{
		StackSetName:     jsii.String(memberStackName),
		Description:      jsii.String("Doublelock member: forwards events, lets the hub look"),
		PermissionModel:  jsii.String("SERVICE_MANAGED"),
		CallAs:           jsii.String(caller),
		Capabilities:     jsii.Strings("CAPABILITY_NAMED_IAM"),
		AutoDeployment:   awscdk.CfnStackSet_AutoDeploymentProperty{Enabled: true, RetainStacksOnAccountRemoval: false},
		ManagedExecution: map[string]any{"Active": true},
		TemplateBody:     jsii.String(member),
		OperationPreferences: awscdk.CfnStackSet_OperationPreferencesProperty{
			RegionOrder:                jsii.Strings(regionsHomeFirst(c)...),
			RegionConcurrencyType:      jsii.String("SEQUENTIAL"),
			MaxConcurrentPercentage:    jsii.Number(25),
			FailureTolerancePercentage: jsii.Number(10),
		},
		StackInstancesGroup: []any{awscdk.CfnStackSet_StackInstancesProperty{
			DeploymentTargets: awscdk.CfnStackSet_DeploymentTargetsProperty{OrganizationalUnitIds: jsii.Strings(c.Organization.Enroll...)},
			Regions:           jsii.Strings(regionsHomeFirst(c)...),
		}},
	})
}
