package live

import (
	"context"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/functions"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/cloud/principals"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// Snapshots takes snapshots of the secrets and keys in Regions. now is the clock.
func Snapshots(c *cloud.Cloud, regions []string, now func() time.Time) *fleet.Snapshots {
	return &fleet.Snapshots{Tree: func() fleet.Tree { return tree{organization.New(c)} }, Reader: reader{c}, Regions: regions, Now: now}
}

// tree is AWS Organizations, read once.
type tree struct{ o *organization.Organization }

func (t tree) About(ctx context.Context) (inventory.Organization, error) {
	about, err := t.o.About(ctx)
	return inventory.Organization{ID: about.ID, ManagementAccount: about.ManagementAccount}, err
}

func (t tree) Accounts(ctx context.Context) ([]fleet.Account, error) {
	found, err := t.o.Accounts(ctx)
	accounts := make([]fleet.Account, 0, len(found))
	for _, a := range found {
		accounts = append(accounts, fleet.Account{ID: a.ID, Name: a.Name, Path: a.Path, Active: a.Active()})
	}
	return accounts, err
}

func (t tree) Policies(ctx context.Context, path []string, kind fleet.PolicyKind) ([]fleet.Level, error) {
	found, err := t.o.PolicyPath(ctx, path, organization.PolicyKind(kind))
	levels := make([]fleet.Level, 0, len(found))
	for _, l := range found {
		level := fleet.Level{Target: l.Target}
		for _, p := range l.Policies {
			level.Policies = append(level.Policies, fleet.Policy{ID: p.ID, Name: p.Name, Content: p.Content})
		}
		levels = append(levels, level)
	}
	return levels, err
}

// reader reads accounts.
type reader struct{ c *cloud.Cloud }

func (r reader) Principals(ctx context.Context, account string) (inventory.Snapshot, error) {
	all, err := principals.Read(ctx, r.c, account)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	s := inventory.Snapshot{Managed: map[string]string{}}
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
		Boundary: p.Boundary, Trust: p.Trust, Groups: p.Groups, Tags: p.Tags, LastUsed: p.LastUsedAt}
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
	k := inventory.Key{Facts: found.Key, CreatedAt: found.CreatedAt, Policy: found.Policy, PolicyUnread: why(found.PolicyErr),
		GrantsUnread: why(found.GrantsErr), RotationUnread: why(found.RotationErr), UseUnread: why(found.UseErr)}
	for _, g := range found.Grants {
		grantee := g.GranteePrincipal
		if grantee == "" {
			grantee = g.GranteeService
		}
		k.Grants = append(k.Grants, inventory.Grant{ID: g.ID, Name: g.Name, Grantee: grantee, Retiring: g.RetiringPrincipal, Operations: g.Operations,
			Equals: g.ContextEquals, Subset: g.ContextSubset})
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

// besideSecrets reads what stands beside a secret.
type besideSecrets struct{ c *cloud.Cloud }

func (b besideSecrets) ResourcePolicy(ctx context.Context, ref guard.SecretRef) (string, error) {
	return secrets.New(b.c).ResourcePolicy(ctx, ref)
}

func (b besideSecrets) FunctionRole(ctx context.Context, functionARN string) (string, error) {
	return functions.Role(ctx, b.c, functionARN)
}

// history is CloudTrail's event history. It keeps to LookupEvents' two requests a second.
type history struct{ trails *trails.Trails }

func (h history) Named(ctx context.Context, account, region, name string, since time.Time, yield func([]byte) error) error {
	return h.trails.Lookup(ctx, trails.Lookup{Account: account, Region: region, By: trails.ByEventName, Value: name, From: since}, yield)
}

func (h history) About(ctx context.Context, account, region, resource string, since time.Time, yield func([]byte) error) error {
	return h.trails.Lookup(ctx, trails.Lookup{Account: account, Region: region, By: trails.ByResourceName, Value: resource, From: since}, yield)
}
