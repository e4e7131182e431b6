// Package snapshots reads accounts for snapshots: Organizations, IAM, Secrets Manager and KMS.
package snapshots

import (
	"context"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/principals"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/inventory"
)

// New takes snapshots of the secrets and keys in Regions. now is the clock.
func New(c *cloud.Cloud, regions []string, now func() time.Time) *fleet.Snapshots {
	return &fleet.Snapshots{Tree: func() fleet.Tree { return accounts.Tree(c) }, Reader: reader{c}, Regions: regions, Now: now,
		AtOnce: min(2, c.Options().Concurrency)}
}

// reader reads accounts.
type reader struct{ c *cloud.Cloud }

func (r reader) Principals(ctx context.Context, account string) (inventory.Snapshot, error) {
	all, err := principals.Read(ctx, r.c, account)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	s := inventory.Snapshot{Managed: map[string]string{}}
	if regions, err := principals.Regions(ctx, r.c, account); err == nil { // else it is not known which there are
		s.Accounts = []inventory.Account{{ID: account, Enabled: regions}}
	}
	for _, role := range all.Roles {
		s.Principals = append(s.Principals, principalOf(role, inventory.Role, account))
	}
	for _, user := range all.Users {
		s.Principals = append(s.Principals, principalOf(user, inventory.User, account))
	}
	for _, g := range all.Groups {
		s.Groups = append(s.Groups, inventory.Group{Name: g.Name, Account: account, Inline: documents(g.Inline), Managed: g.Attached})
	}
	for arn, document := range all.Policies {
		s.Managed[arn] = document
	}
	return s, nil
}

func principalOf(p principals.Principal, kind inventory.Kind, account string) inventory.Principal {
	return inventory.Principal{ARN: p.ARN, Kind: kind, Account: account, UniqueID: p.ID, Inline: documents(p.Inline), Managed: p.Attached,
		Boundary: p.Boundary, Trust: p.Trust, Groups: p.Groups, Tags: p.Tags, LastUsed: p.LastUsedAt, CreatedAt: p.CreatedAt}
}

func documents(list []principals.Document) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, d := range list {
		out[d.Name] = d.JSON
	}
	return out
}

func (r reader) Secrets(ctx context.Context, account, region string, yield func(inventory.Secret)) error {
	return secrets.New(r.c).All(ctx, account, region, func(found secrets.SecretAndPolicy) {
		yield(inventory.Secret{Facts: found.Secret, Policy: found.Policy, PolicyUnread: why(found.PolicyErr)})
	})
}

func (r reader) Keys(ctx context.Context, account, region string, yield func(inventory.Key)) error {
	return secrets.NewKeys(r.c).All(ctx, account, region, func(found secrets.KeyAndPolicy) { yield(keyOf(found)) })
}

func (r reader) Key(ctx context.Context, account, region, id string) (*inventory.Key, error) {
	found, err := secrets.NewKeys(r.c).One(ctx, account, region, id)
	if err != nil || found == nil {
		return nil, err
	}
	key := keyOf(*found)
	return &key, nil
}

func keyOf(found secrets.KeyAndPolicy) inventory.Key {
	k := inventory.Key{Facts: found.Key, CreatedAt: found.CreatedAt, AliasesSet: found.Key.AliasesSet, Policy: found.Policy, PolicyUnread: why(found.PolicyErr),
		Shared: found.Shared, SharedUnread: why(found.SharedErr), GrantsUnread: why(found.GrantsErr), RotationUnread: why(found.RotationErr), UseUnread: why(found.UseErr)}
	for _, g := range found.Grants {
		grantee := g.GranteePrincipal
		if grantee == "" {
			grantee = g.GranteeService
		}
		k.Grants = append(k.Grants, inventory.Grant{ID: g.ID, Name: g.Name, Grantee: grantee, Retiring: g.RetiringPrincipal, Operations: g.Operations,
			Equals: g.ContextEquals, Subset: g.ContextSubset, CreatedAt: g.CreatedAt})
	}
	k.Rotation = inventory.Rotation{Enabled: found.Rotation.Enabled, PeriodDays: int(found.Rotation.Period.Hours() / 24)}
	for _, past := range found.Rotation.Past {
		k.Rotation.Past = append(k.Rotation.Past, past.At)
	}
	k.Use = inventory.Use{At: found.Use.At, Operation: found.Use.Operation, Since: found.Use.TrackedSince}
	return k
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
