package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	lookBack     = 90 * 24 * time.Hour // what LookupEvents answers
	partsFor     = time.Minute         // how long principals, keys and the organization are believed: a batch asks for them once
	accountsMost = 25                  // accounts that one pre-flight reads; a secret open to more is unknown
)

// SecretContext reads what stands beside a secret.
type SecretContext interface {
	// ResourcePolicy is the policy on the secret, as JSON; "" for none.
	ResourcePolicy(ctx context.Context, ref guard.SecretRef) (string, error)
	// FunctionRole is the ARN of the role that a function runs under.
	FunctionRole(ctx context.Context, functionARN string) (string, error)
}

// Usage knows who used a secret since a time, and of which times in between that is not known.
type Usage interface {
	Uses(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, []migration.Gap, error)
}

// Preflight asks who would lose access to one secret, from what is true now.
type Preflight struct {
	Snapshots *Snapshots
	Secrets   SecretContext
	Trail     Usage           // nil: only policies say who uses it
	Accepted  []string        // principals that may lose access to any secret
	Rules     migration.Rules // of the settings: who has to keep access
	Changer   string          // name of the member role by which keys are set
	Tagger    string          // likewise, by which our tags are written
	Approved  guard.Approved  // keys that secrets may be moved to
	Approval  *Approval       // where aliases and tags approve keys; nil: not known

	mu    sync.Mutex
	asked *asked
}

// batch is what was asked lately, or begins a new one.
func (p *Preflight) batch(afresh bool) *asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.Snapshots.Now(); afresh || p.asked == nil || !now.Before(p.asked.until) {
		p.asked = &asked{reader: p.Snapshots.Reader, until: now.Add(partsFor)}
	}
	return p.asked
}

// Check asks whether the key is one that secrets may be moved to, as a plan does: what approves it may have changed since. Then it
// reads the principals of the accounts that can reach the secret, the policies on it and on the key, and asks.
func (p *Preflight) Check(ctx context.Context, s guard.Secret, keyARN string, accepted []string) (migration.Assessment, error) {
	batch := p.batch(false)
	target, err := batch.Key(ctx, arn.Of(keyARN).Account, s.Region, keyARN)
	if err != nil {
		return migration.Assessment{}, fmt.Errorf("look at the target key: %w", err)
	}
	if target == nil {
		return migration.Assessment{Secret: s.ARN, Target: keyARN, Problems: []string{"the key " + keyARN + " does not exist"}}, nil
	}
	approved, err := p.Approval.Of(ctx, p.Approved, target.Facts)
	if err != nil {
		return migration.Assessment{}, fmt.Errorf("ask who approves the target key: %w", err)
	}
	if unfit := migration.Unfit(keyARN, target.Facts, s, s.Region, approved); unfit != "" {
		return migration.Assessment{Secret: s.ARN, Target: keyARN, Problems: []string{unfit}}, nil
	}
	one, err := p.withPolicy(ctx, s)
	if err != nil {
		return migration.Assessment{}, err
	}
	snapshot := p.snapshot(ctx, batch, one, *target)
	q := migration.Question{Access: inventory.Prepare(snapshot), Secret: s.ARN, Target: *target, Accepted: slices.Concat(p.Accepted, accepted), Rules: p.Rules, Functions: map[string]string{},
		Changer: arn.PartitionOf(s.Region).Role(s.Account, p.Changer), Tagger: arn.PartitionOf(s.Region).Role(s.Account, p.Tagger)}
	if q.Seen, q.Gaps, err = p.seen(ctx, s); err != nil {
		return migration.Assessment{}, err
	}
	if s.RotationEnabled && s.RotationLambdaARN != "" {
		role, err := batch.roles.get(ctx, s.RotationLambdaARN, func() (string, error) { return p.Secrets.FunctionRole(ctx, s.RotationLambdaARN) })
		if err == nil {
			q.Functions[s.RotationLambdaARN] = role
		}
	}
	return migration.Assess(q)
}

// Refusing says which lock of a secret keeps a role or user out now: the secret's own where the key certainly lets it through,
// migration.LockSession where neither does, migration.LockUnknown where that cannot be found out. Its answer may weaken the
// secret, so nothing that was read earlier is believed.
func (p *Preflight) Refusing(ctx context.Context, s guard.Secret, principal, previous string) (migration.Refusal, error) {
	one, err := p.withPolicy(ctx, s)
	if err != nil {
		return migration.Refusal{}, err
	}
	batch := p.batch(true)
	reader, err := inventory.Prepare(p.snapshot(ctx, batch, one)).Explain(principal, s.ARN)
	switch {
	case errors.Is(err, inventory.ErrNotInSnapshot):
		return migration.Refusal{}, nil
	case err != nil:
		return migration.Refusal{}, fmt.Errorf("ask which lock refuses %s: %w", principal, err)
	case reader.SecretLock.Answer == policy.Allowed && reader.KeyLock.Answer == policy.Allowed:
		return migration.Refusal{By: migration.LockSession}, nil
	case refuses(reader.SecretLock), reader.KeyLock.Answer == policy.Allowed:
		return migration.Refusal{By: migration.LockSecret}, nil
	case reader.SecretLock.Answer == policy.Allowed && refuses(reader.KeyLock):
		return p.restoring(ctx, batch, one, principal, previous)
	}
	return migration.Refusal{}, nil
}

// restoring says what would let somebody in again whom the key keeps out.
func (p *Preflight) restoring(ctx context.Context, batch *asked, s inventory.Secret, principal, previous string) (migration.Refusal, error) {
	out := migration.Refusal{By: migration.LockKey}
	before, err := batch.named(ctx, s.Facts, previous)
	if err != nil {
		return out, fmt.Errorf("look at the previous key: %w", err)
	}
	granting, err := batch.named(ctx, s.Facts, s.Facts.Key.ARN)
	if err != nil {
		return out, fmt.Errorf("look at the key: %w", err)
	}
	granting.Grants = append(slices.Clip(granting.Grants), inventory.Grant{Grantee: principal, Operations: []string{"Decrypt"}, Subset: map[string]string{"SecretARN": s.Facts.ARN}})
	access := inventory.Prepare(p.snapshot(ctx, batch, s, before))
	if out.Previous, err = access.LetsIn(principal, s.Facts.ARN, before); err != nil {
		return out, fmt.Errorf("ask whether the previous key lets %s in: %w", principal, err)
	}
	if out.Grant, err = access.LetsIn(principal, s.Facts.ARN, granting); err != nil {
		return out, fmt.Errorf("ask whether a grant lets %s in: %w", principal, err)
	}
	return out, nil
}

func refuses(d policy.Decision) bool {
	return d.Answer == policy.ImplicitlyDenied || d.Answer == policy.ExplicitlyDenied
}

func (p *Preflight) withPolicy(ctx context.Context, s guard.Secret) (inventory.Secret, error) {
	text, err := p.Secrets.ResourcePolicy(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN})
	if err != nil && !errors.Is(err, guard.ErrDenied) {
		return inventory.Secret{}, err
	}
	one := inventory.Secret{Facts: s, Policy: text}
	if err != nil {
		one.PolicyUnread = err.Error()
	}
	return one, nil
}

func (p *Preflight) seen(ctx context.Context, s guard.Secret) ([]migration.Sighting, []migration.Gap, error) {
	if p.Trail == nil {
		return nil, nil, nil
	}
	return p.Trail.Uses(ctx, s, p.Snapshots.Now().Add(-lookBack))
}

// snapshot is as small as the question: one secret, its keys and others that are asked about, and the principals of the
// accounts that can reach it.
func (p *Preflight) snapshot(ctx context.Context, batch *asked, s inventory.Secret, keys ...inventory.Key) inventory.Snapshot {
	taken := *p.Snapshots
	taken.Reader = batch
	organization, err := batch.organization.get(ctx, "", func() (inventory.Snapshot, error) { return taken.Organization(ctx, nil), ctx.Err() })
	if err != nil {
		organization = inventory.Snapshot{Version: inventory.Version, Unread: []inventory.Unread{{Part: inventory.PartOrganization, Why: err.Error()}}}
	}
	if isUnread(organization) {
		organization.Accounts = []inventory.Account{{ID: s.Facts.Account}}
	}
	all := []inventory.Snapshot{organization}
	reach := reachOf(organization, s)
	for i, account := range reach {
		if i >= accountsMost {
			break
		}
		all = append(all, taken.principals(ctx, account))
	}
	small := inventory.Merge(all...)
	// The accounts of the keys count too: their resource control policies bind whoever decrypts.
	concerned := append(slices.Clone(reach), s.Facts.Key.Account)
	for _, k := range keys {
		concerned = append(concerned, k.Facts.Account)
	}
	small.Accounts = slices.DeleteFunc(small.Accounts, func(a inventory.Account) bool { return !slices.Contains(concerned, a.ID) })
	for _, account := range reach[min(len(reach), accountsMost):] {
		small.Unread = append(small.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: account, Why: "more accounts can reach the secret than are read at once"})
	}
	small.TakenAt = p.Snapshots.Now().UTC()
	small.Secrets = []inventory.Secret{s}
	small.Keys = keys
	small.Keys = append(small.Keys, taken.ForeignKeys(ctx, small)...)
	return small
}

// reachOf lists the accounts whose principals the secret can be open to: its own, and those its policy names. One that
// names an organization or everybody can be open to every account.
func reachOf(organization inventory.Snapshot, s inventory.Secret) []string {
	out := []string{s.Facts.Account}
	wide := strings.Contains(s.Policy, "aws:PrincipalOrg") || strings.Contains(s.Policy, `"*"`)
	for _, account := range organization.Accounts {
		if account.ID != s.Facts.Account && (wide || strings.Contains(s.Policy, account.ID)) && s.Policy != "" {
			out = append(out, account.ID)
		}
	}
	return out
}

func isUnread(organization inventory.Snapshot) bool {
	return slices.ContainsFunc(organization.Unread, func(u inventory.Unread) bool { return u.Part == inventory.PartOrganization })
}

var _ migration.Preflight = (*Preflight)(nil)
