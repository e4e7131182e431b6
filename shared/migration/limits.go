package migration

import (
	"fmt"
	"time"
)

// Settings bound a migration.
type Settings struct {
	Observe        time.Duration // shortest time between re-key and seal
	Watch          time.Duration // how long after the first new version denied reads are answered
	Quiet          time.Duration // between two changes of one secret
	Lease          time.Duration // how long a worker that says nothing keeps a secret
	PerHour        int           // changes in a clock hour, all accounts
	PerAccountHour int
	HaltRate       float64 // share of a wave's secrets that may fail or break a reader before it halts
	Flips          int     // times it is moved back until it is left alone
	Windows        []Window
	RotateTwice    bool // rotate again for AWSPREVIOUS, instead of waiting for the next scheduled rotation
	AutoRollback   bool // before the first new version
	AutoGrant      bool // after it
	GrantFor       time.Duration
}

// Defaults are careful ones.
func Defaults() Settings {
	return Settings{Observe: 24 * time.Hour, Watch: 48 * time.Hour, Quiet: 10 * time.Minute, Lease: 5 * time.Minute,
		PerHour: 60, PerAccountHour: 20, HaltRate: 0.1, Flips: 2, AutoRollback: true, GrantFor: 24 * time.Hour}
}

// Window is a time of the week in which changes may be made, in UTC. From after To runs over midnight.
type Window struct {
	Days []time.Weekday `json:"days,omitempty"` // on which it opens; none: every day
	From time.Duration  `json:"from"`           // since midnight
	To   time.Duration  `json:"to"`
}

// open reports whether t is in the window, whichever day that opened on.
func (w Window) open(t time.Time) bool {
	t = t.UTC()
	midnight := t.Truncate(24 * time.Hour)
	if w.on(t.Weekday()) && within(t.Sub(midnight), w.From, w.To) {
		return true
	}
	yesterday := midnight.AddDate(0, 0, -1)
	return w.From > w.To && w.on(yesterday.Weekday()) && t.Sub(midnight) < w.To
}

func within(at, from, to time.Duration) bool {
	if from > to {
		return at >= from
	}
	return at >= from && at < to
}

func (w Window) on(day time.Weekday) bool {
	if len(w.Days) == 0 {
		return true
	}
	for _, d := range w.Days {
		if d == day {
			return true
		}
	}
	return false
}

// Opens says when the next change may be made: now inside a window, else when the next one opens. No windows are
// always open. Windows that never open answer the zero time, which is not after now: Check refuses them.
func Opens(windows []Window, now time.Time) time.Time {
	if len(windows) == 0 {
		return now
	}
	var next time.Time
	for _, w := range windows {
		if w.open(now) {
			return now
		}
		for ahead := range 8 {
			day := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, ahead)
			opens := day.Add(w.From)
			if w.on(day.Weekday()) && opens.After(now) && (next.IsZero() || opens.Before(next)) {
				next = opens
			}
		}
	}
	return next
}

// ParseWindow reads "Mon-Fri 22:00-04:00", "Sat,Sun 00:00-24:00" or "20:00-23:00".
func ParseWindow(text string) (Window, error) {
	days, hours, found := cutSpace(text)
	if !found {
		days, hours = "", text
	}
	w := Window{}
	var err error
	if w.Days, err = parseDays(days); err != nil {
		return Window{}, fmt.Errorf("read window %q: %w", text, err)
	}
	if w.From, w.To, err = parseHours(hours); err != nil {
		return Window{}, fmt.Errorf("read window %q: %w", text, err)
	}
	return w, nil
}

// HourNames are the counters of changes in the hour of a moment, the account's first.
func HourNames(now time.Time, account string) (names [2]string, until time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	all := "changes|" + hour.Format(time.RFC3339)
	return [2]string{all + "|" + account, all}, hour.Add(time.Hour)
}

// Halted says why a wave must not go on; "" when it may.
func Halted(jobs []Job, wave Wave, set Settings) string {
	begun, bad := 0, 0
	for _, j := range jobs {
		if j.Wave != wave || j.Before == nil {
			continue
		}
		begun++
		if j.Phase == Failed || j.Phase == RolledBack || len(j.Denials) > 0 {
			bad++
		}
	}
	if bad == 0 || float64(bad) <= set.HaltRate*float64(begun) {
		return ""
	}
	return fmt.Sprintf("wave %s is halted: %d of %d secrets failed, were rolled back or broke a reader", wave, bad, begun)
}
