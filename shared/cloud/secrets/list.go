package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// List yields every secret of an account and Region, those pending deletion too, with its key but without versions and
// replicas (VersionsUnread is set). AWS's list may be five minutes old: Describe is fresher. An error of yield ends it.
func (s *Secrets) List(ctx context.Context, account, region string, yield func(guard.Secret) error) error {
	return s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		secret := listedSecret(entry)
		key, err := s.keys.inUse(ctx, secret.Account, secret.Region, secret.KeyID)
		if err != nil {
			return session.Fail(err, "describe key of %s", secret.ARN)
		}
		secret.Key = key
		return yield(secret)
	})
}

func (s *Secrets) list(ctx context.Context, account, region string, each func(*secretsmanager.Client, types.SecretListEntry) error) error {
	client, _, err := s.enter(ctx, guard.SecretRef{Account: account, Region: region}, settings.RoleRead)
	if err != nil {
		return session.Fail(err, "list secrets of %s in %s", account, region)
	}
	pages := secretsmanager.NewListSecretsPaginator(client, &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(100), IncludePlannedDeletion: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list secrets of %s in %s", account, region)
		}
		for _, entry := range page.SecretList {
			if err := each(client, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func listedSecret(e types.SecretListEntry) guard.Secret {
	where := arn.Of(aws.ToString(e.ARN))
	return guard.Secret{
		ARN:               aws.ToString(e.ARN),
		Name:              aws.ToString(e.Name),
		Account:           where.Account,
		Region:            where.Region,
		KeyID:             aws.ToString(e.KmsKeyId),
		VersionsUnread:    true,
		OwningService:     aws.ToString(e.OwningService),
		PrimaryRegion:     aws.ToString(e.PrimaryRegion),
		Tags:              tagMap(e.Tags),
		RotationEnabled:   aws.ToBool(e.RotationEnabled),
		RotationLambdaARN: aws.ToString(e.RotationLambdaARN),
		RotationRoleARN:   aws.ToString(e.ExternalSecretRotationRoleArn),
		Type:              aws.ToString(e.Type),
		TypeRead:          true,
		CreatedAt:         aws.ToTime(e.CreatedDate),
		LastChangedAt:     aws.ToTime(e.LastChangedDate),
		LastAccessedAt:    aws.ToTime(e.LastAccessedDate),
		DeletedAt:         aws.ToTime(e.DeletedDate),
	}
}

// UsingKey finds the secrets of the accounts that are under a key, or that an older copy still ties to it. AWS has no
// index for this: every secret in the key's Region is looked at, which costs one ListSecretVersionIds a secret (50 a
// second and account). The secrets come fully described, sorted by ARN. An account that could not be read is in the
// error, and what the others hold is returned beside it.
func (s *Secrets) UsingKey(ctx context.Context, key guard.Key, accounts []string) ([]guard.Secret, error) {
	var found []guard.Secret
	var failed []error
	for _, account := range accounts {
		secrets, err := s.usingKeyIn(ctx, key, account)
		found = append(found, secrets...)
		if err != nil {
			failed = append(failed, err)
		}
	}
	slices.SortFunc(found, func(a, b guard.Secret) int { return cmp.Compare(a.ARN, b.ARN) })
	return found, errors.Join(failed...)
}

func (s *Secrets) usingKeyIn(ctx context.Context, key guard.Key, account string) ([]guard.Secret, error) {
	pool := s.c.Workers()
	var mu sync.Mutex
	var found []guard.Secret
	err := s.list(ctx, account, key.Region, func(client *secretsmanager.Client, entry types.SecretListEntry) error {
		return pool.Do(ctx, func() error {
			secret := listedSecret(entry)
			uses, err := s.uses(ctx, client, &secret, key)
			if err != nil || !uses {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, secret)
			return nil
		})
	})
	return found, errors.Join(err, pool.Wait())
}

// uses reads the versions first: most secrets are under other keys, and cost no further call. A secret that is deleted
// meanwhile uses nothing.
func (s *Secrets) uses(ctx context.Context, client *secretsmanager.Client, secret *guard.Secret, key guard.Key) (bool, error) {
	secret.VersionsUnread = false
	err := s.readVersions(ctx, client, secret)
	if err == nil {
		err = s.readKeys(ctx, secret)
	}
	if errors.Is(err, guard.ErrGone) {
		return false, nil
	}
	if err == nil && secret.VersionsUnread && !secret.PendingDeletion() && !secret.Key.Same(key) {
		err = fmt.Errorf("list versions of %s: %w: cannot tell whether %s opens them", secret.ARN, guard.ErrDenied, key.ARN)
	}
	if err != nil || !touches(*secret, key) {
		return false, err
	}
	full, err := s.Describe(ctx, guard.SecretRef{Account: secret.Account, Region: secret.Region, ID: secret.ARN})
	if errors.Is(err, guard.ErrGone) {
		return false, nil
	}
	if err == nil {
		*secret = full
	}
	return err == nil, err
}

// touches reports whether the secret or any of its versions is under the key, or may be: AWS lists no key for a version that
// is labelled.
func touches(secret guard.Secret, key guard.Key) bool {
	if secret.Key.Same(key) {
		return true
	}
	return slices.ContainsFunc(guard.CopiesOf(secret).List, func(c guard.Copy) bool {
		return c.Needs(key) || c.More && c.Labelled()
	})
}

// Outline yields every secret of an account and Region as ListSecrets has it: List without looking at keys, which is
// one call a hundred secrets. An error of yield ends it.
func (s *Secrets) Outline(ctx context.Context, account, region string, yield func(guard.Secret) error) error {
	return s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		return yield(listedSecret(entry))
	})
}
