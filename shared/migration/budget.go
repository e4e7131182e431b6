package migration

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Spent remembers which limits of an hour are used up, so that they are asked for once and not for every job. The zero
// Spent is ready; it is safe for concurrent use.
type Spent struct {
	mu    sync.Mutex
	until map[string]time.Time // by name and limit
}

func (s *Spent) is(limit string, now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[limit])
}

func (s *Spent) set(limit string, until time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil || len(s.until) > 10_000 {
		s.until = map[string]time.Time{}
	}
	s.until[limit] = until
}

// free reports whether changes are not paused, and the limits of the hour allow another one; and otherwise what the job waits
// for. It takes nothing.
func (v *visit) free(ctx context.Context) (bool, error) {
	switch paused, err := v.Effects.Paused(ctx); {
	case err != nil:
		return false, err
	case paused != nil:
		v.waitFor(paused)
		return false, nil
	}
	return v.left(ctx)
}

// left reports whether the limits of the hour, the account's first, allow another change, and otherwise what the job
// waits for. It takes nothing.
func (v *visit) left(ctx context.Context) (bool, error) {
	names, until := HourNames(v.Now(), v.job.Account)
	for i, most := range v.limits() {
		limit := limitOf(names[i], most)
		if !v.Spent.is(limit, v.Now()) {
			taken, err := v.Counter.Taken(ctx, names[i])
			if err != nil {
				return false, fmt.Errorf("count changes: %w", err)
			}
			if taken < most {
				continue
			}
			v.Spent.set(limit, until)
		}
		v.used(most, until)
		return false, nil
	}
	return true, nil
}

// budget takes one change from the limits of the hour.
func (v *visit) budget(ctx context.Context) (bool, error) {
	if ok, err := v.left(ctx); !ok || err != nil {
		return false, err
	}
	names, until := HourNames(v.Now(), v.job.Account)
	for i, most := range v.limits() {
		ok, err := v.Counter.Take(ctx, names[i], most, until)
		if err != nil {
			return false, fmt.Errorf("count changes: %w", err)
		}
		if !ok {
			v.used(most, until)
			return false, nil
		}
	}
	return true, nil
}

func (v *visit) limits() [2]int { return [2]int{v.job.Rules.PerAccountHour, v.job.Rules.PerHour} }

func (v *visit) used(most int, until time.Time) {
	v.job.Reason = hourUsed(most)
	v.wait = Step{Action: DoWait, Until: until, Reason: v.job.Reason}
}

func hourUsed(most int) string {
	return fmt.Sprintf("waiting: the %d changes that an hour allows are made", most)
}

// Idle reports that a visit now would leave a job, as it was listed, as it is: it says already that it waits for its quiet
// time, for a change window, or for the next hour, and it does. It asks nobody: what this process does not know is false.
func (e *Engine) Idle(j Job) bool {
	if j.Phase != Planned || j.Plan == "" || j.Pending != nil || j.Rules == nil || j.Stuck != nil || len(j.Outbox)+len(j.Rescues)+len(j.Refusals) > 0 {
		return false
	}
	now := e.Now().UTC()
	if wait, is := notYet(j, now, *j.Rules); is {
		return j.Reason == wait.Reason
	}
	names, _ := HourNames(now, j.Account)
	for i, most := range [2]int{j.Rules.PerAccountHour, j.Rules.PerHour} {
		if e.Spent.is(limitOf(names[i], most), now) {
			return j.Reason == hourUsed(most)
		}
	}
	return false
}

func limitOf(name string, most int) string { return fmt.Sprint(name, "|", most) }

// early says what a planned job waits for before anything is looked up for it: its quiet time, the change windows and
// what an hour allows are asked first, because they stop most of a large plan's jobs at every visit.
func (v *visit) early(ctx context.Context) (Step, bool, error) {
	j := v.job
	if j.Phase != Planned || j.Pending != nil {
		return Step{}, false, nil
	}
	if j.Plan != "" {
		if wait, is := notYet(j, v.Now().UTC(), *j.Rules); is {
			v.job.Reason = wait.Reason
			return wait, true, nil
		}
	}
	if j.Plan == "" && v.order == nil {
		return Step{}, false, nil // it is only looked at
	}
	ok, err := v.free(ctx)
	return v.wait, !ok && err == nil, err
}

// tooEarly reports that asking for the readers would be for nothing, because the change behind it may not be made now.
func (v *visit) tooEarly(ctx context.Context, seen Seen) (bool, error) {
	j := v.job
	due := j.Phase == Planned && seen.Secret.Key.ARN != j.Target || j.Phase == Sealing && j.Seal == SealRotate && guard.HereOf(seen.Secret) != guard.StateSealed
	if !due {
		return false, nil
	}
	ok, err := v.free(ctx)
	return !ok, err
}

// waitFor has the job say that changes are paused.
func (v *visit) waitFor(p *store.PausedError) Step {
	v.job.Reason = "waiting: " + p.Error()
	v.wait = Step{Action: DoWait, Reason: v.job.Reason}
	return v.wait
}

// mayRescue takes one from what the machine may lower by itself in the account today. Going back that was begun was counted.
func (v *visit) mayRescue(ctx context.Context) (bool, error) {
	if v.job.goingBack() {
		return true, nil
	}
	name, until := RescueName(v.Now(), v.job.Account)
	ok, err := v.Counter.Take(ctx, name, v.job.Rules.rescuesPerDay(), until)
	if err != nil {
		return false, fmt.Errorf("count rescues: %w", err)
	}
	return ok, nil
}
