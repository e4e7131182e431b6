package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// Pulse is how an account and Region is.
type Pulse string

const (
	Alive   Pulse = "alive"
	Silent  Pulse = "silent"  // something that we stand on is missing there
	Unknown Pulse = "unknown" // it could not be told this time: never counted as alive, and no reason to raise an alarm
)

// Place is an account in a Region.
type Place struct {
	Account, Region string
	Pulse           Pulse
	Why             string // what is missing, or why it could not be told
}

// Places takes the pulse of every account and Region.
type Places interface {
	Pulses(ctx context.Context) ([]Place, error)
}

// Records is what is remembered of each resource.
type Records interface {
	Load(ctx context.Context, resource string) (guard.Record, error)
	// Save answers guard.ErrConflict when somebody wrote since Load.
	Save(ctx context.Context, rec guard.Record) error
}

// Bus tells the rest of the hub.
type Bus interface {
	Publish(ctx context.Context, notices []guard.Notice) error
}

// Coverage is the Heartbeat of the hub: it measures how much of the organization it sees, and opens the coverage
// finding of each account and Region that it does not. The measurements are log lines in CloudWatch's embedded metric
// format, so Log must write JSON with its attributes at the top.
type Coverage struct {
	Places    Places
	Records   Records
	Bus       Bus
	Namespace string // of the metrics
	Metric    string // name of the metric, in percent
	Now       func() time.Time
	Log       *slog.Logger
}

// Beat measures once. A place whose finding could not be written does not hold up the others.
func (c *Coverage) Beat(ctx context.Context) error {
	places, err := c.Places.Pulses(ctx)
	if err != nil {
		return fmt.Errorf("take pulses: %w", err)
	}
	c.measure(ctx, places)
	var failed []error
	for _, p := range places {
		if err := c.find(ctx, p); err != nil {
			failed = append(failed, fmt.Errorf("coverage of %s in %s: %w", p.Account, p.Region, err))
		}
	}
	return errors.Join(failed...)
}

// maxSteady is up to how many places each has a metric of its own at every beat. Beyond it only those that are not
// alive have one, because CloudWatch charges by the metric.
const maxSteady = 100

func (c *Coverage) measure(ctx context.Context, places []Place) {
	alive := 0
	for _, p := range places {
		value := 0.0
		if p.Pulse == Alive {
			alive++
			value = 100
		}
		if p.Pulse != Alive || len(places) <= maxSteady {
			c.metric(ctx, value, slog.String("Account", p.Account), slog.String("Region", p.Region), slog.String("pulse", string(p.Pulse)), slog.String("reason", p.Why))
		}
	}
	if len(places) > 0 {
		c.metric(ctx, 100*float64(alive)/float64(len(places)), slog.Int("alive", alive), slog.Int("places", len(places)))
	}
}

// metric writes one measurement. Attributes that begin with a capital letter are dimensions.
func (c *Coverage) metric(ctx context.Context, percent float64, attrs ...slog.Attr) {
	dimensions := []string{}
	for _, a := range attrs {
		if a.Key[0] >= 'A' && a.Key[0] <= 'Z' {
			dimensions = append(dimensions, a.Key)
		}
	}
	attrs = append(attrs, slog.Float64(c.Metric, percent), slog.Any("_aws", map[string]any{
		"Timestamp": c.Now().UnixMilli(),
		"CloudWatchMetrics": []map[string]any{{
			"Namespace": c.Namespace, "Dimensions": [][]string{dimensions},
			"Metrics": []map[string]string{{"Name": c.Metric, "Unit": "Percent"}},
		}},
	}))
	c.log().LogAttrs(ctx, slog.LevelInfo, "coverage", attrs...)
}

func (c *Coverage) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// rounds bounds how often a record is written again because somebody else wrote first.
const rounds = 5

// find opens or resolves the coverage finding of a place.
func (c *Coverage) find(ctx context.Context, p Place) error {
	for range rounds {
		err := c.findOnce(ctx, p)
		if !errors.Is(err, guard.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w %d times", guard.ErrConflict, rounds)
}

func (c *Coverage) findOnce(ctx context.Context, p Place) error {
	rec, err := c.Records.Load(ctx, earARN(p))
	if err != nil {
		return err
	}
	next, moved := c.reconcile(rec, p)
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
	return c.Records.Save(ctx, next) // a conflict starts over: what is told twice has one ID
}

// reconcile says what the record becomes, and whether that differs from what it was.
func (c *Coverage) reconcile(rec guard.Record, p Place) (next guard.Record, moved bool) {
	now := c.Now()
	switch p.Pulse {
	case Silent:
		s := guard.Secret{ARN: earARN(p), Account: p.Account, Region: p.Region, Name: "what happens in " + p.Account + " " + p.Region}
		next = guard.ReconcileUnseen(rec, s, p.Why, now, guard.Cause{})
	case Alive:
		if rec.Revision == 0 {
			return rec, false
		}
		next = guard.ReconcileSeen(rec, now, guard.Cause{})
	default:
		return rec, false
	}
	return next, len(next.Outbox) > len(rec.Outbox)
}

// earARN stands for our rules in an account and Region, by which we hear of it. It is not what stands for the secrets
// there: those may still be seen when the rules are gone, and the other way round.
func earARN(p Place) string {
	return arn.PartitionOf(p.Region).New("events", p.Region, p.Account, "rule/doublelock-*").String()
}
