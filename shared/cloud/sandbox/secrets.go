package sandbox

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// DefaultKey is how ListSecretVersionIds names the AWS managed key.
const DefaultKey = "DefaultEncryptionKey"

func (s *Session) secrets() *secretsmanager.Client {
	return session.Client(s.c, s.at(), secretsmanager.NewFromConfig)
}

func (s *Session) secretTags() []types.Tag {
	return []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}
}

// CreateSecret makes a secret with a random value under a key; "" leaves the key out, which is the AWS managed one. It
// answers the ARN.
func (s *Session) CreateSecret(ctx context.Context, what, key string) (string, error) {
	return s.createSecret(ctx, what, key, nil)
}

// CreateReplicated is CreateSecret with a replica in a Region, for which no key is named.
func (s *Session) CreateReplicated(ctx context.Context, what, key, region string) (string, error) {
	if _, err := s.In(region).intend(Secret, what); err != nil {
		return "", err
	}
	return s.createSecret(ctx, what, key, []types.ReplicaRegionType{{Region: &region}})
}

func (s *Session) createSecret(ctx context.Context, what, key string, replicas []types.ReplicaRegionType) (string, error) {
	name, err := s.intend(Secret, what)
	if err != nil {
		return "", err
	}
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(rand.Text()), Tags: s.secretTags(), AddReplicaRegions: replicas}
	if key != "" {
		in.KmsKeyId = &key
	}
	out, err := s.secrets().CreateSecret(ctx, in)
	if err != nil {
		return "", session.Fail(err, "create secret %s", name)
	}
	return inAnswer(aws.ToString(out.ARN), "create secret %s", name)
}

// SetKey sets the key of a secret; "" is sent as it is.
func (s *Session) SetKey(ctx context.Context, id, key string) error {
	_, err := s.secrets().UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &id, KmsKeyId: &key})
	return session.Fail(err, "set key of secret %s", id)
}

// Put writes a new version with a random value, under labels; none is AWSCURRENT. It answers the version's id.
func (s *Session) Put(ctx context.Context, id string, labels ...string) (string, error) {
	out, err := s.secrets().PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: aws.String(rand.Text()), VersionStages: labels})
	if err != nil {
		return "", session.Fail(err, "put value of secret %s", id)
	}
	return inAnswer(aws.ToString(out.VersionId), "put value of secret %s", id)
}

// Read reads the current version of a secret that the run made, and drops what it read.
func (s *Session) Read(ctx context.Context, id string) error {
	_, err := s.secrets().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	return session.Fail(err, "read secret %s", id)
}

// Described is a secret as DescribeSecret shows it.
type Described struct {
	ARN, Name, Key string // Key is "" where none is shown
	Owner          string // service that owns it
	PrimaryRegion  string
	Replicas       map[string]Replica // by Region
	Tags           map[string]string
	Pending        bool // it is to be deleted
	Rotates        bool
}

// Replica is a replica as its primary shows it.
type Replica struct{ Key, Status string }

// Statuses of a replica.
const (
	InSync     = string(types.StatusTypeInSync)
	InProgress = string(types.StatusTypeInProgress)
	Failed     = string(types.StatusTypeFailed)
)

// Describe looks at a secret.
func (s *Session) Describe(ctx context.Context, id string) (Described, error) {
	out, err := s.secrets().DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		return Described{}, session.Fail(err, "describe secret %s", id)
	}
	d := Described{ARN: aws.ToString(out.ARN), Name: aws.ToString(out.Name), Key: aws.ToString(out.KmsKeyId), Owner: aws.ToString(out.OwningService),
		PrimaryRegion: aws.ToString(out.PrimaryRegion), Replicas: map[string]Replica{}, Tags: map[string]string{}, Pending: out.DeletedDate != nil, Rotates: aws.ToBool(out.RotationEnabled)}
	for _, tag := range out.Tags {
		d.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for _, r := range out.ReplicationStatus {
		d.Replicas[aws.ToString(r.Region)] = Replica{Key: aws.ToString(r.KmsKeyId), Status: string(r.Status)}
	}
	return d, nil
}

// Version is a version of a secret.
type Version struct {
	ID     string
	Labels []string
	Keys   []string // in AWS's order; DefaultKey is the AWS managed one
}

// Versions lists the versions of a secret, those without a label too.
func (s *Session) Versions(ctx context.Context, id string) ([]Version, error) {
	var all []Version
	pages := secretsmanager.NewListSecretVersionIdsPaginator(s.secrets(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &id, IncludeDeprecated: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list versions of secret %s", id)
		}
		for _, v := range page.Versions {
			all = append(all, Version{ID: aws.ToString(v.VersionId), Labels: v.VersionStages, Keys: v.KmsKeyIds})
		}
	}
	return all, nil
}

// Replicate copies a secret to a Region under a key; "" leaves the key out.
func (s *Session) Replicate(ctx context.Context, id, region, key string) error {
	d, err := s.Describe(ctx, id)
	if err != nil {
		return err
	}
	if err := s.journal(Resource{Kind: Secret, Account: s.account, Region: region, Name: d.Name}); err != nil {
		return err
	}
	replica := types.ReplicaRegionType{Region: &region}
	if key != "" {
		replica.KmsKeyId = &key
	}
	_, err = s.secrets().ReplicateSecretToRegions(ctx, &secretsmanager.ReplicateSecretToRegionsInput{SecretId: &id, AddReplicaRegions: []types.ReplicaRegionType{replica}})
	return session.Fail(err, "replicate secret %s to %s", id, region)
}

// Promote makes a replica, in whose Region the session acts, a secret of its own.
func (s *Session) Promote(ctx context.Context, id string) error {
	_, err := s.secrets().StopReplicationToReplica(ctx, &secretsmanager.StopReplicationToReplicaInput{SecretId: &id})
	return session.Fail(err, "promote replica %s", id)
}

// TagSecret adds one tag to a secret.
func (s *Session) TagSecret(ctx context.Context, id, key, value string) error {
	_, err := s.secrets().TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &id, Tags: []types.Tag{{Key: &key, Value: &value}}})
	return session.Fail(err, "tag secret %s", id)
}

// Rotate turns on the rotation of a secret by a function, without rotating now.
func (s *Session) Rotate(ctx context.Context, id, functionARN string) error {
	_, err := s.secrets().RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &id, RotationLambdaARN: &functionARN, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(365)}})
	return session.Fail(err, "rotate secret %s", id)
}

// removeSecret removes a secret, and its replicas before: once, for that goes on in the background. A secret that waits for its deletion
// is removed.
func (s *Session) removeSecret(ctx context.Context, name string) error {
	d, err := s.Describe(ctx, name)
	if err != nil {
		return err
	}
	if !s.run.owns(name, d.Tags[TagKey]) {
		return notOurs(Secret, name)
	}
	if d.Pending {
		return errNothing
	}
	if d.PrimaryRegion != "" && d.PrimaryRegion != s.region {
		err := s.removeReplicas(ctx, d.PrimaryRegion, name, s.region)
		if Gone(err) {
			return s.removePromoted(ctx, name)
		}
		return err
	}
	if len(d.Replicas) > 0 {
		if err := s.removeReplicas(ctx, s.region, name, slices.Sorted(maps.Keys(d.Replicas))...); err != nil {
			return err
		}
	}
	return s.deleteSecret(ctx, name)
}

func (s *Session) deleteSecret(ctx context.Context, name string) error {
	_, err := s.secrets().DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)})
	return session.Fail(err, "delete secret %s", name)
}

// removePromoted removes a replica whose primary is gone.
func (s *Session) removePromoted(ctx context.Context, name string) error {
	if err := s.Promote(ctx, name); err != nil {
		return err
	}
	return s.deleteSecret(ctx, name)
}

// removeReplicas removes replicas of a secret whose primary is in a Region, unless this removal has.
func (s *Session) removeReplicas(ctx context.Context, primary, name string, regions ...string) error {
	if s.unreplicated {
		return nil
	}
	_, err := s.In(primary).secrets().RemoveRegionsFromReplication(ctx, &secretsmanager.RemoveRegionsFromReplicationInput{SecretId: &name, RemoveReplicaRegions: regions})
	s.unreplicated = err == nil
	return session.Fail(err, "remove replicas of secret %s", name)
}

func (s *Session) findSecrets(ctx context.Context) ([]string, error) {
	var names []string
	pages := secretsmanager.NewListSecretsPaginator(s.secrets(), &secretsmanager.ListSecretsInput{
		Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{s.run.prefix()}}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list secrets")
		}
		for _, entry := range page.SecretList {
			if name := aws.ToString(entry.Name); s.run.of(name) { // the filter ignores case
				names = append(names, name)
			}
		}
	}
	return names, nil
}
