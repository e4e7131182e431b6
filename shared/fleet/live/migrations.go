package live

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// Migration is what the migrations of a hub are made from.
type Migration struct {
	Cloud    *cloud.Cloud
	Table    string
	Bus      string
	Regions  []string // that snapshots read
	Runtime  settings.Runtime
	Settings migration.Settings
	By       string // role session, for the journal
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // nil: the wall clock
	Accepted []string                                         // principals that may lose access to any secret
}

// Open puts the machine together. It calls nobody.
func (m Migration) Open() *fleet.Migrations {
	records := table.Open(m.Cloud, m.Table)
	store := migration.NewStore(records.Documents(migration.DocumentKind))
	reads := Reads(m.Cloud)
	snapshots := Snapshots(m.Cloud, m.Regions, m.Now)
	preflight := &fleet.Preflight{Snapshots: snapshots, Secrets: besideSecrets{m.Cloud}, Trail: reads, Accepted: m.Accepted, Changer: settings.RoleChange}
	if m.Sleep == nil {
		m.Sleep = Sleep
	}
	return &fleet.Migrations{
		Store: store, Snapshots: snapshots, Preflight: preflight, Reads: reads,
		Keys: fleet.KeyRules{KeyFor: m.Runtime.KeyFor, Approved: m.Runtime.Approved, Waivers: m.Runtime.GuardWaivers()},
		Engine: &migration.Engine{
			Secrets: secrets.New(m.Cloud), Grants: secrets.NewKeys(m.Cloud), Store: store, Journal: records.Journal(), Counter: records, Preflight: preflight,
			Trail: reads, Bus: bus.Open(m.Cloud, m.Bus), Settings: m.Settings, By: m.By, Worker: m.By + "/" + rand.Text(), Now: m.Now, Sleep: m.Sleep,
		},
	}
}

// Reads finds in CloudTrail who read a secret.
func Reads(c *cloud.Cloud) fleet.Reads { return fleet.Reads{History: history{trails.New(c)}} }

// MigrationSettings are those of doublelock.yaml, and migration's own where it says nothing.
func MigrationSettings(r settings.Runtime) migration.Settings {
	set := migration.Defaults()
	if most := r.Limits.ChangesPerHour; most > 0 {
		set.PerHour = most
	}
	if most := r.Limits.ChangesPerAccountPerHour; most > 0 {
		set.PerAccountHour = most
	}
	chosen := r.Migration
	if chosen.ObserveHours > 0 {
		set.Observe = time.Duration(chosen.ObserveHours) * time.Hour
	}
	if chosen.WatchHours > 0 {
		set.Watch = time.Duration(chosen.WatchHours) * time.Hour
	}
	set.RotateTwice, set.AutoGrant = chosen.RotateTwice, chosen.RescueGrants
	return set
}

// Sleep waits, or ends with the context.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
