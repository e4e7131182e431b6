package secrets

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Tag adds tags to a secret; others stay as they are. It is safe to repeat. Service-owned and deleted secrets answer
// guard.ErrRefused.
func (s *Secrets) Tag(ctx context.Context, ref guard.SecretRef, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	client, _, err := s.enter(ctx, ref, settings.RoleTag)
	if err != nil {
		return session.Fail(err, "tag secret %s", ref.ID)
	}
	in := &secretsmanager.TagResourceInput{SecretId: &ref.ID}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(name), Value: aws.String(tags[name])})
	}
	_, err = client.TagResource(ctx, in)
	return session.Fail(err, "tag secret %s", ref.ID)
}

// Untag removes tags by name. Names that are not there are no error.
func (s *Secrets) Untag(ctx context.Context, ref guard.SecretRef, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	client, _, err := s.enter(ctx, ref, settings.RoleTag)
	if err != nil {
		return session.Fail(err, "untag secret %s", ref.ID)
	}
	_, err = client.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: &ref.ID, TagKeys: names})
	return session.Fail(err, "untag secret %s", ref.ID)
}

// Rekey sets the key of a secret and no value; "" goes back to the AWS managed key. AWS may answer success and
// re-encrypt nothing when a right on either key is missing: Describe says what really happened.
func (s *Secrets) Rekey(ctx context.Context, ref guard.SecretRef, keyARN string) error {
	client, _, err := s.enter(ctx, ref, settings.RoleChange)
	if err != nil {
		return session.Fail(err, "re-key secret %s", ref.ID)
	}
	_, err = client.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &ref.ID, KmsKeyId: &keyARN})
	return session.Fail(err, "re-key secret %s", ref.ID)
}

// Rotate starts a rotation with the rotation that is configured, which writes the new version that seals a secret.
func (s *Secrets) Rotate(ctx context.Context, ref guard.SecretRef) error {
	client, _, err := s.enter(ctx, ref, settings.RoleChange)
	if err != nil {
		return session.Fail(err, "rotate secret %s", ref.ID)
	}
	_, err = client.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &ref.ID, RotateImmediately: aws.Bool(true)})
	return session.Fail(err, "rotate secret %s", ref.ID)
}

// RemoveReplica takes the copy in a Region away. Readers there fail until AddReplica brings it back.
func (s *Secrets) RemoveReplica(ctx context.Context, ref guard.SecretRef, region string) error {
	client, _, err := s.enter(ctx, ref, settings.RoleChange)
	if err != nil {
		return session.Fail(err, "remove replica of %s in %s", ref.ID, region)
	}
	_, err = client.RemoveRegionsFromReplication(ctx, &secretsmanager.RemoveRegionsFromReplicationInput{
		SecretId: &ref.ID, RemoveReplicaRegions: []string{region}})
	return session.Fail(err, "remove replica of %s in %s", ref.ID, region)
}

// AddReplica copies a secret to a Region under a key of that Region; "" is the AWS managed key there. A secret of the
// same name there is never overwritten.
func (s *Secrets) AddReplica(ctx context.Context, ref guard.SecretRef, region, keyARN string) error {
	client, _, err := s.enter(ctx, ref, settings.RoleChange)
	if err != nil {
		return session.Fail(err, "replicate %s to %s", ref.ID, region)
	}
	_, err = client.ReplicateSecretToRegions(ctx, &secretsmanager.ReplicateSecretToRegionsInput{
		SecretId: &ref.ID, AddReplicaRegions: replicaRegions(map[string]string{region: keyARN})})
	return session.Fail(err, "replicate %s to %s", ref.ID, region)
}
