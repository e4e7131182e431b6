package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// FunctionRole reads under which role a function of any account runs: of a rotation function that is a reader.
func (c *Cloud) FunctionRole(ctx context.Context, functionARN string) (string, error) {
	where := arn.Of(functionARN)
	p, err := c.enter(ctx, where.Account, where.Region, settings.RoleRead)
	if err != nil {
		return "", fail(err, "get role of function %s", functionARN)
	}
	client := clientFor(c, "lambda", p, func(cfg aws.Config) *lambda.Client { return lambda.NewFromConfig(cfg) })
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &functionARN})
	if err != nil {
		return "", fail(err, "get role of function %s", functionARN)
	}
	return aws.ToString(out.Role), nil
}
