package cloudformation

import (
	"context"
	"errors"
	"fmt"
)

func identityMakers() map[string]maker {
	return map[string]maker{
		"AWS::IAM::Role": makeRole, "AWS::IAM::Policy": makeInlinePolicy, "AWS::IAM::ManagedPolicy": makeManagedPolicy,
	}
}

type inlinePolicy struct {
	PolicyName     string
	PolicyDocument jsonText
}

func makeRole(_ context.Context, c *creation) (made, error) {
	var p struct {
		RoleName, Path, Description, PermissionsBoundary string
		AssumeRolePolicyDocument                         jsonText
		Policies                                         []inlinePolicy
		ManagedPolicyArns                                []string
		MaxSessionDuration                               number
		Tags                                             []tag
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	name := c.nameOr(p.RoleName, 64)
	in := map[string]any{"RoleName": name, "AssumeRolePolicyDocument": string(p.AssumeRolePolicyDocument), "Tags": p.Tags}
	for key, value := range map[string]string{"Path": p.Path, "Description": p.Description, "PermissionsBoundary": p.PermissionsBoundary} {
		if value != "" {
			in[key] = value
		}
	}
	if p.MaxSessionDuration > 0 {
		in["MaxSessionDuration"] = int64(p.MaxSessionDuration)
	}
	out, err := c.call("iam", "CreateRole", in)
	if err != nil {
		return made{}, err
	}
	c.onRemoval("iam", "DeleteRole", map[string]any{"RoleName": name})
	for _, arn := range p.ManagedPolicyArns {
		if err := c.attachToRole(name, arn); err != nil {
			return made{}, err
		}
	}
	for _, policy := range p.Policies {
		if err := c.putRolePolicy(name, policy); err != nil {
			return made{}, err
		}
	}
	return made{id: name, attributes: map[string]any{"Arn": answer(out, "Role.Arn"), "RoleId": answer(out, "Role.RoleId")}}, nil
}

func (c *creation) putRolePolicy(role string, policy inlinePolicy) error {
	_, err := c.call("iam", "PutRolePolicy", map[string]any{
		"RoleName": role, "PolicyName": policy.PolicyName, "PolicyDocument": string(policy.PolicyDocument),
	})
	if err != nil {
		return err
	}
	c.onRemoval("iam", "DeleteRolePolicy", map[string]any{"RoleName": role, "PolicyName": policy.PolicyName})
	return nil
}

func (c *creation) attachToRole(role, arn string) error {
	in := map[string]any{"RoleName": role, "PolicyArn": arn}
	if _, err := c.call("iam", "AttachRolePolicy", in); err != nil {
		return err
	}
	c.onRemoval("iam", "DetachRolePolicy", in)
	return nil
}

func makeInlinePolicy(_ context.Context, c *creation) (made, error) {
	var p struct {
		PolicyName     string
		PolicyDocument jsonText
		Roles          []string
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	if len(p.Roles) == 0 {
		return made{}, wrong("Roles", errors.New("missing"))
	}
	for _, role := range p.Roles {
		if err := c.putRolePolicy(role, inlinePolicy{p.PolicyName, p.PolicyDocument}); err != nil {
			return made{}, err
		}
	}
	return made{id: c.nameOr(p.PolicyName, 128)}, nil
}

func makeManagedPolicy(_ context.Context, c *creation) (made, error) {
	var p struct {
		ManagedPolicyName, Path, Description string
		PolicyDocument                       jsonText
		Roles                                []string
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	in := map[string]any{"PolicyName": c.nameOr(p.ManagedPolicyName, 128), "PolicyDocument": string(p.PolicyDocument)}
	if p.Path != "" {
		in["Path"] = p.Path
	}
	if p.Description != "" {
		in["Description"] = p.Description
	}
	out, err := c.call("iam", "CreatePolicy", in)
	if err != nil {
		return made{}, err
	}
	arn := answer(out, "Policy.Arn")
	c.onRemoval("iam", "DeletePolicy", map[string]any{"PolicyArn": arn})
	for _, role := range p.Roles {
		if err := c.attachToRole(role, arn); err != nil {
			return made{}, err
		}
	}
	return made{id: arn, attributes: map[string]any{"PolicyArn": arn, "PolicyId": answer(out, "Policy.PolicyId")}}, nil
}

func organizationMakers() map[string]maker {
	return map[string]maker{"AWS::Organizations::Policy": makeOrganizationPolicy}
}

func makeOrganizationPolicy(_ context.Context, c *creation) (made, error) {
	var p struct {
		Name, Type, Description string
		Content                 jsonText
		TargetIds               []string //nolint:revive // AWS's own names
		Tags                    ignored
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	out, err := c.call("organizations", "CreatePolicy", map[string]any{
		"Name": p.Name, "Type": p.Type, "Description": p.Description, "Content": string(p.Content),
	})
	if err != nil {
		return made{}, err
	}
	id := answer(out, "Policy.PolicySummary.Id")
	c.onRemoval("organizations", "DeletePolicy", map[string]any{"PolicyId": id})
	for i, target := range p.TargetIds {
		in := map[string]any{"PolicyId": id, "TargetId": target}
		if _, err := c.call("organizations", "AttachPolicy", in); err != nil {
			return made{}, wrong(fmt.Sprintf("TargetIds[%d] %s", i, target), err)
		}
		c.onRemoval("organizations", "DetachPolicy", in)
	}
	return made{id: id, attributes: map[string]any{"Id": id, "Arn": answer(out, "Policy.PolicySummary.Arn"), "AwsManaged": "false"}}, nil
}
