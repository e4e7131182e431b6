package functions

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Role reads under which role a function of any account runs: of a rotation function that is a reader.
func Role(ctx context.Context, c *cloud.Cloud, functionARN string) (string, error) {
	where := arn.Of(functionARN)
	p, err := c.Locate(ctx, where.Account, where.Region, settings.RoleRead)
	if err != nil {
		return "", session.Fail(err, "get role of function %s", functionARN)
	}
	client := session.Client(c, p, lambda.NewFromConfig)
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &functionARN})
	if err != nil {
		return "", session.Fail(err, "get role of function %s", functionARN)
	}
	return aws.ToString(out.Role), nil
}

// Function is what of a hub's function is deployed.
type Function struct {
	ARN         string
	Version     string // $LATEST or a number
	CodeSHA256  string // base64, of the deployed package: differs between versions
	Runtime     string
	State       string // Active, Pending, Inactive, Failed
	RoleARN     string
	Environment map[string]string
	ModifiedAt  time.Time
}

// lambdaTime is how Lambda writes LastModified.
const lambdaTime = "2006-01-02T15:04:05.000-0700"

// Read reads a function of the hub by name.
func Read(ctx context.Context, c *cloud.Cloud, name string) (Function, error) {
	client := session.Client(c, c.Home(), lambda.NewFromConfig)
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return Function{}, session.Fail(err, "get configuration of function %s", name)
	}
	f := Function{
		ARN: aws.ToString(out.FunctionArn), Version: aws.ToString(out.Version), CodeSHA256: aws.ToString(out.CodeSha256),
		Runtime: string(out.Runtime), State: string(out.State), RoleARN: aws.ToString(out.Role),
	}
	f.ModifiedAt, _ = time.Parse(lambdaTime, aws.ToString(out.LastModified)) // zero when AWS writes it otherwise
	if out.Environment != nil {
		f.Environment = out.Environment.Variables
	}
	return f, nil
}
