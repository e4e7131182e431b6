package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// described is what DescribeSecret says of copies in other accounts. The SDK that this is built with drops it.
// Source: API reference, DescribeSecret, CrossAccountReplicas: left out where the secret has none.
type described struct {
	CrossAccountReplicas []struct{ ReplicaSecretARN, ReplicationStatus, StatusMessage string }
	CrossAccountPrimary  struct{ PrimarySecretARN, ReplicationStatus, StatusMessage string }
}

// describeSecret asks for everything that DescribeSecret says, in one call: of other accounts as well, which are read from the body.
func describeSecret(ctx context.Context, client *secretsmanager.Client, id string) (guard.Secret, error) {
	var body []byte
	out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id}, func(o *secretsmanager.Options) {
		o.APIOptions = append(o.APIOptions, session.Raw(&body))
	})
	if err != nil {
		return guard.Secret{}, err
	}
	secret := secretOf(out)
	return secret, addElsewhere(&secret, body)
}

// addElsewhere reads the copies in other accounts, or the primary there, out of an answer. An answer that was not kept says nothing
// of them.
func addElsewhere(secret *guard.Secret, body []byte) error {
	if body == nil {
		return nil
	}
	var found described
	if err := json.Unmarshal(body, &found); err != nil {
		return fmt.Errorf("read copies in other accounts: %w", err)
	}
	from := found.CrossAccountPrimary
	secret.CopyOf, secret.CopyStatus, secret.CopyMessage = from.PrimarySecretARN, from.ReplicationStatus, from.StatusMessage
	out := guard.Elsewhere{Listing: guard.Listed}
	for _, one := range found.CrossAccountReplicas {
		at := arn.Of(one.ReplicaSecretARN)
		out.Copies = append(out.Copies, guard.AccountCopy{ARN: one.ReplicaSecretARN, Account: at.Account, Region: at.Region, Status: one.ReplicationStatus, StatusMessage: one.StatusMessage})
	}
	secret.Elsewhere = out
	return nil
}

// readElsewhere says what the keys of copies in other accounts are, where we may look: the primary does not name them. One that
// may not be seen stays unknown. It makes no call for a secret without such copies.
func (s *Secrets) readElsewhere(ctx context.Context, elsewhere guard.Elsewhere) error {
	for i := range elsewhere.Copies {
		if err := unseen(session.Fail(s.readAccountCopy(ctx, &elsewhere.Copies[i]), "describe copy %s", elsewhere.Copies[i].ARN)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Secrets) readAccountCopy(ctx context.Context, one *guard.AccountCopy) error {
	client, _, err := s.enter(ctx, guard.SecretRef{ID: one.ARN}, settings.RoleRead)
	if err != nil {
		return err
	}
	out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &one.ARN})
	if err != nil {
		return err
	}
	if one.Key, err = s.keys.inUse(ctx, one.Account, one.Region, aws.ToString(out.KmsKeyId)); err != nil {
		return err
	}
	one.Versions, one.Listing, err = s.versionsIn(ctx, client, one.Account, one.Region, one.ARN)
	return err
}

// readReplicas lists the versions in the Region of each replica: the primary names one key for a replica, and versions that were
// there before that key was set may open with an older one. What came before a replication that failed is still there, and is read
// there. A Region where we may not look stays not listed. It makes no call for a secret without replicas. A replica that names the AWS
// managed key is asked as any other is: whoever set that key without a right to decrypt with the one before re-encrypted nothing.
func (s *Secrets) readReplicas(ctx context.Context, secret *guard.Secret) error {
	if secret.IsReplica() {
		return nil
	}
	for i := range secret.Replicas {
		r := &secret.Replicas[i]
		id := arn.Of(secret.ARN).In(r.Region).String()
		if err := unseen(session.Fail(s.readReplica(ctx, secret, r, id), "list versions of %s", id)); err != nil {
			return err
		}
	}
	return nil
}

// readReplica lists the versions of a replica. Where it is not in sync, what has its ARN may be a secret of its own. Where its
// replication failed, and no replica is there, it has no versions.
func (s *Secrets) readReplica(ctx context.Context, secret *guard.Secret, r *guard.Replica, id string) error {
	client, _, err := s.enter(ctx, guard.SecretRef{ID: id}, settings.RoleRead)
	if err != nil {
		return err
	}
	if r.Status != string(types.StatusTypeInSync) {
		out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
		gone := errors.Is(session.Fail(err, "describe replica %s", id), guard.ErrGone)
		switch {
		case err != nil && !gone:
			return err
		case gone || aws.ToString(out.PrimaryRegion) != secret.Region:
			if r.Failed() {
				r.Listing = guard.Listed
			}
			return nil
		}
	}
	r.Versions, r.Listing, err = s.versionsIn(ctx, client, secret.Account, r.Region, id)
	return err
}

// versionsIn lists the versions that a location beside the primary has, with what their keys are.
func (s *Secrets) versionsIn(ctx context.Context, client *secretsmanager.Client, account, region, id string) ([]guard.Version, guard.Listing, error) {
	versions, err := listVersions(ctx, client, id)
	if err == nil {
		err = s.readVersionKeys(ctx, account, region, versions)
	}
	if err != nil {
		return nil, guard.NotListed, err
	}
	return versions, guard.Listed, nil
}

// unseen drops an answer that says that a copy is not ours to see: what is not read of it stays unknown.
func unseen(err error) error {
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrRefused):
		return nil
	default:
		return err
	}
}
