package session

import (
	"context"
	"errors"
	"fmt"

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
	client := Client(c, c.Home(), sts.NewFromConfig)
	out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, Fail(err, "get caller identity")
	}
	return Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId)}, nil
}

// Credentials errs when there are none of our own: it asks whatever holds them, and no service of AWS's account.
func (c *Cloud) Credentials(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	if c.base.Credentials == nil {
		return errors.New("get credentials: there are none")
	}
	_, err := c.base.Credentials.Retrieve(ctx)
	return Fail(err, "get credentials")
}

// Own is the account of our own credentials: asked once, never believed from configuration.
func (c *Cloud) Own(ctx context.Context) (string, error) {
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

// Enter assumes a member role and reports whether that can be done: nil, or guard.ErrNotOurs.
func (c *Cloud) Enter(ctx context.Context, account, role string) error {
	if !IsAccountID(account) {
		return fmt.Errorf("enter account %q: want 12 digits", account)
	}
	credentials := c.configOf(Location{Account: account, Region: c.opt.Region, Role: role}).Credentials
	_, err := credentials.Retrieve(ctx)
	return Fail(err, "enter account %s", account)
}
