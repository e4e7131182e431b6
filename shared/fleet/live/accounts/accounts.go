// Package accounts reads from AWS Organizations which accounts there are, and by doublelock.yaml which of them are enrolled
// and how far the guard may go there.
package accounts

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// Memory is where what AWS Organizations said last is kept, for the time when it cannot be asked.
type Memory struct {
	Answers store.Answers
	Now     func() time.Time
	Log     *slog.Logger
}

func (m Memory) over(c *cloud.Cloud) fleet.Remembered {
	return fleet.Remembered{Organization: anew{c}, Answers: m.Answers, Now: m.Now, Log: m.Log}
}

// Enrolled lists the accounts that have the member stack, as of now.
func Enrolled(c *cloud.Cloud, r settings.Runtime, management string) fleet.Enrolled {
	return fleet.Enrolled{Organization: anew{c}, Management: management, Has: r.Enrolled}
}

// LastEnrolled is Enrolled with what AWS Organizations said last while it cannot be asked. Who goes by it looks at what is in
// those accounts now.
func LastEnrolled(c *cloud.Cloud, r settings.Runtime, management string, m Memory) fleet.Enrolled {
	return fleet.Enrolled{Organization: m.over(c), Management: management, Has: r.Enrolled}
}

// Modes finds modes by doublelock.yaml and where accounts are now; after changes they are asked for again.
func Modes(c *cloud.Cloud, r settings.Runtime, changes *fleet.Changes, now func() time.Time) *fleet.Modes {
	return modes(r, changes, now, func(ctx context.Context) ([]fleet.Account, time.Time, error) {
		all, err := anew{c}.Accounts(ctx)
		return all, time.Time{}, err
	})
}

// LastModes is Modes with where accounts were last while AWS Organizations cannot be asked. It is for who changes nothing by
// a mode.
func LastModes(c *cloud.Cloud, r settings.Runtime, changes *fleet.Changes, m Memory) *fleet.Modes {
	return modes(r, changes, m.Now, m.over(c).Last)
}

func modes(r settings.Runtime, changes *fleet.Changes, now func() time.Time, accounts func(context.Context) ([]fleet.Account, time.Time, error)) *fleet.Modes {
	return &fleet.Modes{
		Of: r.Mode, Accounts: accounts, Now: now, Changes: changes,
		ByPath: func(account string) bool {
			_, named := r.Accounts[account]
			return !named && len(r.OUs) > 0
		},
	}
}

// Moves judges accounts that were moved, by the policies of ours that are attached and by doublelock.yaml.
func Moves(c *cloud.Cloud, r settings.Runtime) *fleet.Moves {
	return &fleet.Moves{
		Mode: r.Mode, Enrolled: r.Enrolled, Accounts: anew{c}.Accounts,
		SCPs: func(ctx context.Context) ([]fleet.SCP, error) {
			ours := func(name string) bool { return strings.HasPrefix(name, settings.SessionPrefix) }
			service, err := scps(ctx, c, organization.ServiceControl, ours)
			if err != nil {
				return nil, err
			}
			resource, err := scps(ctx, c, organization.ResourceControl, ours)
			return append(service, resource...), err
		},
	}
}

// Approval finds out where aliases and tags approve keys; modes knows the paths of accounts.
func Approval(c *cloud.Cloud, modes *fleet.Modes, r settings.Runtime, management string, now func() time.Time) *fleet.Approval {
	approvals := preventive.Approvals{Aliases: r.Approved.Aliases, Tags: r.Approved.Tags, Approvers: r.Approvers}
	return &fleet.Approval{
		Path: modes.Path, Changes: modes.Changes, Management: management, Now: now,
		SCPs: func(ctx context.Context) ([]fleet.SCP, error) {
			return scps(ctx, c, organization.ServiceControl, settings.IsApprovalSCP)
		},
		Protected: func(contents []string, account, region string) guard.Outcome {
			var documents []*policy.Document
			for _, content := range contents {
				documents = append(documents, policy.Read(settings.ApprovalSCP, []byte(content)))
			}
			outcome, _ := approvals.Protected(documents, account, region)
			return outcome
		},
	}
}

// KeptApproval is Approval that goes by who wrote what approves keys, too, as the hub keeps it in documents of fleet.OriginKind.
func KeptApproval(c *cloud.Cloud, kept fleet.Documents, modes *fleet.Modes, r settings.Runtime, management string, now func() time.Time) *fleet.Approval {
	a := Approval(c, modes, r, management, now)
	approvers := preventive.Approvals{Approvers: r.Approvers}
	a.Origins = &fleet.Origins{Documents: kept, Approved: r.Approved, Approver: approvers.Approver}
	return a
}

// Tree is AWS Organizations, read once.
func Tree(c *cloud.Cloud) fleet.Tree { return tree{organization.New(c)} }

type tree struct{ o *organization.Organization }

func (t tree) About(ctx context.Context) (inventory.Organization, error) {
	about, err := t.o.About(ctx)
	return inventory.Organization{ID: about.ID, ManagementAccount: about.ManagementAccount}, err
}

func (t tree) Accounts(ctx context.Context) ([]fleet.Account, error) {
	found, err := t.o.Accounts(ctx)
	accounts := make([]fleet.Account, 0, len(found))
	for _, a := range found {
		accounts = append(accounts, fleet.Account{ID: a.ID, Name: a.Name, Path: a.Path, Active: a.Active()})
	}
	return accounts, err
}

func (t tree) Policies(ctx context.Context, path []string, kind fleet.PolicyKind) ([]fleet.Level, error) {
	found, err := t.o.PolicyPath(ctx, path, organization.PolicyKind(kind))
	levels := make([]fleet.Level, 0, len(found))
	for _, l := range found {
		level := fleet.Level{Target: l.Target}
		for _, p := range l.Policies {
			level.Policies = append(level.Policies, fleet.Policy{ID: p.ID, Name: p.Name, Content: p.Content})
		}
		levels = append(levels, level)
	}
	return levels, err
}

// anew reads AWS Organizations anew for each question.
type anew struct{ c *cloud.Cloud }

func (o anew) Accounts(ctx context.Context) ([]fleet.Account, error) {
	return Tree(o.c).Accounts(ctx)
}

func (o anew) SCPs(ctx context.Context) ([]fleet.SCP, error) {
	everyone := func(string) bool { return true }
	service, err := scps(ctx, o.c, organization.ServiceControl, everyone)
	if err != nil {
		return service, err
	}
	resource, err := scps(ctx, o.c, organization.ResourceControl, everyone)
	return append(service, resource...), err
}

// scps lists the policies of a kind whose names match, with their content and targets.
func scps(ctx context.Context, c *cloud.Cloud, kind organization.PolicyKind, named func(string) bool) ([]fleet.SCP, error) {
	policies, err := organization.New(c).Policies(ctx, kind, named)
	var scps []fleet.SCP
	for _, p := range policies {
		scps = append(scps, fleet.SCP{Name: p.Name, Content: p.Content, Targets: p.Targets})
	}
	return scps, err
}

var _ fleet.Organization = anew{}
