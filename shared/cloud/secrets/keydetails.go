package secrets

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// readDetails adds aliases and tags. What we may not read stays nil, which is not the same as having none.
func readDetails(ctx context.Context, client *kms.Client, key *guard.Key) (err error) {
	if key.Aliases, key.AliasesSet, err = aliases(ctx, client, key.ID); err != nil && !errors.Is(err, guard.ErrDenied) {
		return err
	}
	if key.Tags, err = keyTags(ctx, client, key.ID); err != nil && !errors.Is(err, guard.ErrDenied) {
		return err
	}
	return nil
}

// aliases are the names of a key, and when each was given to it last.
// Source: KMS API reference, AliasListEntry: LastUpdatedDate is when the alias was most recently associated with a KMS key.
func aliases(ctx context.Context, client *kms.Client, id string) ([]string, map[string]time.Time, error) {
	names, set := []string{}, map[string]time.Time{}
	pages := kms.NewListAliasesPaginator(client, &kms.ListAliasesInput{KeyId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, session.Fail(err, "list aliases of %s", id)
		}
		for _, a := range page.Aliases {
			name := aws.ToString(a.AliasName)
			names = append(names, name)
			if at := cmp.Or(a.LastUpdatedDate, a.CreationDate); at != nil {
				set[name] = *at
			}
		}
	}
	return names, set, nil
}

func keyTags(ctx context.Context, client *kms.Client, id string) (map[string]string, error) {
	tags := map[string]string{}
	pages := kms.NewListResourceTagsPaginator(client, &kms.ListResourceTagsInput{KeyId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list tags of %s", id)
		}
		for _, t := range page.Tags {
			tags[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
		}
	}
	return tags, nil
}

// enter opens KMS where the key lives: everything but DescribeKey works only there.
func (k *Keys) enter(ctx context.Context, key guard.Key, role string) (*kms.Client, error) {
	p, err := k.c.Locate(ctx, key.Account, key.Region, role)
	if err != nil {
		return nil, err
	}
	return session.Client(k.c, p, kms.NewFromConfig), nil
}

// Names of a key's policies: the one that people write, and the one that AWS RAM keeps for a key that is shared by it.
// Source: KMS API reference, GetKeyPolicy, PolicyName.
const (
	policyDefault = "default"
	policyRAM     = "AWS_RAM"
)

// Policy returns the key policy as JSON.
func (k *Keys) Policy(ctx context.Context, key guard.Key) (string, error) {
	return k.policy(ctx, key, policyDefault)
}

// Shared returns the policy by which AWS RAM shares a key, as JSON; "" where it does not.
func (k *Keys) Shared(ctx context.Context, key guard.Key) (string, error) {
	text, err := k.policy(ctx, key, policyRAM)
	if errors.Is(err, guard.ErrGone) {
		return "", nil
	}
	return text, err
}

func (k *Keys) policy(ctx context.Context, key guard.Key, name string) (string, error) {
	client, err := k.enter(ctx, key, settings.RoleRead)
	if err != nil {
		return "", session.Fail(err, "get policy of %s", key.ARN)
	}
	out, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key.ID, PolicyName: &name})
	if err != nil {
		return "", session.Fail(err, "get policy of %s", key.ARN)
	}
	return aws.ToString(out.Policy), nil
}

// Grant lets a principal use a key beside its policy.
type Grant struct {
	ID                string
	Name              string
	GranteePrincipal  string // ARN; a service's grants may name GranteeService instead
	GranteeService    string
	RetiringPrincipal string
	Operations        []string          // Decrypt, GenerateDataKey, …
	ContextEquals     map[string]string // encryption context must equal this; nil: no such constraint
	ContextSubset     map[string]string // encryption context must contain this; nil: no such constraint
	CreatedAt         time.Time
}

// Grants lists the grants on a key.
func (k *Keys) Grants(ctx context.Context, key guard.Key) ([]Grant, error) {
	client, err := k.enter(ctx, key, settings.RoleRead)
	if err != nil {
		return nil, session.Fail(err, "list grants of %s", key.ARN)
	}
	var grants []Grant
	pages := kms.NewListGrantsPaginator(client, &kms.ListGrantsInput{KeyId: &key.ID, Limit: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list grants of %s", key.ARN)
		}
		for _, g := range page.Grants {
			grants = append(grants, grantOf(g))
		}
	}
	return grants, nil
}

func grantOf(g types.GrantListEntry) Grant {
	grant := Grant{
		ID:                aws.ToString(g.GrantId),
		Name:              aws.ToString(g.Name),
		GranteePrincipal:  aws.ToString(g.GranteePrincipal),
		GranteeService:    aws.ToString(g.GranteeServicePrincipal),
		RetiringPrincipal: aws.ToString(g.RetiringPrincipal),
		CreatedAt:         aws.ToTime(g.CreationDate),
	}
	for _, op := range g.Operations {
		grant.Operations = append(grant.Operations, string(op))
	}
	if g.Constraints != nil {
		grant.ContextEquals = g.Constraints.EncryptionContextEquals
		grant.ContextSubset = g.Constraints.EncryptionContextSubset
	}
	return grant
}

// Rotation says how a key's material is renewed.
type Rotation struct {
	Enabled bool
	Period  time.Duration // between automatic rotations; 0 when not enabled
	Next    time.Time
	Past    []PastRotation // newest last, as AWS lists them
}

// PastRotation is one rotation that happened.
type PastRotation struct {
	At       time.Time
	OnDemand bool
}

// Rotation reads how a key rotates and when it did.
func (k *Keys) Rotation(ctx context.Context, key guard.Key) (Rotation, error) {
	client, err := k.enter(ctx, key, settings.RoleRead)
	if err != nil {
		return Rotation{}, session.Fail(err, "get rotation of %s", key.ARN)
	}
	out, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &key.ID})
	if err != nil {
		return Rotation{}, session.Fail(err, "get rotation of %s", key.ARN)
	}
	r := Rotation{
		Enabled: out.KeyRotationEnabled,
		Period:  time.Duration(aws.ToInt32(out.RotationPeriodInDays)) * 24 * time.Hour,
		Next:    aws.ToTime(out.NextRotationDate),
	}
	pages := kms.NewListKeyRotationsPaginator(client, &kms.ListKeyRotationsInput{KeyId: &key.ID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Rotation{}, session.Fail(err, "list rotations of %s", key.ARN)
		}
		for _, past := range page.Rotations {
			r.Past = append(r.Past, PastRotation{At: aws.ToTime(past.RotationDate), OnDemand: past.RotationType == types.RotationTypeOnDemand})
		}
	}
	return r, nil
}

// KeyUse is the last successful use of a key in its Region, at most an hour behind. Zero At: never since TrackedSince.
type KeyUse struct {
	Operation    string
	At           time.Time
	EventID      string // of the CloudTrail record
	TrackedSince time.Time
}

// LastUse says when a key was last used.
func (k *Keys) LastUse(ctx context.Context, key guard.Key) (KeyUse, error) {
	client, err := k.enter(ctx, key, settings.RoleRead)
	if err != nil {
		return KeyUse{}, session.Fail(err, "get last use of %s", key.ARN)
	}
	out, err := client.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &key.ID})
	if err != nil {
		return KeyUse{}, session.Fail(err, "get last use of %s", key.ARN)
	}
	use := KeyUse{TrackedSince: aws.ToTime(out.TrackingStartDate)}
	if last := out.KeyLastUsage; last != nil {
		use.Operation, use.At, use.EventID = string(last.Operation), aws.ToTime(last.Timestamp), aws.ToString(last.CloudTrailEventId)
	}
	return use, nil
}
