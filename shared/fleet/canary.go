package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// CanaryPrefix is where canaries are, by name; CanaryOwner is whose they say they are.
const (
	CanaryPrefix = "doublelock/canary/"
	CanaryOwner  = "doublelock-canary"
)

// Maker makes and removes the canary, as a person or an application would.
type Maker interface {
	// Create makes a secret with a random value on the default key. What a policy stops answers guard.ErrDenied.
	Create(ctx context.Context, name string, tags map[string]string) (arn string, err error)
	Delete(ctx context.Context, arn string) error
}

// Traces is where the canary leaves its traces.
type Traces interface {
	Load(ctx context.Context, arn string) (guard.Record, error)
	Tags(ctx context.Context, ref guard.SecretRef) (map[string]string, error)
}

// Subscriber receives what owners are sent, until it is closed.
type Subscriber interface {
	Receive(ctx context.Context) ([]string, error)
	Close(ctx context.Context) error
}

// Canary is one harmless secret that is followed through the hub.
type Canary struct {
	Account, Region string
	Name            string     // under CanaryPrefix
	Mode            guard.Mode // of the account: how far the canary gets
	Maker           Maker
	Traces          Traces
	Subscribe       func(ctx context.Context) (Subscriber, error) // to what owners are sent
	Patience        time.Duration                                 // for one hop
	Pause           time.Duration                                 // between two looks
	Now             func() time.Time
}

// hop is one step of the canary's way.
type hop struct {
	name string
	fix  string // what to look at when it does not arrive
	look func(ctx context.Context) (bool, error)
}

// Fly lets the canary go and returns a row for each hop. Whatever happens, also when the context ends, it is removed.
func (c *Canary) Fly(ctx context.Context) (rows []Row) {
	owner := c.subscribe(ctx, &rows)
	if owner != nil {
		defer c.clean(ctx, &rows, "subscriber removed", owner.Close)
	}
	began := c.Now()
	arn, err := c.Maker.Create(ctx, c.Name, map[string]string{"Owner": CanaryOwner})
	row := c.row("created")
	switch {
	case errors.Is(err, guard.ErrDenied):
		row.ok("denied: %s; prevention works, so there is nothing to follow", reason(err))
		return append(rows, row)
	case err != nil:
		if !errors.Is(err, guard.ErrNotOurs) { // nobody answered, so it may exist all the same
			defer c.clean(ctx, &rows, "removed", func(ctx context.Context) error { return c.Maker.Delete(ctx, c.Name) })
		}
		row.cannot(err, "Let the credentials at hand take the canary's role, and that role create and delete secrets named "+CanaryPrefix+"*.")
		return append(rows, row)
	}
	defer c.clean(ctx, &rows, "removed", func(ctx context.Context) error { return c.Maker.Delete(ctx, arn) })
	row.ok("%s", took(c.Now().Sub(began)))
	rows = append(rows, row)
	rows = append(rows, c.follow(ctx, arn, owner)...)
	return rows
}

func (c *Canary) row(subject string) Row {
	return Row{Account: c.Account, Region: c.Region, Check: CheckCanary, Subject: subject}
}

// notifies reports whether owners are notified of the canary, and so whether somebody has to subscribe.
func (c *Canary) notifies() bool { return c.Mode == guard.ModeNotify || c.Mode == guard.ModeRemediate }

// subscribe must come before the canary is made.
func (c *Canary) subscribe(ctx context.Context, rows *[]Row) Subscriber {
	if !c.notifies() {
		return nil
	}
	owner, err := c.Subscribe(ctx)
	if err == nil {
		return owner
	}
	row := c.row("subscriber")
	row.cannot(err, "Let whoever runs doctor make a queue and subscribe it to the owners' topic.")
	*rows = append(*rows, row)
	return nil
}

// follow waits for one trace after the other. When one does not come, those after it cannot.
func (c *Canary) follow(ctx context.Context, arn string, owner Subscriber) []Row {
	var rows []Row
	lost := false
	for _, h := range c.hops(arn, owner) {
		row := c.row(h.name)
		if lost {
			row.Status, row.Detail = Skipped, "the hop before it did not happen"
			rows = append(rows, row)
			continue
		}
		began := c.Now()
		err := c.wait(ctx, h)
		switch {
		case err == nil:
			row.ok("%s", took(c.Now().Sub(began)))
		case errors.Is(err, errPatience):
			row.fail(h.fix, "not within %s", c.Patience)
		default:
			row.cannot(err, h.fix)
		}
		lost = err != nil
		rows = append(rows, row)
	}
	if !c.notifies() {
		row := c.row("event → notification")
		row.ok("not expected: the account is in mode %s, which only records", c.Mode)
		rows = append(rows, row)
	}
	return rows
}

func (c *Canary) hops(arn string, owner Subscriber) []hop {
	ref := guard.SecretRef{Account: c.Account, Region: c.Region, ID: arn}
	hops := []hop{{"event → finding", "Look whether the trail records, the forward rules send and doublelock-detect runs.", func(ctx context.Context) (bool, error) {
		rec, err := c.Traces.Load(ctx, arn)
		for _, f := range rec.Findings {
			if f.Control == guard.SecretDefaultKey {
				return true, err
			}
		}
		return false, err
	}}}
	if !c.notifies() {
		return hops
	}
	hops = append(hops, hop{"finding → tag", "Look in the log of doublelock-detect why it could not tag.", func(ctx context.Context) (bool, error) {
		tags, err := c.Traces.Tags(ctx, ref)
		return tags["doublelock:state"] != "", err
	}})
	if owner != nil {
		hops = append(hops, hop{"finding → notification", "Look in the log of doublelock-alert what became of the message.", func(ctx context.Context) (bool, error) {
			texts, err := owner.Receive(ctx)
			for _, text := range texts {
				if strings.Contains(text, c.Name) {
					return true, nil
				}
			}
			return false, err
		}})
	}
	return hops
}

var errPatience = errors.New("it did not come")

func (c *Canary) wait(ctx context.Context, h hop) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Patience, errPatience)
	defer cancel()
	for {
		found, err := h.look(ctx)
		if found {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, guard.ErrThrottled) {
			return err
		}
		timer := time.NewTimer(c.Pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// cleaning bounds what is done after the context has ended.
const cleaning = 30 * time.Second

func (c *Canary) clean(ctx context.Context, rows *[]Row, subject string, remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
	defer cancel()
	row := c.row(subject)
	began := c.Now()
	if err := remove(ctx); err != nil && !errors.Is(err, guard.ErrGone) {
		row.fail("Remove it by hand: "+c.Name, "%v", err)
	} else {
		row.ok("%s", took(c.Now().Sub(began)))
	}
	*rows = append(*rows, row)
}

func took(d time.Duration) string { return fmt.Sprintf("took %.1f s", d.Seconds()) }

// reason is the last sentence of AWS's answer, which names the kind of policy.
func reason(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, "with an explicit deny"); at >= 0 {
		return strings.TrimSpace(text[at:])
	}
	return text
}
