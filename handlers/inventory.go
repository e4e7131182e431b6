package handlers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// Inventory takes snapshots of an organization, account by account, so that one that cannot be entered costs a line
// and not the run.
type Inventory struct {
	Cloud   *cloud.Cloud
	Regions []string // whose secrets and keys are read
	Now     func() time.Time
}

// Organization reads the organization, its accounts and the policies above them. Without one, or where it may not be
// read, the snapshot holds the accounts it is given, and says so.
func (i *Inventory) Organization(ctx context.Context, accounts []string) inventory.Snapshot {
	s := inventory.Snapshot{Version: inventory.Version, TakenAt: i.Now().UTC(), Controls: map[string]inventory.Policy{}}
	organization := i.Cloud.Organization()
	about, err := organization.About(ctx)
	var members []cloud.Account
	if err == nil {
		members, err = organization.Accounts(ctx)
	}
	if err != nil {
		for _, id := range accounts {
			s.Accounts = append(s.Accounts, inventory.Account{ID: id})
		}
		s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartOrganization, Why: err.Error()})
		return s
	}
	s.Organization = inventory.Organization{ID: about.ID, ManagementAccount: about.ManagementAccount}
	for _, member := range members {
		if member.Active() {
			i.addAccount(ctx, &s, organization, member)
		}
	}
	return s
}

func (i *Inventory) addAccount(ctx context.Context, s *inventory.Snapshot, o *cloud.Organization, member cloud.Account) {
	account := inventory.Account{ID: member.ID, Name: member.Name, Path: member.Path}
	path := append(slices.Clone(member.Path), member.ID)
	for kind, levels := range map[cloud.PolicyKind]*[]inventory.Level{cloud.ServiceControl: &account.SCPs, cloud.ResourceControl: &account.RCPs} {
		read, err := o.PolicyPath(ctx, path, kind)
		if err != nil {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartControls, Account: member.ID, Why: err.Error()})
			continue
		}
		for _, level := range read {
			one := inventory.Level{Target: level.Target, Policies: []string{}}
			for _, p := range level.Policies {
				one.Policies = append(one.Policies, p.ID)
				s.Controls[p.ID] = inventory.Policy{Name: p.Name, Document: p.Content}
			}
			*levels = append(*levels, one)
		}
	}
	if !attachesAny(account.RCPs) {
		account.RCPs = nil // the type is not switched on: nothing is attached anywhere
	}
	if !attachesAny(account.SCPs) {
		account.SCPs = nil
	}
	s.Accounts = append(s.Accounts, account)
}

func attachesAny(levels []inventory.Level) bool {
	return slices.ContainsFunc(levels, func(l inventory.Level) bool { return len(l.Policies) > 0 })
}

// Account reads what is in one account. Its Accounts are empty: Organization has them.
func (i *Inventory) Account(ctx context.Context, id string) inventory.Snapshot {
	s := inventory.Snapshot{Version: inventory.Version, TakenAt: i.Now().UTC(), Managed: map[string]string{}}
	if err := i.addPrincipals(ctx, &s, id); err != nil {
		s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: id, Why: err.Error()})
	}
	for _, region := range i.Regions {
		if err := i.Cloud.Secrets().All(ctx, id, region, func(found cloud.SecretAndPolicy) { s.Secrets = append(s.Secrets, secretOf(found)) }); err != nil {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartSecrets, Account: id, Region: region, Why: err.Error()})
		}
		if err := i.Cloud.Keys().All(ctx, id, region, func(found cloud.KeyAndPolicy) { s.Keys = append(s.Keys, keyOf(found)) }); err != nil {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartKeys, Account: id, Region: region, Why: err.Error()})
		}
	}
	return inventory.Merge(s)
}

// ForeignKeys reads the keys that secrets of the snapshot are under and that no account of it holds. One that cannot
// be read stays out: answers that need it are unknown.
func (i *Inventory) ForeignKeys(ctx context.Context, s inventory.Snapshot) []inventory.Key {
	known := map[string]bool{}
	for _, k := range s.Keys {
		known[k.Facts.ARN] = true
	}
	var out []inventory.Key
	for _, secret := range s.Secrets {
		for _, k := range keysOf(secret.Facts) {
			if known[k.ARN] || k.ARN == "" || k.Manager == guard.ManagerAWS {
				continue
			}
			known[k.ARN] = true
			if found, err := i.Cloud.Keys().One(ctx, k.Account, k.Region, k.ARN); err == nil && found != nil {
				out = append(out, keyOf(*found))
			}
		}
	}
	return out
}

func keysOf(s guard.Secret) []guard.Key {
	keys := []guard.Key{s.Key}
	for _, v := range s.Versions {
		keys = append(keys, v.Keys...)
	}
	return keys
}

func (i *Inventory) addPrincipals(ctx context.Context, s *inventory.Snapshot, account string) error {
	all, err := i.Cloud.Principals(ctx, account)
	if err != nil {
		return err
	}
	for _, r := range all.Roles {
		s.Principals = append(s.Principals, principalOf(r, inventory.Role, account))
	}
	for _, u := range all.Users {
		s.Principals = append(s.Principals, principalOf(u, inventory.User, account))
	}
	for _, g := range all.Groups {
		s.Groups = append(s.Groups, inventory.Group{Name: g.Name, Account: account, Inline: documents(g.Inline), Managed: g.Attached})
	}
	for arn, document := range all.Policies {
		s.Managed[arn] = document
	}
	return nil
}

func principalOf(p cloud.Principal, kind inventory.Kind, account string) inventory.Principal {
	return inventory.Principal{ARN: p.ARN, Kind: kind, Account: account, UniqueID: p.ID, Inline: documents(p.Inline), Managed: p.Attached,
		Boundary: p.Boundary, Trust: p.Trust, Groups: p.Groups, Tags: p.Tags, LastUsed: p.LastUsedAt}
}

func documents(list []cloud.Document) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, d := range list {
		out[d.Name] = d.JSON
	}
	return out
}

func secretOf(found cloud.SecretAndPolicy) inventory.Secret {
	return inventory.Secret{Facts: found.Secret, Policy: found.Policy, PolicyUnread: why(found.PolicyErr)}
}

func keyOf(found cloud.KeyAndPolicy) inventory.Key {
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

// Accounts reads accounts, several at once, and hands each over as it is done, one at a time. An error of done ends it.
func (i *Inventory) Accounts(ctx context.Context, ids []string, atOnce int, done func(id string, part inventory.Snapshot) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed error
	places := make(chan struct{}, max(atOnce, 1))
	for _, id := range ids {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			part := i.Account(ctx, id)
			if ctx.Err() != nil {
				return // cut off in the middle: it would look like a blind spot
			}
			mu.Lock()
			defer mu.Unlock()
			if err := done(id, part); err != nil {
				failed = errors.Join(failed, err)
				cancel()
			}
		})
	}
	group.Wait()
	if failed == nil {
		failed = context.Cause(ctx)
	}
	return failed
}
