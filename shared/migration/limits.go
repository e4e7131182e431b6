package migration

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// proveWithin is how long a change whose proof cannot be read is looked at before it is handed to its owner.
const proveWithin = 72 * time.Hour

// HourNames are the counters of changes in the hour of a moment, the account's first. Hub and command line count by the
// same names, so that they share what an hour allows.
func HourNames(now time.Time, account string) (names [2]string, until time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	all := "changes|" + hour.Format(time.RFC3339)
	return [2]string{all + "|" + account, all}, hour.Add(time.Hour)
}

// RescueName is the counter of the locks that were lowered without a person in an account, on the day of a moment.
func RescueName(now time.Time, account string) (name string, until time.Time) {
	day := now.UTC().Truncate(24 * time.Hour)
	return "rescues|" + day.Format(time.DateOnly) + "|" + account, day.Add(24 * time.Hour)
}

// haltFrom is how many secrets must have gone wrong for their share to say anything: one of fewer than ten is an accident.
// Canaries are there to be the first that go wrong.
const haltFrom = 2

// part is a wave of a plan, whole or in one account.
type part struct {
	plan    string
	wave    Wave
	account string // "" is all
}

// count is what became of a part.
type count struct {
	begun, bad int
	rate       float64
	names      []string // of those that went wrong
}

// Halts says which waves must not go on, of the jobs that it was made of.
type Halts struct {
	rules Rules
	parts map[part]*count
}

// HaltsOf counts jobs. Only jobs of a plan count, so that another plan begins a count of its own. The strictest of the rules and
// those of a part's jobs holds.
func HaltsOf(jobs []Job, rules Rules) Halts {
	h := Halts{rules: rules, parts: map[part]*count{}}
	for _, j := range jobs {
		if j.Plan == "" || j.Before == nil {
			continue
		}
		for _, account := range []string{"", j.Account} {
			c := h.parts[part{j.Plan, j.Wave, account}]
			if c == nil {
				c = &count{rate: rules.HaltRate}
				h.parts[part{j.Plan, j.Wave, account}] = c
			}
			c.begun++
			if j.Rules != nil {
				c.rate = min(c.rate, j.Rules.HaltRate)
			}
			if j.WentWrong() {
				c.bad++
				c.names = append(c.names, j.Name)
			}
		}
	}
	return h
}

// WentWrong reports that the secret went back, broke a reader, or failed, for another reason than that it was deleted, since somebody said
// that its wave goes on all the same.
func (j Job) WentWrong() bool {
	at, wrong := j.Since, j.Phase == Failed && !j.Gone || j.Phase == RolledBack || !j.Phase.Known()
	if !wrong {
		at = time.Time{}
	}
	for _, d := range j.Denials {
		if d.broke() {
			wrong = true
			for _, when := range []time.Time{d.At, d.Again} {
				if when.After(at) {
					at = when
				}
			}
		}
	}
	return wrong && (j.Excused == nil || at.After(j.Excused.At))
}

// Of says why a job's wave must not go on, in its account or in all, and what to do; "" when it may.
func (h Halts) Of(j Job) string {
	return cmp.Or(h.of(part{j.Plan, j.Wave, ""}), h.of(part{j.Plan, j.Wave, j.Account}))
}

func (h Halts) of(p part) string {
	c := h.parts[p]
	if c == nil {
		return ""
	}
	least := haltFrom
	if p.wave == Canary || c.rate == 0 { // a rate of zero says that none may
		least = 1
	}
	if c.bad < least || float64(c.bad) <= c.rate*float64(c.begun) {
		return ""
	}
	where := ""
	if p.account != "" {
		where = " in account " + p.account
	}
	const most = 5
	names := strings.Join(c.names[:min(len(c.names), most)], ", ")
	if more := len(c.names) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("wave %s of plan %s is halted%s: %d of %d secrets failed, were rolled back or broke a reader: %s. doublelock migrate status says why; "+
		"mend the cause, and then: doublelock migrate resume --wave %s --reason TEXT", p.wave, p.plan, where, c.bad, c.begun, names, p.wave)
}

// Halted is HaltsOf for one job.
func Halted(jobs []Job, j Job, rules Rules) string { return HaltsOf(jobs, rules).Of(j) }

// Excuse lets the wave of a secret that went wrong go on, by somebody's word, whose name and reason the job keeps: what goes wrong
// later counts again.
func (e *Engine) Excuse(ctx context.Context, secret, why string) (Job, error) {
	v, err := e.enter(ctx, secret)
	if err != nil {
		return v.job, fmt.Errorf("let the wave of %s go on: %w", secret, err)
	}
	j, now := &v.job, e.Now().UTC()
	if j.WentWrong() { // asked twice it is said once
		j.Excused = &Request{At: now, By: v.By, Why: why}
		j.History = append(slices.Clip(j.History), Turn{At: now, From: j.Phase, To: j.Phase, Reason: "its wave goes on: " + why, By: v.By})
	}
	if err = v.leave(ctx, nil); err != nil {
		return v.job, fmt.Errorf("let the wave of %s go on: %w", j.Name, err)
	}
	return v.job, nil
}
