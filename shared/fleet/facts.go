package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// Migrations are the hub's migrations, as handlers and the command line drive them.
type Migrations struct {
	Engine    *migration.Engine
	Store     migration.Store
	Happened  func(ctx context.Context, j migration.Job) ([]migration.Happened, []store.Unreadable, error) // to a job: all that is kept of it
	Snapshots *Snapshots
	Preflight *Preflight
	Reads     Reads
	Keys      KeyRules
}

// KeyRules say which keys secrets are to be under.
type KeyRules struct {
	KeyFor   func(account, region string, tags map[string]string) string // key ARN or alias
	Approved guard.Approved
	Approval *Approval // where aliases and tags approve keys; nil: not known
	Waivers  []guard.Waiver
}

// Facts completes a snapshot with what CloudTrail and Lambda know: who read, what made the secrets, under which role
// the rotation functions run. Where CloudTrail does not answer, Unseen says why. seen replaces the look-ups, for trail files that were read already; nil asks CloudTrail.
func (m *Migrations) Facts(ctx context.Context, snapshot inventory.Snapshot, seen []migration.Sighting) (migration.Facts, error) {
	now := m.Engine.Now()
	approved, err := m.Keys.Approval.Of(ctx, m.Keys.Approved, keysIn(snapshot)...)
	if err != nil {
		return migration.Facts{}, err
	}
	f := migration.Facts{
		Access: inventory.Prepare(snapshot), Seen: seen, LookBack: int(lookBack.Hours() / 24), Now: now,
		Functions: map[string]string{}, Tools: map[string]string{}, KeyFor: m.Keys.KeyFor, Approved: approved, Waivers: m.Keys.Waivers, Rules: m.Engine.Rules,
		Changer: role(snapshot, m.Preflight.Changer), Tagger: role(snapshot, m.Preflight.Tagger),
	}
	f.Begun = m.begun(ctx)
	locations := map[migration.Location]bool{}
	for _, s := range snapshot.Secrets {
		locations[migration.Location{Account: s.Facts.Account, Region: s.Facts.Region}] = true
		m.addFunction(ctx, f.Functions, s)
	}
	if seen != nil {
		return f, nil
	}
	f.Unseen, f.Gaps = map[migration.Location]string{}, map[string][]migration.Gap{}
	for at := range locations {
		reads, gaps, err := m.Reads.All(ctx, at.Account, at.Region, now.Add(-lookBack))
		if err == nil && len(gaps) > 0 {
			reads, err = m.one(ctx, at, snapshot, reads, f.Gaps)
		}
		if err == nil {
			err = m.addTools(ctx, f.Tools, at, now.Add(-lookBack), snapshot)
		}
		switch {
		case ctx.Err() != nil:
			return f, context.Cause(ctx)
		case err != nil: // its secrets are blocked, those of the others are not
			f.Unseen[at] = err.Error()
		}
		f.Seen = append(f.Seen, reads...)
	}
	f.Seen = migration.Gather(f.Seen)
	return f, nil
}

// one asks for secret by secret where there is more than is read of all at once: a busy one does not hold up the others.
func (m *Migrations) one(ctx context.Context, at migration.Location, snapshot inventory.Snapshot, reads []migration.Sighting, gaps map[string][]migration.Gap) ([]migration.Sighting, error) {
	for _, s := range snapshot.Secrets {
		if s.Facts.Account != at.Account || s.Facts.Region != at.Region {
			continue
		}
		uses, unknown, err := m.Reads.Uses(ctx, s.Facts, m.Engine.Now().Add(-lookBack))
		if err != nil {
			return nil, err
		}
		reads = slices.DeleteFunc(reads, func(seen migration.Sighting) bool { return seen.Secret == s.Facts.ARN || seen.Secret == s.Facts.Name })
		reads, gaps[s.Facts.ARN] = append(reads, uses...), unknown
	}
	return reads, nil
}

// keysIn lists the keys of a snapshot, and those that its secrets are under.
func keysIn(s inventory.Snapshot) []guard.Key {
	var keys []guard.Key
	for _, k := range s.Keys {
		keys = append(keys, k.Facts)
	}
	for _, secret := range s.Secrets {
		keys = append(keys, secret.Facts.Key)
		for _, r := range secret.Facts.Replicas {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// begun is what going back restores, by secret; nil where the hub's table cannot be read, which a plan says where it
// matters.
func (m *Migrations) begun(ctx context.Context) map[string]migration.Before {
	out := map[string]migration.Before{}
	jobs, _, err := migration.All(ctx, m.Store) // of one that cannot be read nothing is begun, whatever the plan says
	if err != nil {
		return nil
	}
	for _, j := range jobs {
		if back := j.WayBack(); back != nil {
			out[j.Secret] = *back
		}
	}
	return out
}

// role names a role of ours in each account, in the partition of the secrets.
func role(snapshot inventory.Snapshot, name string) func(account string) string {
	partition := arn.Standard
	if len(snapshot.Secrets) > 0 {
		partition = arn.Of(snapshot.Secrets[0].Facts.ARN).Partition
	}
	return func(account string) string { return partition.Role(account, name) }
}

// addFunction leaves out a role that cannot be read: it is unknown then, and says so in the plan.
func (m *Migrations) addFunction(ctx context.Context, roles map[string]string, s inventory.Secret) {
	function := s.Facts.RotationLambdaARN
	if _, known := roles[function]; function == "" || known {
		return
	}
	if role, err := m.Preflight.Secrets.FunctionRole(ctx, function); err == nil {
		roles[function] = role
	}
}

// addTools finds what the secrets were made with, as far back as CloudTrail remembers.
func (m *Migrations) addTools(ctx context.Context, tools map[string]string, at migration.Location, since time.Time, snapshot inventory.Snapshot) error {
	byName := map[string]string{}
	for _, s := range snapshot.Secrets {
		if s.Facts.Account == at.Account && s.Facts.Region == at.Region {
			byName[s.Facts.Name] = s.Facts.ARN
		}
	}
	_, err := m.Reads.History.Find(ctx, Search{Account: at.Account, Region: at.Region, Name: "CreateSecret", From: since}, func(record []byte) error {
		c, err := trail.Decode(record)
		if err != nil || c.ErrorCode != "" {
			return nil //nolint:nilerr // a record that cannot be read names no tool
		}
		secret, known := byName[c.Secret.ID]
		if arn.Is(c.Secret.ID) {
			secret, known = c.Secret.ID, true
		}
		if tool := trail.Tool(c.UserAgent); known && tool != "" {
			tools[secret] = tool
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up who made the secrets in %s %s: %w", at.Account, at.Region, err)
	}
	return nil
}
