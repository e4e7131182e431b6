package session

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/semaphore"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Location is one account in one Region, entered through one of the member roles ("" is with our own credentials).
type Location struct{ Account, Region, Role string }

type keptKey struct {
	kind reflect.Type
	at   Location
}

type memberKey struct{ account, role string }

// Client returns the one client of a service for a location, and makes it when it is new. One client per location keeps
// the SDK's rate limiter apart for each account and Region, as AWS's quotas are. It is for the packages below this one.
func Client[T, O any](c *Cloud, at Location, build func(aws.Config, ...func(*O)) T) T {
	return Kept(c, at, func() T { return build(c.configFor(at)) })
}

// Kept returns the one value of its type for a location, and makes it when it is new: what all that is opened on one
// Cloud shares, such as a limiter. make must not call Client or Kept.
func Kept[T any](c *Cloud, at Location, make func() T) T {
	key := keptKey{kind: reflect.TypeFor[T](), at: at}
	c.mu.Lock()
	defer c.mu.Unlock()
	if there, found := c.kept[key]; found {
		return there.(T)
	}
	value := make()
	c.kept[key] = value
	return value
}

// configOf is configFor for callers without the lock.
func (c *Cloud) configOf(at Location) aws.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configFor(at)
}

// configFor is called with the lock held.
func (c *Cloud) configFor(at Location) aws.Config {
	cfg := c.base.Copy()
	cfg.Region = at.Region
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), fence(changes(at.Role)))
	if at.Role == "" {
		return cfg
	}
	key := memberKey{account: at.Account, role: at.Role}
	member, found := c.members[key]
	if !found {
		member = c.newMember(key)
		c.members[key] = member
	}
	cfg.Credentials = member
	cfg.APIOptions = append(cfg.APIOptions, renew(member, !changes(at.Role)))
	return cfg
}

// Locate says how to reach an account and Region: through the member role, or with our own credentials where no roles
// are assumed. Another account than our own is never entered with our credentials.
func (c *Cloud) Locate(ctx context.Context, account, region, role string) (Location, error) {
	if !IsAccountID(account) || region == "" {
		return Location{}, fmt.Errorf("%w: account %q, Region %q", guard.ErrNotOurs, account, region)
	}
	if c.opt.AssumeRoles {
		return Location{Account: account, Region: region, Role: role}, nil
	}
	own, err := c.Own(ctx)
	if err != nil {
		return Location{}, err
	}
	if own != account {
		return Location{}, fmt.Errorf("%w: account %s, and no role to enter it with", guard.ErrNotOurs, account)
	}
	return Location{Account: account, Region: region}, nil
}

// Guarded refuses Regions that nobody asked us to look at.
func (c *Cloud) Guarded(region string) error {
	if len(c.opt.Regions) == 0 || slices.Contains(c.opt.Regions, region) {
		return nil
	}
	return fmt.Errorf("%w: Region %q is not guarded", guard.ErrNotOurs, region)
}

// Home is where our own table, bus and topics are.
func (c *Cloud) Home() Location { return Location{Account: c.opt.HubAccount, Region: c.opt.Region} }

// Options are those that the cloud was opened with, defaults filled in.
func (c *Cloud) Options() Options { return c.opt }

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
	since   time.Time
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
	m.since, m.until = m.now(), aws.ToTime(out.Credentials.Expiration)
	return m.current, nil
}
