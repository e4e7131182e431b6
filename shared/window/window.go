// Package window is the times of the week in which changes may be made.
package window

import (
	"fmt"
	"strings"
	"time"
)

// Window is a time of the week in which changes may be made, in UTC. From after To runs over midnight. It is stored as
// the text that Parse reads.
type Window struct {
	Days []time.Weekday // on which it opens; none: every day
	From time.Duration  // since midnight
	To   time.Duration
}

func (w Window) String() string {
	var days []string
	for _, d := range w.Days {
		days = append(days, d.String()[:3])
	}
	hours := clock(w.From) + "-" + clock(w.To)
	if len(days) == 0 {
		return hours
	}
	return strings.Join(days, ",") + " " + hours
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// MarshalText writes it as Parse reads it.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText is Parse.
func (w *Window) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*w = parsed
	return nil
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
// always open. One that never opens cannot be made: Parse refuses it.
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

// Parse reads "Mon-Fri 22:00-04:00", "Sat,Sun 00:00-24:00" or "20:00-23:00".
func Parse(text string) (Window, error) {
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

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

func cutSpace(text string) (before, after string, found bool) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return text, "", false
	}
	return fields[0], fields[1], true
}

func parseDays(text string) ([]time.Weekday, error) {
	if text == "" {
		return nil, nil
	}
	var out []time.Weekday
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, known := weekdays[strings.ToLower(first)]
		if !known {
			return nil, fmt.Errorf("%q is no day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun", first)
		}
		to := from
		if isRange {
			if to, known = weekdays[strings.ToLower(last)]; !known {
				return nil, fmt.Errorf("%q is no day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun", last)
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			out = append(out, d)
			if d == to {
				break
			}
		}
	}
	return out, nil
}

func parseHours(text string) (from, to time.Duration, err error) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		return 0, 0, fmt.Errorf("%q is no time span: use 22:00-04:00, in UTC", text)
	}
	if from, err = parseHour(first); err != nil {
		return 0, 0, err
	}
	if to, err = parseHour(last); err != nil {
		return 0, 0, err
	}
	if from == to || from == 24*time.Hour {
		return 0, 0, fmt.Errorf("%q is never open", text)
	}
	return from, to, nil
}

func parseHour(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time: use 22:00, in UTC", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}
