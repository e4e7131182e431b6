package cloud

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/semaphore"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// place is one account in one Region, entered through one of the member roles ("" is with our own credentials).
type place struct{ account, region, role string }

type clientKey struct {
	service string
	place
}

type memberKey struct{ account, role string }

// clientFor returns the one client of a service for a place, and makes it when it is new. One client per place keeps
// the SDK's rate limiter apart for each account and Region, as AWS's quotas are.
func clientFor[T any](c *Cloud, service string, p place, build func(aws.Config) T) T {
	key := clientKey{service: service, place: p}
	c.mu.Lock()
	defer c.mu.Unlock()
	if client, found := c.clients[key]; found {
		return client.(T)
	}
	client := build(c.configFor(p))
	c.clients[key] = client
	return client
}

// configOf is configFor for callers without the lock.
func (c *Cloud) configOf(p place) aws.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configFor(p)
}

// configFor is called with the lock held.
func (c *Cloud) configFor(p place) aws.Config {
	cfg := c.base.Copy()
	cfg.Region = p.region
	if p.role == "" {
		return cfg
	}
	key := memberKey{account: p.account, role: p.role}
	member, found := c.members[key]
	if !found {
		member = c.newMember(key)
		c.members[key] = member
	}
	cfg.Credentials = member
	return cfg
}

// enter says how to reach an account and Region. Another account than our own is never entered with our credentials.
func (c *Cloud) enter(ctx context.Context, account, region, role string) (place, error) {
	if !isAccountID(account) || region == "" {
		return place{}, fmt.Errorf("%w: account %q, Region %q", guard.ErrNotOurs, account, region)
	}
	if c.opt.AssumeRoles {
		return place{account: account, region: region, role: role}, nil
	}
	own, err := c.ownAccount(ctx)
	if err != nil {
		return place{}, err
	}
	if own != account {
		return place{}, fmt.Errorf("%w: account %s, and no role to enter it with", guard.ErrNotOurs, account)
	}
	return place{account: account, region: region}, nil
}

// guarded refuses Regions that nobody asked us to look at.
func (c *Cloud) guarded(region string) error {
	if len(c.opt.Regions) == 0 || slices.Contains(c.opt.Regions, region) {
		return nil
	}
	return fmt.Errorf("%w: Region %q is not guarded", guard.ErrNotOurs, region)
}

// home is where our own table, bus and topics are.
func (c *Cloud) home() place { return place{account: c.opt.HubAccount, region: c.opt.Region} }

func (c *Cloud) newMember(key memberKey) *memberCredentials {
	return &memberCredentials{
		sts:     sts.NewFromConfig(c.base),
		roleARN: arn.PartitionOf(c.opt.Region).Role(key.account, key.role),
		session: settings.SessionPrefix + c.opt.Session,
		now:     c.opt.Now,
		turn:    semaphore.NewWeighted(1),
	}
}

// memberCredentials assumes a member role and keeps its credentials until shortly before they end, by our own clock.
type memberCredentials struct {
	sts     *sts.Client
	roleARN string
	session string
	now     func() time.Time
	turn    *semaphore.Weighted // held while looking, so that many callers assume the role once

	current aws.Credentials
	until   time.Time
}

// refreshBefore is how long before their end credentials are replaced.
const refreshBefore = 2 * time.Minute

// Retrieve implements aws.CredentialsProvider.
func (m *memberCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := m.turn.Acquire(ctx, 1); err != nil {
		return aws.Credentials{}, err
	}
	defer m.turn.Release(1)
	if m.current.HasKeys() && m.now().Before(m.until.Add(-refreshBefore)) {
		return m.current, nil
	}
	out, err := m.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &m.roleARN, RoleSessionName: &m.session})
	if err != nil {
		return aws.Credentials{}, notEntered(err, m.roleARN)
	}
	if out.Credentials == nil {
		return aws.Credentials{}, fmt.Errorf("assume role %s: no credentials in the answer", m.roleARN)
	}
	m.current = aws.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
		Source:          m.roleARN,
	}
	m.until = aws.ToTime(out.Credentials.Expiration)
	return m.current, nil
}
