package secrets

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Workload makes and changes secrets and keys with the credentials it was opened with, as an application or a person
// does: the actors of the demo and the canary are workloads. No Lambda holds one. The values it writes are random
// and leave it only for AWS.
type Workload struct {
	c  *cloud.Cloud
	at session.Location
}

// NewWorkload acts in one Region with our own credentials; it assumes no role.
func NewWorkload(c *cloud.Cloud, region string) *Workload {
	return &Workload{c: c, at: session.Location{Region: region}}
}

// NewWorkloadIn acts in another account, through a role of it that our own credentials may take.
func NewWorkloadIn(c *cloud.Cloud, account, region, role string) *Workload {
	return &Workload{c: c, at: session.Location{Account: account, Region: region, Role: role}}
}

// NewSecret is a secret to be made. A nil KeyID leaves the key out of the request, which is the default key.
type NewSecret struct {
	Name     string
	KeyID    *string
	Tags     map[string]string
	Replicas map[string]string // key by Region; "" leaves the key out
	Token    string            // ClientRequestToken, which becomes the version's id; "" is random
}

// Create makes a secret with a random value and returns its ARN.
func (w *Workload) Create(ctx context.Context, s NewSecret) (string, error) {
	in := &secretsmanager.CreateSecretInput{Name: &s.Name, KmsKeyId: s.KeyID, SecretString: randomValue(), ClientRequestToken: token(s.Token)}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(name), Value: aws.String(s.Tags[name])})
	}
	in.AddReplicaRegions = replicaRegions(s.Replicas)
	out, err := w.secrets().CreateSecret(ctx, in)
	if err != nil {
		return "", session.Fail(err, "create secret %s", s.Name)
	}
	return aws.ToString(out.ARN), nil
}

// PutValue writes a new version with a random value.
func (w *Workload) PutValue(ctx context.Context, id, requestToken string) error {
	_, err := w.secrets().PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &id, SecretString: randomValue(), ClientRequestToken: token(requestToken)})
	return session.Fail(err, "put value of secret %s", id)
}

// SetKey sets the key of a secret; "" is the AWS managed key.
func (w *Workload) SetKey(ctx context.Context, id, keyID string) error {
	_, err := w.secrets().UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &id, KmsKeyId: &keyID})
	return session.Fail(err, "set key of secret %s", id)
}

// Replicate copies a secret to a Region; an empty key leaves it to the AWS managed key of that Region.
func (w *Workload) Replicate(ctx context.Context, id, region, keyID string) error {
	_, err := w.secrets().ReplicateSecretToRegions(ctx, &secretsmanager.ReplicateSecretToRegionsInput{
		SecretId: &id, AddReplicaRegions: replicaRegions(map[string]string{region: keyID})})
	return session.Fail(err, "replicate secret %s to %s", id, region)
}

// Delete removes a secret at once, without a recovery window. It is for what the workload made itself.
func (w *Workload) Delete(ctx context.Context, id string) error {
	_, err := w.secrets().DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true)})
	return session.Fail(err, "delete secret %s", id)
}

// DisableKey switches a key off; EnableKey switches it on again.
func (w *Workload) DisableKey(ctx context.Context, id string) error {
	_, err := w.kms().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
	return session.Fail(err, "disable key %s", id)
}

// EnableKey switches a key on.
func (w *Workload) EnableKey(ctx context.Context, id string) error {
	_, err := w.kms().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})
	return session.Fail(err, "enable key %s", id)
}

func (w *Workload) secrets() *secretsmanager.Client {
	return session.Client(w.c, w.at, secretsmanager.NewFromConfig)
}

func (w *Workload) kms() *kms.Client {
	return session.Client(w.c, w.at, kms.NewFromConfig)
}

func replicaRegions(keys map[string]string) []types.ReplicaRegionType {
	var regions []types.ReplicaRegionType
	for _, region := range slices.Sorted(maps.Keys(keys)) {
		key := keys[region]
		replica := types.ReplicaRegionType{Region: aws.String(region)}
		if key != "" {
			replica.KmsKeyId = aws.String(key)
		}
		regions = append(regions, replica)
	}
	return regions
}

func randomValue() *string {
	value := make([]byte, 24)
	_, _ = rand.Read(value) // never fails (crypto/rand)
	return aws.String(hex.EncodeToString(value))
}

func token(given string) *string {
	if given == "" {
		return nil
	}
	return &given
}

// KeyID is the id of the key an alias points to.
func (w *Workload) KeyID(ctx context.Context, alias string) (string, error) {
	out, err := w.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &alias})
	if err != nil {
		return "", session.Fail(err, "describe key %s", alias)
	}
	return aws.ToString(out.KeyMetadata.KeyId), nil
}

// Describe looks at a secret and reports only whether that was allowed.
func (w *Workload) Describe(ctx context.Context, id string) error {
	_, err := w.secrets().DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	return session.Fail(err, "describe secret %s", id)
}
