package secrets

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// Secrets reads and changes secrets, in every account, and never their values.
type Secrets struct {
	c    *cloud.Cloud
	keys *Keys
}

// New opens Secrets Manager, and KMS for the keys of secrets.
func New(c *cloud.Cloud) *Secrets { return &Secrets{c: c, keys: NewKeys(c)} }

// Remembering is New with answers in which what KMS said of keys is kept. While KMS cannot be asked, what it said last stands in
// for it, and Secret.AsOf says since when. It is for who changes no secret by it.
func Remembering(c *cloud.Cloud, answers store.Answers) *Secrets {
	keys := NewKeys(c)
	keys.last = newLastKeys(answers, c.Options().Now)
	return &Secrets{c: c, keys: keys}
}

// Describe answers what is true of a secret now, under its canonical ARN: metadata, the keys of every version, replica and
// copy in another account, and what those keys are. The ARN in ref.ID, where it is one, says the account and Region; ref says the rest.
// Errors: guard.ErrGone, ErrDenied, ErrNotOurs, ErrThrottled. What a missing permission hides inside the answer (versions,
// a key's metadata) is marked as unknown there instead.
func (s *Secrets) Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error) {
	client, p, err := s.enter(ctx, ref, settings.RoleRead)
	if err != nil {
		return guard.Secret{}, session.Fail(err, "describe secret %s", ref.ID)
	}
	secret, err := describeSecret(ctx, client, ref.ID)
	if err != nil {
		return guard.Secret{}, session.Fail(err, "describe secret %s", ref.ID)
	}
	if secret.Account != p.Account || secret.Region != p.Region {
		return guard.Secret{}, fmt.Errorf("describe secret %s: %w: asked account %s in %s, answered %s", ref.ID, guard.ErrNotOurs, p.Account, p.Region, secret.ARN)
	}
	if err := s.readVersions(ctx, client, &secret); err != nil {
		return guard.Secret{}, err
	}
	if err := s.readKeys(ctx, &secret); err != nil {
		return guard.Secret{}, session.Fail(err, "describe secret %s", secret.ARN)
	}
	if err := s.readReplicas(ctx, &secret); err != nil {
		return guard.Secret{}, err
	}
	if err := s.readElsewhere(ctx, secret.Elsewhere); err != nil {
		return guard.Secret{}, err
	}
	secret.AsOf = secret.OldKeys()
	return secret, nil
}

// enter finds the account and Region of a secret and opens them.
func (s *Secrets) enter(ctx context.Context, ref guard.SecretRef, role string) (*secretsmanager.Client, session.Location, error) {
	account, region := ref.Account, ref.Region
	if a := arn.Of(ref.ID); a.Account != "" {
		account, region = a.Account, a.Region
	}
	if err := s.c.Guarded(region); err != nil {
		return nil, session.Location{}, err
	}
	p, err := s.c.Locate(ctx, account, region, role)
	if err != nil {
		return nil, session.Location{}, err
	}
	return s.client(p), p, nil
}

func (s *Secrets) client(p session.Location) *secretsmanager.Client {
	return session.Client(s.c, p, secretsmanager.NewFromConfig)
}

func secretOf(out *secretsmanager.DescribeSecretOutput) guard.Secret {
	where := arn.Of(aws.ToString(out.ARN))
	secret := guard.Secret{
		ARN:               aws.ToString(out.ARN),
		Name:              aws.ToString(out.Name),
		Account:           where.Account,
		Region:            where.Region,
		KeyID:             aws.ToString(out.KmsKeyId),
		OwningService:     aws.ToString(out.OwningService),
		PrimaryRegion:     aws.ToString(out.PrimaryRegion),
		Tags:              tagMap(out.Tags),
		RotationEnabled:   aws.ToBool(out.RotationEnabled),
		RotationLambdaARN: aws.ToString(out.RotationLambdaARN),
		RotationRoleARN:   aws.ToString(out.ExternalSecretRotationRoleArn),
		Type:              aws.ToString(out.Type),
		TypeRead:          true,
		CreatedAt:         aws.ToTime(out.CreatedDate),
		LastChangedAt:     aws.ToTime(out.LastChangedDate),
		LastAccessedAt:    aws.ToTime(out.LastAccessedDate),
		DeletedAt:         aws.ToTime(out.DeletedDate),
	}
	for _, r := range out.ReplicationStatus {
		secret.Replicas = append(secret.Replicas, guard.Replica{
			Region:        aws.ToString(r.Region),
			KeyID:         aws.ToString(r.KmsKeyId),
			Status:        string(r.Status),
			StatusMessage: aws.ToString(r.StatusMessage),
		})
	}
	return secret
}

// readVersions lists every version, deprecated ones too: those may still open with an old key. The keys are only named
// here; readKeys says what they are.
func (s *Secrets) readVersions(ctx context.Context, client *secretsmanager.Client, secret *guard.Secret) error {
	versions, err := listVersions(ctx, client, secret.ARN)
	if err != nil {
		return unreadable(err, secret)
	}
	secret.Versions = versions
	return nil
}

func listVersions(ctx context.Context, client *secretsmanager.Client, id string) ([]guard.Version, error) {
	pages := secretsmanager.NewListSecretVersionIdsPaginator(client, &secretsmanager.ListSecretVersionIdsInput{
		SecretId: &id, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(100)})
	var versions []guard.Version
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list versions of %s", id)
		}
		for _, v := range page.Versions {
			versions = append(versions, versionOf(v))
		}
	}
	return versions, nil
}

// unreadable turns a refusal to list versions into a mark on the secret; other errors stay errors.
func unreadable(err error, secret *guard.Secret) error {
	if errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrRefused) {
		secret.VersionsUnread = true
		return nil
	}
	return err
}

func versionOf(v types.SecretVersionsListEntry) guard.Version {
	version := guard.Version{ID: aws.ToString(v.VersionId), Stages: v.VersionStages, CreatedAt: aws.ToTime(v.CreatedDate)}
	for _, id := range v.KmsKeyIds {
		version.Keys = append(version.Keys, guard.Key{ID: id})
	}
	return version
}

// readKeys says what the key of the secret, of every version and of every replica is.
func (s *Secrets) readKeys(ctx context.Context, secret *guard.Secret) (err error) {
	if secret.Key, err = s.keys.inUse(ctx, secret.Account, secret.Region, secret.KeyID); err != nil {
		return err
	}
	if err := s.readVersionKeys(ctx, secret.Account, secret.Region, secret.Versions); err != nil {
		return err
	}
	for i := range secret.Replicas {
		r := &secret.Replicas[i]
		if r.Key, err = s.keys.inUse(ctx, secret.Account, r.Region, r.KeyID); err != nil {
			return err
		}
	}
	return nil
}

// readVersionKeys says what the keys are that versions in a location open with.
func (s *Secrets) readVersionKeys(ctx context.Context, account, region string, versions []guard.Version) (err error) {
	for _, v := range versions {
		for i := range v.Keys {
			if v.Keys[i], err = s.keys.inUse(ctx, account, region, v.Keys[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func tagMap(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// ResourcePolicy returns the policy attached to the secret as JSON, "" when there is none.
func (s *Secrets) ResourcePolicy(ctx context.Context, ref guard.SecretRef) (string, error) {
	client, _, err := s.enter(ctx, ref, settings.RoleRead)
	if err != nil {
		return "", session.Fail(err, "get resource policy of %s", ref.ID)
	}
	out, err := client.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &ref.ID})
	if err != nil {
		return "", session.Fail(err, "get resource policy of %s", ref.ID)
	}
	return aws.ToString(out.ResourcePolicy), nil
}
