package migration

import (
	"fmt"
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

// Halted says why a wave must not go on; "" when it may. The strictest of the rules and those of its jobs counts.
func Halted(jobs []Job, wave Wave, rules Rules) string {
	begun, bad, rate := 0, 0, rules.HaltRate
	for _, j := range jobs {
		if j.Wave != wave || j.Before == nil {
			continue
		}
		begun++
		if j.Rules != nil {
			rate = min(rate, j.Rules.HaltRate)
		}
		if j.Phase == Failed || j.Phase == RolledBack || len(j.Denials) > 0 {
			bad++
		}
	}
	if bad == 0 || float64(bad) <= rate*float64(begun) {
		return ""
	}
	return fmt.Sprintf("wave %s is halted: %d of %d secrets failed, were rolled back or broke a reader", wave, bad, begun)
}
