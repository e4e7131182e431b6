package queues

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Hide keeps a message of a queue that was received, by its receipt handle, from all others: from now on and for d, in seconds.
func Hide(ctx context.Context, c *cloud.Cloud, queue, receipt string, d time.Duration) error {
	a := arn.Of(queue)
	if a.Service != "sqs" {
		return fmt.Errorf("hide message: %q is not the ARN of a queue", queue)
	}
	client := session.Client(c, session.Location{Account: a.Account, Region: a.Region}, sqs.NewFromConfig)
	_, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: aws.String(urlOf(a)), ReceiptHandle: &receipt, VisibilityTimeout: int32(d / time.Second), //nolint:gosec // six times a function's time
	})
	return session.Fail(err, "hide message of %s", queue)
}
