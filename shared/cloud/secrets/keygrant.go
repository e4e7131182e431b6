package secrets

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Grant lets one principal decrypt with a key what belongs to one secret, through a grant that the change role makes.
// Asked again under the same name KMS answers the same grant. KMS grants do not end by themselves: Retire ends it, which the
// grant lets the change role do.
func (k *Keys) Grant(ctx context.Context, key guard.KeyRef, name, grantee, secretARN string) (string, error) {
	client, err := k.enter(ctx, guard.Key{ARN: key.ID, Account: key.Account, Region: key.Region}, settings.RoleChange)
	if err != nil {
		return "", session.Fail(err, "grant use of key %s", key.ID)
	}
	out, err := client.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &key.ID, Name: &name, GranteePrincipal: &grantee, Operations: []types.GrantOperation{types.GrantOperationDecrypt},
		RetiringPrincipal: aws.String(arn.Of(key.ID).Partition.Role(key.Account, settings.RoleChange)),
		Constraints:       &types.GrantConstraints{EncryptionContextSubset: map[string]string{"SecretARN": secretARN}},
	})
	if err != nil {
		return "", session.Fail(err, "grant use of key %s", key.ID)
	}
	return aws.ToString(out.GrantId), nil
}

// Retire ends a grant that Grant made. One that is gone is no error.
func (k *Keys) Retire(ctx context.Context, key guard.KeyRef, id string) error {
	client, err := k.enter(ctx, guard.Key{ARN: key.ID, Account: key.Account, Region: key.Region}, settings.RoleChange)
	if err != nil {
		return session.Fail(err, "retire grant on key %s", key.ID)
	}
	_, err = client.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &key.ID, GrantId: &id})
	if err = session.Fail(err, "retire grant on key %s", key.ID); errors.Is(err, guard.ErrGone) {
		return nil
	}
	return err
}

// Given lists the grants on a key: their names by their ids.
func (k *Keys) Given(ctx context.Context, key guard.KeyRef) (map[string]string, error) {
	grants, err := k.Grants(ctx, guard.Key{ARN: key.ID, ID: key.ID, Account: key.Account, Region: key.Region})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range grants {
		names[g.ID] = g.Name
	}
	return names, nil
}
