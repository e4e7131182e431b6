package migration

import (
	"fmt"
	"strings"
	"time"
)

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
