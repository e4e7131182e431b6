package cloud

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Own is the account of our own credentials.
func (c *Cloud) Own(ctx context.Context) (string, error) { return c.ownAccount(ctx) }

// SecretAndPolicy is a secret, fully described, and the policy on it.
type SecretAndPolicy struct {
	Secret    guard.Secret
	Policy    string // JSON; "" for none
	PolicyErr error  // why the policy could not be read
}

// All yields every secret of an account and Region, described with its versions and keys, with its policy. It reads
// several at once and yields one at a time, in no order. A secret that is deleted meanwhile is left out; one that is
// pending deletion is yielded as the list has it. Errors are those of List.
func (s *Secrets) All(ctx context.Context, account, region string, yield func(SecretAndPolicy)) error {
	pool := newWorkers(s.c.opt.Concurrency)
	var mu sync.Mutex
	err := s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		listed := listedSecret(entry)
		return pool.do(ctx, func() error {
			found, err := s.withPolicy(ctx, listed)
			if errors.Is(err, guard.ErrGone) {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			yield(found)
			return nil
		})
	})
	return errors.Join(err, pool.wait())
}

func (s *Secrets) withPolicy(ctx context.Context, listed guard.Secret) (SecretAndPolicy, error) {
	ref := guard.SecretRef{Account: listed.Account, Region: listed.Region, ID: listed.ARN}
	secret, err := s.Describe(ctx, ref)
	switch {
	case errors.Is(err, guard.ErrDenied): // what the list tells is still true
		secret = listed
		if secret.Key, err = s.c.keyInUse(ctx, listed.Account, listed.Region, listed.KeyID); err != nil {
			return SecretAndPolicy{}, err
		}
	case err != nil:
		return SecretAndPolicy{}, err
	}
	found := SecretAndPolicy{Secret: secret}
	found.Policy, found.PolicyErr = s.ResourcePolicy(ctx, ref)
	switch {
	case errors.Is(found.PolicyErr, guard.ErrGone):
		return SecretAndPolicy{}, found.PolicyErr
	case secret.PendingDeletion() && errors.Is(found.PolicyErr, guard.ErrRefused):
		found.PolicyErr = nil // nobody can read it, whatever its policy says
	}
	return found, nil
}

// KeyAndPolicy is a customer managed key and everything about its use. The errors say what could not be read.
type KeyAndPolicy struct {
	Key         guard.Key // with aliases and tags, where they could be read
	CreatedAt   time.Time
	Policy      string // JSON
	PolicyErr   error
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
	p, err := k.c.enter(ctx, account, region, settings.RoleRead)
	if err != nil {
		return fail(err, "list keys of %s in %s", account, region)
	}
	client := k.c.kms(p)
	pool := newWorkers(k.c.opt.Concurrency)
	var mu sync.Mutex
	pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for pages.HasMorePages() && err == nil {
		var page *kms.ListKeysOutput
		if page, err = pages.NextPage(ctx); err != nil {
			err = fail(err, "list keys of %s in %s", account, region)
			break
		}
		for _, entry := range page.Keys {
			if err = pool.do(ctx, func() error {
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
	return errors.Join(err, pool.wait())
}

// One reads a customer managed key wherever it is; nil for one that AWS manages or that does not exist.
func (k *Keys) One(ctx context.Context, account, region, id string) (*KeyAndPolicy, error) {
	p, err := k.c.enter(ctx, account, region, settings.RoleRead)
	if err != nil {
		return nil, fail(err, "describe key %s", id)
	}
	return k.read(ctx, k.c.kms(p), id)
}

func (k *Keys) read(ctx context.Context, client *kms.Client, id string) (*KeyAndPolicy, error) {
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err = fail(err, "describe key %s", id); errors.Is(err, guard.ErrGone) {
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
	found.Grants, found.GrantsErr = k.Grants(ctx, found.Key)
	found.Rotation, found.RotationErr = k.Rotation(ctx, found.Key)
	found.Use, found.UseErr = k.LastUse(ctx, found.Key)
	return found, nil
}
