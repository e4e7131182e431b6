package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// maxInlineTemplate is how many bytes of template a StackSet takes inline (CloudFormation quotas).
const maxInlineTemplate = 51200

// newMemberStack is what one account has in one Region: rules that forward, the roles by which the hub looks, and
// optionally a CMK. Roles are global, so they are made in the home Region only, and the others refer to them by name.
func newMemberStack(app awscdk.App, id string, in Input, props awscdk.StackProps) (awscdk.Stack, error) {
	c, n := in.Config, namesOf(in.Config)
	props.Synthesizer = awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{GenerateBootstrapVersionRule: jsii.Bool(false)})
	props.AnalyticsReporting = jsii.Bool(false)
	stack := awscdk.NewStack(app, jsii.String(id), &props)
	home := awscdk.NewCfnCondition(stack, jsii.String("IsHomeRegion"), &awscdk.CfnConditionProps{
		Expression: awscdk.Fn_ConditionEquals(awscdk.Aws_REGION(), n.region),
	})
	for _, duty := range duties(c) {
		role := duty.role(n)
		if err := fitsTrust(role, "operations.roles"); err != nil {
			return nil, err
		}
		newRole(stack, duty.id, role).CfnOptions().SetCondition(home)
	}
	forward := newRole(stack, "ForwardRole", forwardRole(n))
	forward.CfnOptions().SetCondition(home)
	byName := awsSub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + settings.RoleForward)
	newForwarding(stack, in.Rules, n, awscdk.Fn_ConditionIf(home.LogicalId(), forward.AttrArn(), byName).ToString())
	if c.Keys.Create {
		newSecretsKey(stack, c.Keys, n)
	}
	return stack, nil
}

// maxTrust is how many characters the trust policy of a role may have (IAM quotas).
const maxTrust = 2048

// fitsTrust errs on a role that more may take than its trust policy has room for, by the field that says who.
func fitsTrust(r role, field string) error {
	content, err := preventive.NewDocument(r.Trust).JSON()
	if err != nil {
		return err
	}
	if len(content) <= maxTrust {
		return nil
	}
	return &settings.FieldError{
		Field: field,
		What:  fmt.Sprintf("the trust policy of %s has %d characters, at most %d fit", r.Name, len(content), maxTrust),
		Fix:   "name fewer roles: a pattern with * takes the place of many",
	}
}

// memberTemplate renders the member stack as the text of a StackSet, in an app of its own that must not share the
// real one's output folder. It has no assets, because a StackSet deploys the text alone.
func memberTemplate(in Input) (string, error) {
	folder, err := os.MkdirTemp("", "doublelock-member")
	if err != nil {
		return "", fmt.Errorf("render member template: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(folder), AnalyticsReporting: jsii.Bool(false)})
	stack, err := newMemberStack(app, memberStackName, in, awscdk.StackProps{
		Description: jsii.String("Doublelock member: forwards events, lets the hub look"),
	})
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(app.Synth(nil).GetStackByName(stack.StackName()).Template())
	if err != nil {
		return "", fmt.Errorf("render member template: %w", err)
	}
	if len(raw) > maxInlineTemplate {
		return "", &settings.FieldError{
			Field: "keys.tags",
			What:  fmt.Sprintf("the member template has %d bytes, at most %d fit into a StackSet", len(raw), maxInlineTemplate),
			Fix:   "name fewer or shorter tags",
		}
	}
	return string(raw), nil
}

const memberStackName = "doublelock-member"
