package secrets

import (
	"context"

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

// Outline yields every secret of an account and Region as ListSecrets has it: List without looking at keys, which is
// one call a hundred secrets. An error of yield ends it.
func (s *Secrets) Outline(ctx context.Context, account, region string, yield func(guard.Secret) error) error {
	return s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		return yield(listedSecret(entry))
	})
}
