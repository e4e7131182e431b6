package migration

import (
	"context"
	"fmt"
)

// Preview says what Start and Advance would do next with a planned item, and does nothing. A phase that would change
// without a call is followed to the call behind it.
func (e *Engine) Preview(ctx context.Context, i Item, plan string, rules Rules) (Job, Step, error) {
	_, j, err := e.begin(ctx, i, plan, rules)
	if err != nil {
		return j, Step{}, fmt.Errorf("preview %s: %w", i.Name, err)
	}
	step, err := e.preview(ctx, j)
	return j, step, err
}

func (e *Engine) preview(ctx context.Context, j Job) (Step, error) {
	v := &visit{Engine: e, job: j}
	var step Step
	for range mostSteps {
		seen, err := v.look(ctx)
		if err != nil {
			return step, fmt.Errorf("preview %s: %w", j.Name, err)
		}
		step = Next(v.job, seen, *v.job.Rules)
		switch {
		case step.Action == DoCheck:
			if err := v.check(ctx, seen); err != nil {
				return step, fmt.Errorf("preview %s: %w", j.Name, err)
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
		default:
			return step, nil
		}
	}
	return step, nil
}
