package fleet

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// Tree is AWS Organizations, read once: what it answered it keeps.
type Tree interface {
	About(ctx context.Context) (inventory.Organization, error)
	Accounts(ctx context.Context) ([]Account, error)
	// Policies lists what is attached to each target of a path, the root first and the account last.
	Policies(ctx context.Context, path []string, kind PolicyKind) ([]Level, error)
}

// PolicyKind is a kind of policy that Organizations attaches.
type PolicyKind string

const (
	ServiceControl  PolicyKind = "SERVICE_CONTROL_POLICY"
	ResourceControl PolicyKind = "RESOURCE_CONTROL_POLICY"
)

// Level is one target of a path and the policies attached to it.
type Level struct {
	Target   string // id of a root, an OU or an account
	Policies []Policy
}

// Policy is a policy of the organization.
type Policy struct{ ID, Name, Content string }

// Reader reads what is in accounts, through their member roles.
type Reader interface {
	// Principals fills in Principals, Groups and Managed, and in Accounts which Regions are enabled, where that can be read.
	Principals(ctx context.Context, account string) (inventory.Snapshot, error)
	Secrets(ctx context.Context, account, region string, yield func(inventory.Secret)) error
	Keys(ctx context.Context, account, region string, yield func(inventory.Key)) error
	// Key reads one key wherever it is; nil for one that AWS manages or that does not exist.
	Key(ctx context.Context, account, region, id string) (*inventory.Key, error)
}

// Snapshots takes snapshots of an organization, account by account, so that one that cannot be entered costs a line
// and not the run.
type Snapshots struct {
	Tree    func() Tree // AWS Organizations as of now
	Reader  Reader
	Regions []string // whose secrets and keys are read
	Now     func() time.Time
	AtOnce  int // accounts that Take reads at a time; 0 is 2
}

// Organization reads the organization, its accounts and the policies above them. Without one, or where it may not be
// read, the snapshot holds the accounts it is given, and says so.
func (t *Snapshots) Organization(ctx context.Context, accounts []string) inventory.Snapshot {
	s := inventory.Snapshot{Version: inventory.Version, TakenAt: t.Now().UTC(), Controls: map[string]inventory.Policy{}}
	tree := t.Tree()
	about, err := tree.About(ctx)
	var members []Account
	if err == nil {
		members, err = tree.Accounts(ctx)
	}
	if err != nil {
		for _, id := range accounts {
			s.Accounts = append(s.Accounts, inventory.Account{ID: id})
		}
		s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartOrganization, Why: err.Error()})
		return s
	}
	s.Organization = about
	for _, member := range members {
		if member.Active {
			addAccount(ctx, &s, tree, member)
		}
	}
	return s
}

func addAccount(ctx context.Context, s *inventory.Snapshot, tree Tree, member Account) {
	account := inventory.Account{ID: member.ID, Name: member.Name, Path: member.Path}
	path := append(slices.Clone(member.Path), member.ID)
	for _, row := range []struct { // in an order of its own: a run repeats
		kind   PolicyKind
		levels *[]inventory.Level
	}{{ServiceControl, &account.SCPs}, {ResourceControl, &account.RCPs}} {
		read, err := tree.Policies(ctx, path, row.kind)
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
			*row.levels = append(*row.levels, one)
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

// Account reads what is in one account. Its Accounts say which Regions were read: Organization has the rest.
func (t *Snapshots) Account(ctx context.Context, id string) inventory.Snapshot {
	s := t.principals(ctx, id)
	s.Accounts = append(s.Accounts, inventory.Account{ID: id, Regions: t.Regions})
	for _, region := range t.Regions {
		if err := t.Reader.Secrets(ctx, id, region, func(found inventory.Secret) { s.Secrets = append(s.Secrets, found) }); err != nil {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartSecrets, Account: id, Region: region, Why: err.Error()})
		}
		if err := t.Reader.Keys(ctx, id, region, func(found inventory.Key) { s.Keys = append(s.Keys, found) }); err != nil {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartKeys, Account: id, Region: region, Why: err.Error()})
		}
	}
	return inventory.Merge(s)
}

// principals reads who is in an account, or says why that could not be read.
func (t *Snapshots) principals(ctx context.Context, account string) inventory.Snapshot {
	s, err := t.Reader.Principals(ctx, account)
	if err != nil {
		s = inventory.Snapshot{Unread: []inventory.Unread{{Part: inventory.PartPrincipals, Account: account, Why: err.Error()}}}
	}
	s.Version, s.TakenAt = inventory.Version, t.Now().UTC()
	if s.Managed == nil {
		s.Managed = map[string]string{}
	}
	return s
}

// ForeignKeys reads the keys that secrets of the snapshot are under and that no account of it holds. One that cannot
// be read stays out: answers that need it are unknown.
func (t *Snapshots) ForeignKeys(ctx context.Context, s inventory.Snapshot) []inventory.Key {
	known := map[string]bool{}
	for _, k := range s.Keys {
		known[k.Facts.ARN] = true
	}
	var out []inventory.Key
	for _, secret := range s.Secrets {
		for _, k := range guard.CopiesOf(secret.Facts).Keys() {
			if known[k.ARN] || k.ARN == "" || k.Manager == guard.ManagerAWS {
				continue
			}
			known[k.ARN] = true
			if found, err := t.Reader.Key(ctx, k.Account, k.Region, k.ARN); err == nil && found != nil {
				out = append(out, *found)
			}
		}
	}
	return out
}

// Accounts reads accounts, several at once, and hands each over as it is done, one at a time. An error of done ends it.
func (t *Snapshots) Accounts(ctx context.Context, ids []string, atOnce int, done func(id string, part inventory.Snapshot) error) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(max(atOnce, 1))
	var mu sync.Mutex
	for _, id := range ids {
		group.Go(func() error {
			if reading.Err() != nil {
				return nil
			}
			part := t.Account(reading, id)
			mu.Lock()
			defer mu.Unlock()
			if reading.Err() != nil {
				return nil // cut off in the middle: it would look like a blind spot
			}
			return done(id, part)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// Take reads accounts into one snapshot, with the keys that their secrets are under wherever those are. None named is
// every account of the organization.
func (t *Snapshots) Take(ctx context.Context, accounts ...string) (inventory.Snapshot, error) {
	organization := t.Organization(ctx, accounts)
	if len(accounts) == 0 {
		for _, a := range organization.Accounts {
			accounts = append(accounts, a.ID)
		}
	}
	parts := []inventory.Snapshot{organization}
	err := t.Accounts(ctx, accounts, cmp.Or(t.AtOnce, 2), func(_ string, part inventory.Snapshot) error {
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return inventory.Snapshot{}, err
	}
	all := inventory.Merge(parts...)
	all.Keys = append(all.Keys, t.ForeignKeys(ctx, all)...)
	return inventory.Merge(all), nil
}
