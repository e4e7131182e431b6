package secrets

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Keys reads KMS keys, in every account. What a key is stays cached for minutes.
type Keys struct {
	c     *cloud.Cloud
	cache *keyCache
	last  *lastKeys // nil: only what KMS says now
}

// NewKeys opens KMS. All keys that are opened on one Cloud share what they remember.
func NewKeys(c *cloud.Cloud) *Keys {
	o := c.Options()
	return &Keys{c: c, cache: session.Kept(c, c.Home(), func() *keyCache { return newKeyCache(o.KeyTTL, o.Now) })}
}

// Describe says what a key is, asked by id, ARN, alias or alias ARN. A key that does not exist (any more) is an answer,
// not an error: its state is guard.KeyMissing. Errors: guard.ErrDenied, ErrNotOurs, ErrRefused, ErrThrottled.
func (k *Keys) Describe(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	if err := k.c.Guarded(keyRegion(ref.Region, ref.ID)); err != nil {
		return guard.Key{}, session.Fail(err, "describe key %s", ref.ID)
	}
	return k.describe(ctx, ref)
}

// Invalidate forgets what is cached of a key, asked for by any of its names. Call it when an event says that the key,
// or an alias, changed.
func (k *Keys) Invalidate(names ...string) {
	for _, name := range names {
		k.cache.forget(name)
	}
}

// inUse says what a key is that a secret, version or replica of the account refers to. "" and the sentinel are the
// AWS managed key, which DescribeKey is never asked for. A key we may not see stays in the answer as unknown.
func (k *Keys) inUse(ctx context.Context, account, region, id string) (guard.Key, error) {
	if id == "" || id == guard.DefaultKeyID {
		return guard.Key{ID: guard.DefaultKeyID, Account: account, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}, nil
	}
	ref := guard.KeyRef{Account: account, Region: region, ID: id}
	key, err := k.describeOrLast(ctx, ref)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		return unseenKey(ref), nil
	default:
		return guard.Key{}, err
	}
}

func (k *Keys) describe(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	cached := ref.Account + "|" + ref.Region + "|" + ref.ID
	if key, err, found := k.cache.get(cached); found {
		return key, err
	}
	key, err := k.ask(ctx, ref)
	err = session.Fail(err, "describe key %s", ref.ID)
	k.cache.put(cached, ref.ID, key, err)
	return key, err
}

// ask asks in the account that owns the key; where we cannot enter that, it asks from the account that uses it,
// which the key's policy may allow.
func (k *Keys) ask(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	owner, region := ref.Account, keyRegion(ref.Region, ref.ID)
	if a := arn.Of(ref.ID); a.Account != "" {
		owner = a.Account
	}
	key, err := k.askIn(ctx, owner, region, ref)
	if errors.Is(err, guard.ErrNotOurs) && session.IsAccountID(ref.Account) && ref.Account != owner {
		return k.askIn(ctx, ref.Account, region, ref)
	}
	return key, err
}

func (k *Keys) askIn(ctx context.Context, account, region string, ref guard.KeyRef) (guard.Key, error) {
	p, err := k.c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return guard.Key{}, err
	}
	client := session.Client(k.c, p, kms.NewFromConfig)
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &ref.ID})
	if err = session.Fail(err, "ask KMS in %s", account); errors.Is(err, guard.ErrGone) {
		key := unseenKey(ref)
		key.State = guard.KeyMissing
		return key, nil
	}
	if err != nil {
		return guard.Key{}, err
	}
	key := keyOf(out.KeyMetadata)
	if k.c.Options().KeyDetails && key.Manager == guard.ManagerCustomer && key.Account == account {
		return key, readDetails(ctx, client, &key)
	}
	return key, nil
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
		Spec:        string(m.KeySpec),
		Usage:       string(m.KeyUsage),

		Store:        aws.ToString(m.CustomKeyStoreId),
		DeletionDate: aws.ToTime(m.DeletionDate),
		Window:       int(aws.ToInt32(m.PendingDeletionWindowInDays)),
		ValidTo:      aws.ToTime(m.ValidTo),
	}
}

// unseenKey is what a reference alone says of a key: an id or key ARN is its ARN, an alias only hints at it.
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
