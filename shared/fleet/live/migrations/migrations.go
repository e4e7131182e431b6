// Package migrations puts the machine together that moves secrets, as the functions and the command line drive it.
package migrations

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/functions"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/fleet/live/snapshots"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/outbox"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// Parts are what the migrations of a hub are made from.
type Parts struct {
	Cloud    *cloud.Cloud
	Table    string
	Bus      string
	Regions  []string // that snapshots read
	Runtime  settings.Runtime
	By       string // role session, for the journal
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // nil: the wall clock
	Elapsed  func() time.Duration                             // since some moment in this process; nil: by the machine's monotonic clock
	Accepted []string                                         // principals that may lose access to any secret
	Log      *slog.Logger                                     // of what AWS refused; nil: silence
}

// Open puts the machine together. It calls nobody.
func (p Parts) Open() *fleet.Migrations {
	records := table.Open(p.Cloud, p.Table)
	jobs := migration.NewStore(records.Documents(migration.DocumentKind), records.Entries())
	reads := Reads(p.Cloud)
	reads.Ledger, reads.Now = records.DocumentsFor(fleet.LedgerKind, fleet.KeepLedger), p.Now
	taken := snapshots.New(p.Cloud, p.Regions, p.Now)
	modes := accounts.Modes(p.Cloud, p.Runtime, &fleet.Changes{Bookmarks: records, Now: p.Now}, p.Now)
	approval := accounts.KeptApproval(p.Cloud, records.Documents(fleet.OriginKind), modes, p.Runtime, p.Cloud.Options().ManagementAccount, p.Now)
	approval.Afresh = true
	preflight := &fleet.Preflight{Snapshots: taken, Secrets: besideSecrets{p.Cloud}, Trail: reads, Accepted: p.Accepted, Rules: Rules(p.Runtime), Changer: settings.RoleChange, Tagger: settings.RoleTag, Approved: p.Runtime.Approved, Approval: approval}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Sleep == nil {
		p.Sleep = store.Sleep
	}
	effects := &store.Effects{Intents: records.Intents(), Worker: p.By + "/" + rand.Text(), Lease: time.Duration(Rules(p.Runtime).Lease), Now: p.Now, Elapsed: p.Elapsed, Sleep: p.Sleep}
	return &fleet.Migrations{
		Store: jobs, Happened: jobs.Happened, Snapshots: taken, Preflight: preflight, Reads: reads,
		Keys: fleet.KeyRules{KeyFor: p.Runtime.KeyFor, Approved: p.Runtime.Approved, Approval: approval, Waivers: p.Runtime.GuardWaivers()},
		Engine: &migration.Engine{
			Secrets: secrets.New(p.Cloud), Grants: secrets.NewKeys(p.Cloud), Store: jobs, Journal: records.Journal(), Counter: records, Preflight: preflight,
			Trail: reads, Bus: &outbox.Outbox{Store: records.Outbox(), Bus: bus.Open(p.Cloud, p.Bus), Log: p.Log}, Enter: changing(p.Cloud), Rules: Rules(p.Runtime), By: p.By, Effects: effects, Spent: &migration.Spent{}, Now: p.Now, Sleep: p.Sleep, Log: p.Log,
		},
	}
}

// Reads finds in CloudTrail who read a secret, and keeps nothing.
func Reads(c *cloud.Cloud) fleet.Reads {
	return fleet.Reads{History: history{trails.New(c)}, Now: c.Options().Now}
}

// changing takes the role that changes secrets, as every change does; where no roles are assumed, only the account of our
// own credentials can be changed.
func changing(c *cloud.Cloud) func(ctx context.Context, account string) error {
	return func(ctx context.Context, account string) error {
		at, err := c.Locate(ctx, account, c.Options().Region, settings.RoleChange)
		if err != nil || at.Role == "" {
			return err
		}
		return c.Enter(ctx, account, settings.RoleChange)
	}
}

// besideSecrets reads what stands beside a secret.
type besideSecrets struct{ c *cloud.Cloud }

func (b besideSecrets) ResourcePolicy(ctx context.Context, ref guard.SecretRef) (string, error) {
	return secrets.New(b.c).ResourcePolicy(ctx, ref)
}

func (b besideSecrets) FunctionRole(ctx context.Context, functionARN string) (string, error) {
	return functions.Role(ctx, b.c, functionARN)
}

// history is CloudTrail's event history. It keeps to LookupEvents' two requests a second.
type history struct{ trails *trails.Trails }

func (h history) Find(ctx context.Context, s fleet.Search, yield func([]byte) error) (more bool, err error) {
	q := trails.Lookup{Account: s.Account, Region: s.Region, By: trails.ByEventName, Value: s.Name, From: s.From, To: s.To, Pages: s.Pages}
	if s.Resource != "" {
		q.By, q.Value = trails.ByResourceName, s.Resource
	}
	if err = h.trails.Lookup(ctx, q, yield); errors.Is(err, trails.ErrMore) {
		return true, nil
	}
	return false, err
}

var (
	_ fleet.EventHistory  = history{}
	_ fleet.SecretContext = besideSecrets{}
)
