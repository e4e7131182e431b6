package handlers

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/migration"
)

// Migrations are the hub's migrations, as handlers and the command line drive them.
type Migrations struct {
	Engine    *migration.Engine
	Preflight *Preflight
	Store     migration.Store
	Reads     Reads
}

// Migration is what the migrations of a hub are made from.
type Migration struct {
	Cloud    *cloud.Cloud
	Table    string
	Bus      string
	Regions  []string // that snapshots read
	Settings migration.Settings
	By       string // role session, for the journal
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // nil: the wall clock
	Accepted []string
}

// Open puts the machine together. It calls nobody.
func (m Migration) Open() *Migrations {
	records := m.Cloud.Records(m.Table)
	store := jobs{records.Documents(migrationKind)}
	reads := Reads{m.Cloud.Trails()}
	preflight := &Preflight{Inventory: &Inventory{Cloud: m.Cloud, Regions: m.Regions, Now: m.Now}, Trail: reads, Accepted: m.Accepted}
	if m.Sleep == nil {
		m.Sleep = sleep
	}
	return &Migrations{Preflight: preflight, Store: store, Reads: reads, Engine: &migration.Engine{
		Secrets: m.Cloud.Secrets(), Grants: m.Cloud.Keys(), Store: store, Journal: records.Journal(), Counter: records, Preflight: preflight,
		Trail: reads, Bus: m.Cloud.Bus(m.Bus), Settings: m.Settings, By: m.By, Worker: m.By + "/" + rand.Text(), Now: m.Now, Sleep: m.Sleep,
	}}
}
