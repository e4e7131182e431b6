package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

const (
	lookBack     = 90 * 24 * time.Hour // what LookupEvents answers
	partsFor     = time.Minute         // how long an account's principals are believed: a batch asks for them once
	accountsMost = 25                  // accounts that one pre-flight reads; a secret open to more is unknown
)

// Preflight asks who would lose access to one secret, from what is true now.
type Preflight struct {
	Inventory *Inventory
	Trail     migration.Trail // nil: only policies tell who reads
	Accepted  []string        // principals that may lose access to any secret

	mu           sync.Mutex
	organization inventory.Snapshot
	until        time.Time
	parts        map[string]part
}

type part struct {
	snapshot inventory.Snapshot
	until    time.Time
}

// Check reads the principals of the accounts that can reach the secret, the policies on it and on the key, and asks.
func (p *Preflight) Check(ctx context.Context, s guard.Secret, keyARN string, accepted []string) (migration.Assessment, error) {
	target, err := p.Inventory.Cloud.Keys().One(ctx, accountIn(keyARN), s.Region, keyARN)
	if err != nil {
		return migration.Assessment{}, fmt.Errorf("look at the target key: %w", err)
	}
	if target == nil {
		return migration.Assessment{Secret: s.ARN, Target: keyARN, Problems: []string{"the key " + keyARN + " does not exist"}}, nil
	}
	policyText, err := p.Inventory.Cloud.Secrets().ResourcePolicy(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN})
	if err != nil && !errors.Is(err, guard.ErrDenied) {
		return migration.Assessment{}, err
	}
	one := inventory.Secret{Facts: s, Policy: policyText, PolicyUnread: why(err)}
	snapshot := p.snapshot(ctx, one, keyOf(*target))
	q := migration.Question{Access: inventory.Prepare(snapshot), Secret: s.ARN, Target: keyOf(*target), Accepted: slices.Concat(p.Accepted, accepted), Functions: map[string]string{},
		Changer: changeRole(s.Account)}
	if q.Seen, err = p.seen(ctx, s); err != nil {
		return migration.Assessment{}, err
	}
	if s.RotationEnabled && s.RotationLambdaARN != "" {
		if role, err := p.Inventory.Cloud.FunctionRole(ctx, s.RotationLambdaARN); err == nil {
			q.Functions[s.RotationLambdaARN] = role
		}
	}
	return migration.Assess(q)
}

func (p *Preflight) seen(ctx context.Context, s guard.Secret) ([]migration.Sighting, error) {
	if p.Trail == nil {
		return nil, nil
	}
	return p.Trail.Reads(ctx, s, p.Inventory.Now().Add(-lookBack))
}

// snapshot is as small as the question: one secret, its keys, and the principals of the accounts that can reach it.
func (p *Preflight) snapshot(ctx context.Context, s inventory.Secret, target inventory.Key) inventory.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Inventory.Now()
	if !now.Before(p.until) {
		p.organization, p.until, p.parts = p.Inventory.Organization(ctx, []string{s.Facts.Account}), now.Add(partsFor), map[string]part{}
	}
	all := []inventory.Snapshot{p.organization}
	reach := p.reach(s)
	for i, account := range reach {
		if i >= accountsMost {
			break
		}
		all = append(all, p.account(ctx, account, now))
	}
	small := inventory.Merge(all...)
	// The accounts of the keys count too: their resource control policies bind whoever decrypts.
	concerned := append(slices.Clone(reach), target.Facts.Account, s.Facts.Key.Account)
	small.Accounts = slices.DeleteFunc(small.Accounts, func(a inventory.Account) bool { return !slices.Contains(concerned, a.ID) })
	for _, account := range reach[min(len(reach), accountsMost):] {
		small.Unread = append(small.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: account, Why: "more accounts can reach the secret than are read at once"})
	}
	small.TakenAt = now.UTC()
	small.Secrets = []inventory.Secret{s}
	small.Keys = []inventory.Key{target}
	small.Keys = append(small.Keys, p.Inventory.ForeignKeys(ctx, small)...)
	return small
}

// reach lists the accounts whose principals the secret can be open to: its own, and those its policy names. One that
// names an organization or everybody can be open to every account.
func (p *Preflight) reach(s inventory.Secret) []string {
	out := []string{s.Facts.Account}
	wide := strings.Contains(s.Policy, "aws:PrincipalOrg") || strings.Contains(s.Policy, `"*"`)
	for _, account := range p.organization.Accounts {
		if account.ID != s.Facts.Account && (wide || strings.Contains(s.Policy, account.ID)) && s.Policy != "" {
			out = append(out, account.ID)
		}
	}
	return out
}

func (p *Preflight) account(ctx context.Context, id string, now time.Time) inventory.Snapshot {
	if have, ok := p.parts[id]; ok && now.Before(have.until) {
		return have.snapshot
	}
	s := inventory.Snapshot{Version: inventory.Version, TakenAt: now.UTC(), Managed: map[string]string{}}
	if err := p.Inventory.addPrincipals(ctx, &s, id); err != nil {
		s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: id, Why: err.Error()})
	}
	p.parts[id] = part{s, now.Add(partsFor)}
	return s
}

var _ migration.Preflight = (*Preflight)(nil)
