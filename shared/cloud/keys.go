package cloud

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Keys reads KMS keys, in every account, and switches them off and on. What a key is stays cached for minutes.
type Keys struct{ c *Cloud }

// Keys opens KMS.
func (c *Cloud) Keys() *Keys { return &Keys{c: c} }

// Describe says what a key is, asked by id, ARN, alias or alias ARN. A key that does not exist (any more) is an answer,
// not an error: its state is guard.KeyMissing. Errors: guard.ErrDenied, ErrNotOurs, ErrRefused, ErrThrottled.
func (k *Keys) Describe(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	if err := k.c.guarded(keyRegion(ref.Region, ref.ID)); err != nil {
		return guard.Key{}, fail(err, "describe key %s", ref.ID)
	}
	return k.c.describeKey(ctx, ref)
}

// Invalidate forgets what is cached of a key, asked for by any of its names. Call it when an event says that the key,
// or an alias, changed.
func (k *Keys) Invalidate(names ...string) {
	for _, name := range names {
		k.c.keys.forget(name)
	}
}

// keyInUse says what a key is that a secret, version or replica of the account refers to. "" and the sentinel are the
// AWS managed key, which DescribeKey is never asked for. A key we may not see stays in the answer as unknown.
func (c *Cloud) keyInUse(ctx context.Context, account, region, id string) (guard.Key, error) {
	if id == "" || id == guard.DefaultKeyID {
		return guard.Key{ID: guard.DefaultKeyID, Account: account, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}, nil
	}
	ref := guard.KeyRef{Account: account, Region: region, ID: id}
	key, err := c.describeKey(ctx, ref)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		return unseenKey(ref), nil
	default:
		return guard.Key{}, err
	}
}

func (c *Cloud) describeKey(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	cached := ref.Account + "|" + ref.Region + "|" + ref.ID
	if key, err, found := c.keys.get(cached); found {
		return key, err
	}
	key, err := c.readKey(ctx, ref)
	err = fail(err, "describe key %s", ref.ID)
	c.keys.put(cached, ref.ID, key, err)
	return key, err
}

// readKey asks in the account that owns the key; where we cannot enter that, it asks from the account that uses it,
// which the key's policy may allow.
func (c *Cloud) readKey(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	owner, region := ref.Account, keyRegion(ref.Region, ref.ID)
	if a := arn.Of(ref.ID); a.Account != "" {
		owner = a.Account
	}
	key, err := c.askKey(ctx, owner, region, ref)
	if errors.Is(err, guard.ErrNotOurs) && isAccountID(ref.Account) && ref.Account != owner {
		return c.askKey(ctx, ref.Account, region, ref)
	}
	return key, err
}

func (c *Cloud) askKey(ctx context.Context, account, region string, ref guard.KeyRef) (guard.Key, error) {
	p, err := c.enter(ctx, account, region, settings.RoleRead)
	if err != nil {
		return guard.Key{}, err
	}
	client := c.kms(p)
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &ref.ID})
	if errors.Is(meanings[errorCode(err)], guard.ErrGone) {
		key := unseenKey(ref)
		key.State = guard.KeyMissing
		return key, nil
	}
	if err != nil {
		return guard.Key{}, fail(err, "ask KMS in %s", account)
	}
	key := keyOf(out.KeyMetadata)
	if c.opt.KeyDetails && key.Manager == guard.ManagerCustomer && key.Account == account {
		return key, readDetails(ctx, client, &key)
	}
	return key, nil
}

func (c *Cloud) kms(p place) *kms.Client {
	return clientFor(c, "kms", p, func(cfg aws.Config) *kms.Client { return kms.NewFromConfig(cfg) })
}

func keyOf(m *types.KeyMetadata) guard.Key {
	if m == nil {
		return guard.Key{}
	}
	where := arn.Of(aws.ToString(m.Arn))
	return guard.Key{
		ARN:         aws.ToString(m.Arn),
		ID:          aws.ToString(m.KeyId),
		Account:     where.Account,
		Region:      where.Region,
		Manager:     guard.KeyManager(m.KeyManager),
		State:       guard.KeyState(m.KeyState),
		MultiRegion: aws.ToBool(m.MultiRegion),
		Origin:      string(m.Origin),
	}
}

// unseenKey is what a reference alone tells of a key: an id or key ARN is its ARN, an alias only hints at it.
func unseenKey(ref guard.KeyRef) guard.Key {
	a := arn.Of(ref.ID)
	switch {
	case strings.HasPrefix(a.Resource, "key/"):
		return guard.Key{ARN: ref.ID, ID: strings.TrimPrefix(a.Resource, "key/"), Account: a.Account, Region: a.Region}
	case a.Account != "":
		return guard.Key{ID: ref.ID, Account: a.Account, Region: a.Region}
	case strings.HasPrefix(ref.ID, "alias/"):
		return guard.Key{ID: ref.ID, Account: ref.Account, Region: ref.Region}
	default:
		return guard.Key{ARN: arn.PartitionOf(ref.Region).New("kms", ref.Region, ref.Account, "key/"+ref.ID).String(),
			ID: ref.ID, Account: ref.Account, Region: ref.Region}
	}
}

func keyRegion(region, id string) string {
	if a := arn.Of(id); a.Region != "" {
		return a.Region
	}
	return region
}
