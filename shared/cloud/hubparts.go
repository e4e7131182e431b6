package cloud

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/doublelock/doublelock/shared/settings"
)

// Enter assumes a member role and reports whether that can be done: nil, or guard.ErrNotOurs.
func (c *Cloud) Enter(ctx context.Context, account, role string) error {
	if !isAccountID(account) {
		return fmt.Errorf("enter account %q: want 12 digits", account)
	}
	credentials := c.configOf(place{account: account, region: c.opt.Region, role: role}).Credentials
	_, err := credentials.Retrieve(ctx)
	return fail(err, "enter account %s", account)
}

// Queue is how full a queue of the hub is. The numbers are AWS's approximations.
type Queue struct {
	ARN      string
	Waiting  int    // ready to be received
	InFlight int    // received, not yet deleted
	Delayed  int    // not ready yet
	Redrive  string // redrive policy, JSON: where what fails goes; ""
	KeyID    string // KMS key it is encrypted with; ""
}

// Queue reads a queue of the hub by name.
func (c *Cloud) Queue(ctx context.Context, name string) (Queue, error) {
	return c.queueAt(ctx, c.home(), name)
}

// MemberQueue reads a queue of an account by name, through the account's member role.
func (c *Cloud) MemberQueue(ctx context.Context, account, region, name string) (Queue, error) {
	p, err := c.enter(ctx, account, region, settings.RoleRead)
	if err != nil {
		return Queue{}, fail(err, "find queue %s of %s in %s", name, account, region)
	}
	return c.queueAt(ctx, p, name)
}

func (c *Cloud) queueAt(ctx context.Context, p place, name string) (Queue, error) {
	client := clientFor(c, "sqs", p, func(cfg aws.Config) *sqs.Client { return sqs.NewFromConfig(cfg) })
	at, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return Queue{}, fail(err, "find queue %s", name)
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return Queue{}, fail(err, "get attributes of queue %s", name)
	}
	count := func(attribute types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(attribute)]) // AWS writes a number or leaves it out
		return n
	}
	return Queue{
		ARN:      out.Attributes[string(types.QueueAttributeNameQueueArn)],
		Waiting:  count(types.QueueAttributeNameApproximateNumberOfMessages),
		InFlight: count(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:  count(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
		Redrive:  out.Attributes[string(types.QueueAttributeNameRedrivePolicy)],
		KeyID:    out.Attributes[string(types.QueueAttributeNameKmsMasterKeyId)],
	}, nil
}

// Function is what of a hub's function is deployed.
type Function struct {
	ARN         string
	Version     string // $LATEST or a number
	CodeSHA256  string // base64, of the deployed package: tells versions apart
	Runtime     string
	State       string // Active, Pending, Inactive, Failed
	RoleARN     string
	Environment map[string]string
	ModifiedAt  time.Time
}

// lambdaTime is how Lambda writes LastModified.
const lambdaTime = "2006-01-02T15:04:05.000-0700"

// Function reads a function of the hub by name.
func (c *Cloud) Function(ctx context.Context, name string) (Function, error) {
	client := clientFor(c, "lambda", c.home(), func(cfg aws.Config) *lambda.Client { return lambda.NewFromConfig(cfg) })
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return Function{}, fail(err, "get configuration of function %s", name)
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
