package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsorganizations"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
)

// newOrgStack is the management account, or a delegated administrator: the SCPs and RCPs by stage and the StackSets that enroll
// the members. It writes to w the size of each.
func newOrgStack(app awscdk.App, in Input, member string, w io.Writer) (awscdk.Stack, error) {
	c := in.Config
	account := c.Organization.ManagementAccount
	if c.Organization.Delegated {
		account = c.Organization.SecurityAccount
	}
	stack := awscdk.NewStack(app, jsii.String("doublelock-org"), &awscdk.StackProps{
		Env:                   environment(account, c.Regions.Home),
		Description:           jsii.String("Doublelock organization: SCPs by stage, member accounts enrolled"),
		TerminationProtection: jsii.Bool(true),
		AnalyticsReporting:    jsii.Bool(false),
	})
	scps, err := preventive.Policies(c)
	if err != nil {
		return nil, err
	}
	for _, scp := range scps {
		fmt.Fprintf(w, "%s %s: %d of %d characters that CloudFormation takes, %d targets\n", short(scp.Kind), scp.Name, scp.Characters(), preventive.MaxDeployed, len(scp.Targets))
		if err := newSCP(stack, scp); err != nil {
			return nil, err
		}
	}
	newStackSet(stack, c, member)
	return stack, nil
}

func short(kind string) string {
	if kind == preventive.ResourceControl {
		return "RCP"
	}
	return "SCP"
}

func newSCP(scope constructs.Construct, scp preventive.SCP) error {
	var content any
	if err := json.Unmarshal([]byte(scp.Content), &content); err != nil {
		return fmt.Errorf("read policy %s back: %w", scp.Name, err)
	}
	awsorganizations.NewCfnPolicy(scope, jsii.String(scp.Name), &awsorganizations.CfnPolicyProps{
		Name:        jsii.String(scp.Name),
		Description: jsii.String(scp.Description),
		Type:        jsii.String(scp.Kind),
		Content:     content,
		TargetIds:   jsii.Strings(scp.Targets...),
	})
	return nil
}
