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
			Trail: reads, Bus: bus.Open(m.Cloud, m.Bus), Rules: Rules(m.Runtime), By: m.By, Worker: m.By + "/" + rand.Text(), Now: m.Now, Sleep: m.Sleep,
		},
	}
}

// Reads finds in CloudTrail who read a secret.
func Reads(c *cloud.Cloud) fleet.Reads { return fleet.Reads{History: history{trails.New(c)}} }

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
