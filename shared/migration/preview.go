package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/store"
)

// Preview says what Start and Advance would do next with one planned item after the other, and does nothing.
type Preview struct{ engine Engine }

// Preview begins one: what its items would take of an hour's changes is counted, in their order.
func (e *Engine) Preview() *Preview {
	copied := *e
	copied.Counter = &sparing{Counter: e.Counter, more: map[string]int{}}
	return &Preview{copied}
}

// sparing is a counter that takes nothing, and knows what would have been taken.
type sparing struct {
	store.Counter
	more map[string]int
}

func (c *sparing) Take(ctx context.Context, name string, limit int, _ time.Time) (bool, error) {
	taken, err := c.Taken(ctx, name)
	if err != nil || taken+c.more[name] >= limit {
		return false, err
	}
	c.more[name]++
	return true, nil
}

// Next is the next step of an item, and the job that it is of. A phase that would change without a call is followed to
// the call behind it.
func (p *Preview) Next(ctx context.Context, i Item, plan string, rules Rules) (Job, Step, error) {
	was, j, err := p.engine.begin(ctx, i, plan, rules)
	if err != nil {
		return j, Step{}, fmt.Errorf("preview %s: %w", i.Name, err)
	}
	if held := p.engine.Held(was); held != nil {
		return j, Step{Action: DoWait, Reason: held.Error()}, nil //nolint:nilerr // that somebody is at it is the answer
	}
	step, err := p.engine.preview(ctx, j)
	if err != nil {
		return j, step, fmt.Errorf("preview %s: %w", j.Name, err)
	}
	return j, step, nil
}

func (e *Engine) preview(ctx context.Context, j Job) (Step, error) {
	v := &visit{Engine: e, job: j}
	var step Step
	for range mostSteps {
		seen, err := v.look(ctx)
		if err != nil {
			return step, err
		}
		if j.goingBack() {
			return Step{Action: doRollback, Reason: "going back was begun " + j.Pending.At.Format(time.RFC3339), back: j.BackCommands(seen.Secret)}, nil
		}
		step = Next(v.job, seen, *v.job.Rules)
		switch {
		case step.Action == DoCheck:
			if err := v.check(ctx, seen); err != nil {
				return step, err
			}
		case step.Action == DoMove && !step.Phase.Resting():
			v.job.enter(step.Phase, step.Reason, v.By, seen.At)
			if step.Phase == Rekeyed {
				v.job.RekeyedAt, v.job.Pending = seen.At, nil
			}
			if step.First {
				v.job.FirstNewAt = seen.At
			}
			if step.Phase == Sealed {
				return step, nil
			}
		case step.Action == DoRekey && v.job.Pending == nil, step.Action == DoRotate:
			if ok, err := v.budget(ctx); !ok || err != nil {
				return v.wait, err
			}
			return step, nil
		default:
			return step, nil
		}
	}
	return step, nil
}
