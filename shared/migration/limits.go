package migration

import (
	"fmt"
	"slices"
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

// haltFrom is how many secrets of a wave must have gone wrong for their share to say anything: one of one is an accident.
// Canaries are there to be the first that go wrong.
const haltFrom = 2

// Halted says why a wave of a plan must not go on, and what to do; "" when it may. Only jobs of the same plan count, so
// that another plan begins a count of its own, and the hub's own jobs, which no plan groups, halt nothing. The strictest
// of the rules and those of its jobs counts.
func Halted(jobs []Job, plan string, wave Wave, rules Rules) string {
	begun, bad, rate := 0, 0, rules.HaltRate
	for _, j := range jobs {
		if plan == "" || j.Plan != plan || j.Wave != wave || j.Before == nil {
			continue
		}
		begun++
		if j.Rules != nil {
			rate = min(rate, j.Rules.HaltRate)
		}
		if j.Phase == Failed || j.Phase == RolledBack || slices.ContainsFunc(j.Denials, Denial.broke) || !j.Phase.Known() {
			bad++
		}
	}
	least := haltFrom
	if wave == Canary || rate == 0 { // a rate of zero says that none may
		least = 1
	}
	if bad < least || float64(bad) <= rate*float64(begun) {
		return ""
	}
	return fmt.Sprintf("wave %s of plan %s is halted: %d of %d secrets failed, were rolled back or broke a reader. doublelock migrate status names them; "+
		"mend the cause and plan again (doublelock migrate plan): a new plan counts from zero", wave, plan, bad, begun)
}
