package queues

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Queue is how full a queue of the hub is. The numbers are AWS's approximations.
type Queue struct {
	ARN      string
	Waiting  int    // ready to be received
	InFlight int    // received, not yet deleted
	Delayed  int    // not ready yet
	Redrive  string // redrive policy, JSON: where what fails goes; ""
	KeyID    string // KMS key it is encrypted with; ""
}

// Read reads a queue of the hub by name.
func Read(ctx context.Context, c *cloud.Cloud, name string) (Queue, error) {
	return queueAt(ctx, c, c.Home(), name)
}

// ReadMember reads a queue of an account by name, through the account's member role.
func ReadMember(ctx context.Context, c *cloud.Cloud, account, region, name string) (Queue, error) {
	p, err := c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return Queue{}, session.Fail(err, "find queue %s of %s in %s", name, account, region)
	}
	return queueAt(ctx, c, p, name)
}

func queueAt(ctx context.Context, c *cloud.Cloud, p session.Location, name string) (Queue, error) {
	client := session.Client(c, p, sqs.NewFromConfig)
	at, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return Queue{}, session.Fail(err, "find queue %s", name)
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return Queue{}, session.Fail(err, "get attributes of queue %s", name)
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
