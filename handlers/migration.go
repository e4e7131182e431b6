package handlers

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
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
	Regions  []string        // that snapshots read
	Rules    migration.Rules // of the settings: see Rules
	By       string          // role session, for the journal
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // nil: the wall clock
	Accepted []string                                         // principals that may lose access to any secret
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
		Trail: reads, Bus: m.Cloud.Bus(m.Bus), Rules: m.Rules, By: m.By, Worker: m.By + "/" + rand.Text(), Now: m.Now, Sleep: m.Sleep,
	}}
}

// migrations are those of the hub, driven by one of its handlers.
func (w wiring) migrations(c *cloud.Cloud, session string) *Migrations {
	regions := w.options.Regions
	if len(regions) == 0 {
		regions = []string{w.options.Region}
	}
	return Migration{Cloud: c, Table: w.table, Bus: w.bus, Regions: regions, Rules: Rules(w.runtime), By: settings.SessionPrefix + session, Now: w.now}.Open()
}
