package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
)

// role is an IAM role with one inline policy, or none where it may do nothing.
type role struct {
	Name, Description string
	Trust             preventive.Statement
	May               []preventive.Statement
}

func newRole(scope constructs.Construct, id string, r role) awsiam.CfnRole {
	var policies []any
	if len(r.May) > 0 {
		policies = []any{awsiam.CfnRole_PolicyProperty{PolicyName: jsii.String("duty"), PolicyDocument: document(r.May...)}}
	}
	return awsiam.NewCfnRole(scope, jsii.String(id), &awsiam.CfnRoleProps{
		RoleName:                 jsii.String(r.Name),
		Description:              jsii.String(r.Description),
		AssumeRolePolicyDocument: document(r.Trust),
		Policies:                 policies,
	})
}
