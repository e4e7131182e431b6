package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrObserving says that the hours of observing are not over, before which nobody's word ends it.
var ErrObserving = errors.New("its hours of observing are not over")

// Waits reports that the job waits for readers, or may, which somebody's word can end.
func (j Job) Waits() bool { return j.Phase == Observing || j.Phase == Sealing && j.FirstNewAt.IsZero() }

// GoAhead ends waiting for the readers that have not read with the new key since the re-key, by the word of somebody, whose name and whose
// credentials the history of the job keeps. ErrObserving: the hours that the job's rules promise are not over.
func (e *Engine) GoAhead(ctx context.Context, secret, name string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("go ahead with %s: say who says so", secret)
	}
	v, err := e.enter(ctx, secret)
	if err != nil {
		return fmt.Errorf("go ahead with %s: %w", secret, err)
	}
	j, now := &v.job, e.Now().UTC()
	early := j.Phase == Observing && now.Before(j.observeUntil(*j.Rules))
	if !early {
		j.GoAhead = name
		j.History = append(slices.Clip(j.History), Turn{At: now, From: j.Phase, To: j.Phase, Reason: "go ahead, says " + name, By: v.By})
	}
	if err := v.leave(ctx, nil); err != nil {
		return fmt.Errorf("go ahead with %s: %w", j.Name, err)
	}
	if early {
		return fmt.Errorf("go ahead with %s: %w", j.Name, ErrObserving)
	}
	return nil
}
