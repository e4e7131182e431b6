package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Identity is who AWS takes us for.
type Identity struct {
	Account string
	ARN     string
	UserID  string
}

// Identity asks who our own credentials belong to.
func (c *Cloud) Identity(ctx context.Context) (Identity, error) {
	client := clientFor(c, "sts", c.home(), func(cfg aws.Config) *sts.Client { return sts.NewFromConfig(cfg) })
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, fail(err, "get caller identity")
	}
	return Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId)}, nil
}

// ownAccount is the account of our own credentials: asked once, never believed from configuration.
func (c *Cloud) ownAccount(ctx context.Context) (string, error) {
	c.mu.Lock()
	own := c.own
	c.mu.Unlock()
	if own != "" {
		return own, nil
	}
	id, err := c.Identity(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	c.own = id.Account
	c.mu.Unlock()
	return id.Account, nil
}
