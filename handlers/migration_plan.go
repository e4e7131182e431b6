package handlers

import (
	"context"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// Facts completes a snapshot with what CloudTrail and Lambda know: who read, what made the secrets, under which role
// the rotation functions run. seen replaces the look-ups, for trail files that were read already; nil asks CloudTrail.
func (m *Migrations) Facts(ctx context.Context, snapshot inventory.Snapshot, runtime settings.Runtime, seen []migration.Sighting) (migration.Facts, error) {
	now := m.Engine.Now()
	f := migration.Facts{
		Access: inventory.Prepare(snapshot), Seen: seen, LookBack: int(lookBack.Hours() / 24), Now: now,
		Functions: map[string]string{}, Tools: map[string]string{}, KeyFor: runtime.KeyFor, Approved: runtime.Approved,
		Waivers: runtime.GuardWaivers(), Rules: m.Engine.Rules,
		Changer: changeRole,
	}
	type place struct{ account, region string }
	places := map[place]bool{}
	for _, s := range snapshot.Secrets {
		places[place{s.Facts.Account, s.Facts.Region}] = true
		m.addFunction(ctx, f.Functions, s)
	}
	if seen != nil {
		return f, nil
	}
	for p := range places {
		reads, err := m.Reads.All(ctx, p.account, p.region, now.Add(-lookBack))
		if err != nil {
			return f, err
		}
		f.Seen = append(f.Seen, reads...)
		if err := m.addTools(ctx, f.Tools, p.account, p.region, snapshot); err != nil {
			return f, err
		}
	}
	f.Seen = migration.Gather(f.Seen)
	return f, nil
}

// changeRole is the member role by which keys are set.
func changeRole(account string) string {
	return "arn:aws:iam::" + account + ":role/" + settings.RoleChange
}

// addFunction leaves out a role that cannot be read: it is unknown then, and says so in the plan.
func (m *Migrations) addFunction(ctx context.Context, roles map[string]string, s inventory.Secret) {
	function := s.Facts.RotationLambdaARN
	if _, known := roles[function]; function == "" || known {
		return
	}
	if role, err := m.Preflight.Inventory.Cloud.FunctionRole(ctx, function); err == nil {
		roles[function] = role
	}
}

// addTools finds what the secrets were made with, as far back as CloudTrail remembers.
func (m *Migrations) addTools(ctx context.Context, tools map[string]string, account, region string, snapshot inventory.Snapshot) error {
	byName := map[string]string{}
	for _, s := range snapshot.Secrets {
		if s.Facts.Account == account && s.Facts.Region == region {
			byName[s.Facts.Name] = s.Facts.ARN
		}
	}
	q := cloud.Lookup{Account: account, Region: region, By: cloud.ByEventName, Value: "CreateSecret", From: m.Engine.Now().Add(-lookBack)}
	err := m.Reads.Trails.Lookup(ctx, q, func(record []byte) error {
		c, err := trail.Decode(record)
		if err != nil || c.ErrorCode != "" {
			return nil //nolint:nilerr // a record that cannot be read names no tool
		}
		arn, known := byName[c.Secret.ID]
		if strings.HasPrefix(c.Secret.ID, "arn:") {
			arn, known = c.Secret.ID, true
		}
		if tool := trail.Tool(c.UserAgent); known && tool != "" {
			tools[arn] = tool
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up who made the secrets in %s %s: %w", account, region, err)
	}
	return nil
}

// Take reads accounts live into one snapshot.
func (m *Migrations) Take(ctx context.Context, accounts ...string) (inventory.Snapshot, error) {
	taker := m.Preflight.Inventory
	organization := taker.Organization(ctx, accounts)
	if len(accounts) == 0 {
		for _, a := range organization.Accounts {
			accounts = append(accounts, a.ID)
		}
	}
	parts := []inventory.Snapshot{organization}
	err := taker.Accounts(ctx, accounts, 2, func(_ string, part inventory.Snapshot) error {
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return inventory.Snapshot{}, err
	}
	all := inventory.Merge(parts...)
	all.Keys = append(all.Keys, taker.ForeignKeys(ctx, all)...)
	return inventory.Merge(all), nil
}
