package secrets

import (
	"context"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/guard"
)

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
	pool := s.c.Workers()
	var mu sync.Mutex
	err := s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		listed := listedSecret(entry)
		return pool.Do(ctx, func() error {
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
	return errors.Join(err, pool.Wait())
}

func (s *Secrets) withPolicy(ctx context.Context, listed guard.Secret) (SecretAndPolicy, error) {
	ref := guard.SecretRef{Account: listed.Account, Region: listed.Region, ID: listed.ARN}
	secret, err := s.Describe(ctx, ref)
	switch {
	case errors.Is(err, guard.ErrDenied): // what the list says is still true
		secret = listed
		if secret.Key, err = s.keys.inUse(ctx, listed.Account, listed.Region, listed.KeyID); err != nil {
			return SecretAndPolicy{}, err
		}
	case errors.Is(err, guard.ErrGone), ctx.Err() != nil:
		return SecretAndPolicy{}, err
	case err != nil: // it is there, and nothing else of it is known: its neighbours are
		return SecretAndPolicy{Secret: listed, PolicyErr: err}, nil
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
