package secrets

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// List yields every key of an account and Region, the AWS managed ones too. An error of yield ends it.
func (k *Keys) List(ctx context.Context, account, region string, yield func(guard.Key) error) error {
	if err := k.c.Guarded(region); err != nil {
		return session.Fail(err, "list keys of %s", account)
	}
	p, err := k.c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return session.Fail(err, "list keys of %s in %s", account, region)
	}
	pages := kms.NewListKeysPaginator(session.Client(k.c, p, kms.NewFromConfig), &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list keys of %s in %s", account, region)
		}
		for _, entry := range page.Keys {
			key, err := k.inUse(ctx, account, region, aws.ToString(entry.KeyArn))
			if err != nil {
				return err
			}
			if err := yield(key); err != nil {
				return err
			}
		}
	}
	return nil
}

// InStore lists the keys of a custom key store, and those of its account and Region that may not be described: each may be in it.
func (k *Keys) InStore(ctx context.Context, account, region, store string) ([]guard.Key, error) {
	var found []guard.Key
	err := k.List(ctx, account, region, func(key guard.Key) error {
		if key.Store == store || key.Manager == guard.ManagerUnknown && key.State == guard.KeyStateUnknown {
			found = append(found, key)
		}
		return nil
	})
	return found, err
}

// KeyAndPolicy is a customer managed key and everything about its use. The errors say what could not be read.
type KeyAndPolicy struct {
	Key         guard.Key // with aliases and tags, where they could be read
	CreatedAt   time.Time
	Policy      string // JSON
	PolicyErr   error
	Shared      string // policy by which AWS RAM shares the key, JSON; "" where it does not
	SharedErr   error
	Grants      []Grant
	GrantsErr   error
	Rotation    Rotation
	RotationErr error
	Use         KeyUse
	UseErr      error
}

// All yields every customer managed key of an account and Region. It reads several at once and yields one at a time,
// in no order. A key that is deleted meanwhile is left out.
func (k *Keys) All(ctx context.Context, account, region string, yield func(KeyAndPolicy)) error {
	p, err := k.c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return session.Fail(err, "list keys of %s in %s", account, region)
	}
	client := session.Client(k.c, p, kms.NewFromConfig)
	pool := k.c.Workers()
	var mu sync.Mutex
	pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for pages.HasMorePages() && err == nil {
		var page *kms.ListKeysOutput
		if page, err = pages.NextPage(ctx); err != nil {
			err = session.Fail(err, "list keys of %s in %s", account, region)
			break
		}
		for _, entry := range page.Keys {
			if err = pool.Do(ctx, func() error {
				found, err := k.read(ctx, client, aws.ToString(entry.KeyArn))
				if err != nil || found == nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				yield(*found)
				return nil
			}); err != nil {
				break
			}
		}
	}
	return errors.Join(err, pool.Wait())
}

// One reads a customer managed key wherever it is; nil for one that AWS manages or that does not exist.
func (k *Keys) One(ctx context.Context, account, region, id string) (*KeyAndPolicy, error) {
	p, err := k.c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return nil, session.Fail(err, "describe key %s", id)
	}
	return k.read(ctx, session.Client(k.c, p, kms.NewFromConfig), id)
}

func (k *Keys) read(ctx context.Context, client *kms.Client, id string) (*KeyAndPolicy, error) {
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err = session.Fail(err, "describe key %s", id); errors.Is(err, guard.ErrGone) {
		return nil, nil //nolint:nilnil // gone is an answer
	}
	if err != nil {
		return nil, err
	}
	found := &KeyAndPolicy{Key: keyOf(out.KeyMetadata)}
	if found.Key.Manager != guard.ManagerCustomer {
		return nil, nil //nolint:nilnil // not a customer's key
	}
	found.CreatedAt = aws.ToTime(out.KeyMetadata.CreationDate)
	if err := readDetails(ctx, client, &found.Key); err != nil {
		return nil, err
	}
	found.Policy, found.PolicyErr = k.Policy(ctx, found.Key)
	found.Shared, found.SharedErr = k.Shared(ctx, found.Key)
	found.Grants, found.GrantsErr = k.Grants(ctx, found.Key)
	found.Rotation, found.RotationErr = k.Rotation(ctx, found.Key)
	found.Use, found.UseErr = k.LastUse(ctx, found.Key)
	return found, nil
}
