package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Fleet takes the pulse of every account and Region.
type Fleet interface {
	Pulses(ctx context.Context) ([]fleet.Health, error)
}

// Records is what is remembered of each resource.
type Records interface {
	Load(ctx context.Context, resource string) (guard.Record, error)
	// Save answers guard.ErrConflict when somebody wrote since Load.
	Save(ctx context.Context, rec guard.Record) error
}

// Bus notifies the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Uses is where uses of secrets are kept. It must be safe to say the same again.
type Uses interface {
	// Break keeps that the way by which reads are forwarded was found broken.
	Break(ctx context.Context, at migration.Location, found time.Time) error
}

// Coverage is the Heartbeat of the hub: it measures how much of the organization it sees, and opens the coverage
// finding of each account and Region that it does not. The measurements are log lines in CloudWatch's embedded metric
// format, so Log must write JSON with its attributes at the top.
type Coverage struct {
	Fleet     Fleet
	Records   Records
	Bus       Bus
	Uses      Uses   // nil: no reads are forwarded
	Namespace string // of the metrics
	Metric    string // name of the metric, in percent
	Now       func() time.Time
	Log       *slog.Logger
}

// Beat measures once. A location whose finding could not be written does not hold up the others.
func (c *Coverage) Beat(ctx context.Context) error {
	all, err := c.Fleet.Pulses(ctx)
	if err != nil {
		return fmt.Errorf("take pulses: %w", err)
	}
	c.measure(ctx, all)
	var failed []error
	for _, h := range all {
		if err := errors.Join(c.find(ctx, h), c.uses(ctx, h)); err != nil {
			failed = append(failed, fmt.Errorf("coverage of %s in %s: %w", h.Account, h.Region, err))
		}
	}
	return errors.Join(failed...)
}

// uses are not known where what would bring them is broken: the ledger must not vouch for the time since the look before.
func (c *Coverage) uses(ctx context.Context, h fleet.Health) error {
	if c.Uses == nil || h.Pulse != fleet.PulseSilent {
		return nil
	}
	return c.Uses.Break(ctx, migration.Location{Account: h.Account, Region: h.Region}, c.Now())
}

// maxSteady is up to how many locations each has a metric of its own at every beat. Beyond it only those that are not
// alive have one, because CloudWatch charges by the metric.
const maxSteady = 100

func (c *Coverage) measure(ctx context.Context, all []fleet.Health) {
	alive := 0
	for _, h := range all {
		value := 0.0
		if h.Pulse == fleet.PulseAlive {
			alive++
			value = 100
		}
		if h.Pulse != fleet.PulseAlive || len(all) <= maxSteady {
			c.metric(ctx, value, slog.String("Account", h.Account), slog.String("Region", h.Region), slog.String("pulse", string(h.Pulse)), slog.String("reason", h.Why))
		}
	}
	if len(all) > 0 {
		c.metric(ctx, 100*float64(alive)/float64(len(all)), slog.Int("alive", alive), slog.Int("locations", len(all)))
	}
}

func (c *Coverage) metric(ctx context.Context, percent float64, attrs ...slog.Attr) {
	metric(ctx, c.Log, c.Now(), measurement{c.Namespace, c.Metric, "Percent", percent}, attrs...)
}

// rounds bounds how often a record is written again because somebody else wrote first.
const rounds = 5

// find opens or resolves the coverage finding of a location.
func (c *Coverage) find(ctx context.Context, h fleet.Health) error {
	for range rounds {
		err := c.findOnce(ctx, h)
		if !errors.Is(err, guard.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w %d times", guard.ErrConflict, rounds)
}

func (c *Coverage) findOnce(ctx context.Context, h fleet.Health) error {
	rec, err := c.Records.Load(ctx, rulesARN(h))
	if err != nil {
		return err
	}
	next, moved := c.reconcile(rec, h)
	if moved {
		if err := c.Records.Save(ctx, next); err != nil {
			return err
		}
		next.Revision++
	}
	if len(next.Outbox) == 0 {
		return nil
	}
	if err := c.Bus.Publish(ctx, next.Outbox); err != nil {
		return err
	}
	next.Outbox = nil
	return c.Records.Save(ctx, next) // a conflict starts over: what is published twice has one ID
}

// reconcile says what the record becomes, and whether that differs from what it was.
func (c *Coverage) reconcile(rec guard.Record, h fleet.Health) (next guard.Record, moved bool) {
	now := c.Now()
	switch h.Pulse {
	case fleet.PulseSilent:
		s := guard.Secret{ARN: rulesARN(h), Account: h.Account, Region: h.Region, Name: "what happens in " + h.Account + " " + h.Region}
		blind := guard.BlindSpot{Part: guard.PartEvents, Cause: guard.CauseSilent, Note: h.Why}
		next = guard.ReconcileUnseen(rec, s, blind, now, guard.Cause{})
	case fleet.PulseAlive:
		if rec.Revision == 0 {
			return rec, false
		}
		next = guard.ReconcileSeen(rec, now, guard.Cause{})
	default:
		return rec, false
	}
	return next, len(next.Outbox) > len(rec.Outbox)
}

// rulesARN stands for our rules in an account and Region, by which its events reach us. It is not what stands for the
// secrets there: those may still be seen when the rules are gone, and the other way round.
func rulesARN(h fleet.Health) string {
	return arn.PartitionOf(h.Region).New("events", h.Region, h.Account, "rule/doublelock-*").String()
}
