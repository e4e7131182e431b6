package fleet

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	redeployHub = "Deploy the hub stack again."
	noTable     = "the table does not exist"
)

func (d *Doctor) hub(ctx context.Context) []Row {
	rows := []Row{d.bus(ctx), d.table(ctx), d.outbox(ctx), d.brake(ctx)}
	for _, name := range d.Expected.Workers {
		rows = append(rows, d.function(ctx, name), d.queue(ctx, name), d.parked(ctx, name))
	}
	return rows
}

func (d *Doctor) hubRow(check, subject string) Row {
	return Row{Account: d.Expected.Hub, Region: d.Expected.Home, Check: check, Subject: subject}
}

func (d *Doctor) bus(ctx context.Context) Row {
	row := d.hubRow(CheckBus, "doublelock")
	ctx, cancel := d.limit(ctx)
	defer cancel()
	text, err := d.Hub.BusPolicy(ctx)
	if err != nil {
		row.cannot(err, redeployHub)
		return row
	}
	if wrong := busPolicy(text, d.Expected.OrganizationID); wrong != "" {
		row.fail(redeployHub, "%s", wrong)
		return row
	}
	row.ok("open to %s and nobody else", d.Expected.OrganizationID)
	return row
}

func (d *Doctor) table(ctx context.Context) Row {
	return d.none(ctx, "doublelock", d.Hub.Unreadable, "nothing in quarantine", "%d rows could not be read and are in quarantine",
		"Run doublelock repair: it lists them, and says how each is mended.")
}

func (d *Doctor) outbox(ctx context.Context) Row {
	return d.none(ctx, "outbox", d.Hub.Late, "no notice waits for more than an hour", "%d notices have waited for more than an hour",
		"Read in the log of doublelock-watchdog why the bus does not take them. When it does, the next heartbeat publishes them.")
}

// brake fails while changes are paused: whoever does not know waits for what will not come.
func (d *Doctor) brake(ctx context.Context) Row {
	row := d.hubRow(CheckBrake, "changes")
	ctx, cancel := d.limit(ctx)
	defer cancel()
	b, err := d.Hub.Brake(ctx)
	bad, unreadable := errors.AsType[*store.Unreadable](err)
	switch {
	case unreadable:
		row.fail("Run doublelock repair: it shows the row, and how it is mended.", "changes are paused, because the brake's row cannot be read: %s", bad.Reason)
	case errors.Is(err, guard.ErrGone):
		row.fail(redeployHub, noTable)
	case err != nil:
		row.cannot(err, "Run doctor with rights to read the hub's table.")
	case b.Paused() != nil:
		row.fail("When its cause is gone, run doublelock resume --reason TEXT.", "%s", b.Paused().Error())
	default:
		row.ok("changes are made")
	}
	return row
}

// none is the row of something in the table that there should be nothing of: some is a format that takes the count, and fix is
// what mends it.
func (d *Doctor) none(ctx context.Context, subject string, count func(context.Context) (int, error), ok, some, fix string) Row {
	row := d.hubRow(CheckTable, subject)
	ctx, cancel := d.limit(ctx)
	defer cancel()
	switch n, err := count(ctx); {
	case errors.Is(err, guard.ErrGone):
		row.fail(redeployHub, noTable)
	case err != nil:
		row.cannot(err, "Run doctor with rights to query the hub's table.")
	case n > 0:
		row.fail(fix, some, n)
	default:
		row.ok("%s", ok)
	}
	return row
}

func (d *Doctor) function(ctx context.Context, name string) Row {
	row := d.hubRow(CheckFunction, name)
	ctx, cancel := d.limit(ctx)
	defer cancel()
	f, err := d.Hub.Function(ctx, name)
	switch {
	case errors.Is(err, guard.ErrGone):
		row.fail(redeployHub, "the function does not exist")
	case err != nil:
		row.cannot(err, "Run doctor with rights to read the hub's functions.")
	case f.State == "Failed":
		row.fail(redeployHub, "the function is in state Failed")
	case d.Expected.Config != "" && f.Config != d.Expected.Config:
		row.fail(redeployHub, "it runs with another configuration than the file has")
	case f.State != "" && f.State != "Active" && f.State != "Inactive":
		row.Status, row.Detail, row.Fix = Unknown, "the function is in state "+f.State, "Run doctor again in a minute."
	default:
		row.ok("%s", build(f))
	}
	return row
}

func short(sum string) string { return sum[:min(len(sum), 12)] }

// build distinguishes one deployed version from another.
func build(f Function) string {
	var known []string
	if f.CodeSHA256 != "" {
		known = append(known, "code "+short(f.CodeSHA256))
	}
	if !f.ModifiedAt.IsZero() {
		known = append(known, "deployed "+f.ModifiedAt.UTC().Format(time.DateOnly))
	}
	return strings.Join(append(known, "this configuration"), ", ")
}

func (d *Doctor) queue(ctx context.Context, name string) Row {
	return d.queueRow(ctx, name, func(row *Row, q Queue) {
		if !q.Parks {
			row.fail(redeployHub, "it has no queue to park what fails")
			return
		}
		row.ok("%d waiting, %d in flight", q.Waiting, q.InFlight)
	})
}

// parked looks at the queue for what a function could not handle.
func (d *Doctor) parked(ctx context.Context, function string) Row {
	return d.queueRow(ctx, function+"-dlq", func(row *Row, q Queue) {
		if n := q.Waiting + q.InFlight; n > 0 {
			row.fail("Read in the log of "+function+" why, mend it, and redrive the queue.", "%d messages could not be handled", n)
			return
		}
		row.ok("empty")
	})
}

func (d *Doctor) queueRow(ctx context.Context, name string, judge func(*Row, Queue)) Row {
	row := d.hubRow(CheckQueue, name)
	ctx, cancel := d.limit(ctx)
	defer cancel()
	q, err := d.Hub.Queue(ctx, name)
	switch {
	case errors.Is(err, guard.ErrGone):
		row.fail(redeployHub, "the queue does not exist")
	case err != nil:
		row.cannot(err, "Run doctor with rights to read the hub's queues.")
	default:
		judge(&row, q)
	}
	return row
}
