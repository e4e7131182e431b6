package migration

import (
	"context"
	"fmt"
)

// Foresee says what Advance would do next with a job, and does nothing. A phase that would change without a call is
// followed to the call behind it.
func (e *Engine) Foresee(ctx context.Context, j Job) (Step, error) {
	v := &visit{Engine: e, job: j}
	var step Step
	for range mostSteps {
		seen, err := v.look(ctx)
		if err != nil {
			return step, fmt.Errorf("foresee %s: %w", j.Name, err)
		}
		step = Next(v.job, seen, v.Settings)
		switch {
		case step.Action == DoCheck:
			if err := v.check(ctx, seen); err != nil {
				return step, fmt.Errorf("foresee %s: %w", j.Name, err)
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
