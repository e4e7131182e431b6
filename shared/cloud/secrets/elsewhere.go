package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// described is what DescribeSecret says of copies in other accounts. The SDK that this is built with drops it.
// Source: API reference, DescribeSecret, CrossAccountReplicas: left out where the secret has none.
type described struct {
	CrossAccountReplicas []struct{ ReplicaSecretARN, ReplicationStatus string }
}

// describeSecret asks for everything that DescribeSecret says, in one call.
func describeSecret(ctx context.Context, client *secretsmanager.Client, id string) (*secretsmanager.DescribeSecretOutput, guard.Elsewhere, error) {
	var body []byte
	out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id}, func(o *secretsmanager.Options) {
		o.APIOptions = append(o.APIOptions, session.Raw(&body))
	})
	if err != nil {
		return nil, guard.Elsewhere{}, err
	}
	elsewhere, err := elsewhereOf(body)
	return out, elsewhere, err
}

// elsewhereOf reads the copies in other accounts out of an answer. An answer that was not kept says nothing of them.
func elsewhereOf(body []byte) (guard.Elsewhere, error) {
	if body == nil {
		return guard.Elsewhere{}, nil
	}
	var found described
	if err := json.Unmarshal(body, &found); err != nil {
		return guard.Elsewhere{}, fmt.Errorf("read copies in other accounts: %w", err)
	}
	out := guard.Elsewhere{Listing: guard.Listed}
	for _, one := range found.CrossAccountReplicas {
		at := arn.Of(one.ReplicaSecretARN)
		out.Copies = append(out.Copies, guard.AccountCopy{ARN: one.ReplicaSecretARN, Account: at.Account, Region: at.Region, Status: one.ReplicationStatus})
	}
	return out, nil
}

// readElsewhere says what the keys of copies in other accounts are, where we may look: the primary does not name them. One that
// may not be seen stays unknown. It makes no call for a secret without such copies.
func (s *Secrets) readElsewhere(ctx context.Context, elsewhere guard.Elsewhere) error {
	for i := range elsewhere.Copies {
		one := &elsewhere.Copies[i]
		client, _, err := s.enter(ctx, guard.SecretRef{ID: one.ARN}, settings.RoleRead)
		if err == nil {
			var out *secretsmanager.DescribeSecretOutput
			if out, err = client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &one.ARN}); err == nil {
				one.Key, err = s.keys.inUse(ctx, one.Account, one.Region, aws.ToString(out.KmsKeyId))
			}
		}
		switch err = session.Fail(err, "describe copy %s", one.ARN); {
		case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrRefused):
		case err != nil:
			return err
		}
	}
	return nil
}
