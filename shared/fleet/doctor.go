package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
)

// Run makes every check and returns a row for each, in the order of the report. It does not fail: what cannot be found
// out is a row too.
func (d *Doctor) Run(ctx context.Context) []Row {
	accounts, rows := d.accounts(ctx)
	jobs := []job{{"organization", d.scps}, {"hub", d.hub}}
	for _, a := range accounts {
		jobs = append(jobs, job{a.ID, func(ctx context.Context) []Row { return d.account(ctx, a, false) }})
	}
	return sorted(append(rows, d.all(ctx, jobs)...))
}

// Vital makes only the checks that say whether events of each account and Region reach the hub: whether the account can
// be entered, whether a trail records, and the forward rules. It is cheap enough for every quarter of an hour.
func (d *Doctor) Vital(ctx context.Context) ([]Row, error) {
	accounts, err := d.Organization.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	var jobs []job
	for _, a := range accounts {
		jobs = append(jobs, job{a.ID, func(ctx context.Context) []Row { return d.account(ctx, a, true) }})
	}
	return sorted(d.all(ctx, jobs)), ctx.Err()
}

type job struct {
	what string
	run  func(context.Context) []Row
}

// all runs jobs side by side, and reports each one's end.
func (d *Doctor) all(ctx context.Context, jobs []job) []Row {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(cmp.Or(d.Concurrency, 8))
	var rows []Row
	done := 0
	for _, j := range jobs {
		group.Go(func() error {
			found := j.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			rows = append(rows, found...)
			done++
			if d.Progress != nil {
				d.Progress(done, len(jobs), j.what)
			}
			return nil
		})
	}
	_ = group.Wait() // what cannot be found out is a row, not an error
	return rows
}

// accounts lists what to look at. Without Organizations the hub's own account is still looked at.
func (d *Doctor) accounts(ctx context.Context) ([]Account, []Row) {
	row := Row{Account: d.Expected.Management, Check: CheckOrganization, Subject: d.Expected.OrganizationID}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	accounts, err := d.Organization.Accounts(ctx)
	if err != nil {
		row.cannot(err, "Let the role doublelock-read of the management account be taken, and let it read Organizations.")
		return []Account{{ID: d.Expected.Hub}}, []Row{row}
	}
	row.ok("%s × %s", guard.Count(len(accounts), "account", "accounts"), guard.Count(len(d.Expected.Regions), "Region", "Regions"))
	return accounts, []Row{row}
}

func (d *Doctor) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(d.CallTime, 30*time.Second))
}

func (r *Row) ok(format string, args ...any) {
	r.Status, r.Detail = OK, fmt.Sprintf(format, args...)
}

func (r *Row) fail(fix, format string, args ...any) {
	r.Status, r.Detail, r.Fix = Fail, fmt.Sprintf(format, args...), fix
}

// cannot is for a look that ended in an error: what is missing fails, anything else is not known. fix is for a refusal;
// it does not help where nobody answered.
func (r *Row) cannot(err error, fix string) {
	r.Status, r.Detail, r.Fix = Unknown, err.Error(), "Run doctor again; if it stays, look at the credentials and the way to AWS."
	switch {
	case errors.Is(err, guard.ErrGone):
		r.Status, r.Fix = Fail, fix
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		r.Fix = fix
	}
}

// account looks into one account, all its Regions one after the other; vital leaves out all but the vital checks.
func (d *Doctor) account(ctx context.Context, a Account, vital bool) []Row {
	entered := Row{Account: a.ID, Check: CheckEnter, Subject: guard.ReadRole}
	if err := d.enter(ctx, a.ID, guard.ReadRole); err != nil {
		entered.cannot(err, "Deploy the member stack to the account: its StackSet instance says what went wrong.")
		if errors.Is(err, guard.ErrNotOurs) || errors.Is(err, guard.ErrDenied) {
			entered.Status = Fail
		}
		return append([]Row{entered}, d.skipped(a.ID)...)
	}
	entered.ok("taken")
	rows := []Row{entered}
	if !vital {
		rows = append(rows, d.roles(ctx, a.ID)...)
	}
	for _, at := range d.locationsOf(a.ID) {
		rows = append(rows, d.trail(ctx, at.Account, at.Region))
		for _, want := range at.Rules {
			rows = append(rows, d.rule(ctx, at.Account, at.Region, want))
		}
		if !vital {
			rows = append(rows, d.deadLetters(ctx, at.Account, at.Region))
		}
	}
	return rows
}

// locationsOf lists the guarded Regions of an account, and those where it has some of our rules all the same.
func (d *Doctor) locationsOf(account string) []ExpectedLocation {
	var at []ExpectedLocation
	for _, region := range d.Expected.Regions {
		at = append(at, ExpectedLocation{account, region, d.Expected.Rules})
	}
	for _, e := range d.Expected.Elsewhere {
		if e.Account == account {
			at = append(at, e)
		}
	}
	return at
}

func (d *Doctor) enter(ctx context.Context, account, role string) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	return d.Members.Enter(ctx, account, role)
}

// skipped says of each Region of an account that nobody could look.
func (d *Doctor) skipped(account string) []Row {
	var rows []Row
	for _, region := range d.Expected.Regions {
		rows = append(rows, Row{Account: account, Region: region, Check: CheckTrail, Status: Skipped, Detail: "the account could not be entered"})
	}
	return rows
}
