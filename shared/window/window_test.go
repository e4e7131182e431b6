package window_test

import (
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/window"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestChangeWindows(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		got, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for name, tt := range map[string]struct{ window, now, opens string }{
		"inside":                         {"Mon-Fri 08:00-18:00", "2026-11-20 09:00", "2026-11-20 09:00"}, // a Friday
		"before it opens":                {"Mon-Fri 08:00-18:00", "2026-11-20 07:00", "2026-11-20 08:00"},
		"over the weekend":               {"Mon-Fri 08:00-18:00", "2026-11-20 18:00", "2026-11-23 08:00"},
		"before half past":               {"08:30-18:15", "2026-11-20 08:15", "2026-11-20 08:30"},
		"until a quarter past":           {"08:30-18:15", "2026-11-20 18:14", "2026-11-20 18:14"},
		"the soonest of the week":        {"Mon,Sat 08:00-09:00", "2026-11-20 09:00", "2026-11-21 08:00"},
		"over midnight, as it opens":     {"Fri 22:00-04:00", "2026-11-20 22:00", "2026-11-20 22:00"},
		"over midnight, before":          {"Fri 22:00-04:00", "2026-11-20 23:00", "2026-11-20 23:00"},
		"over midnight, after":           {"Fri 22:00-04:00", "2026-11-21 03:59", "2026-11-21 03:59"},
		"over midnight, over":            {"Fri 22:00-04:00", "2026-11-21 04:00", "2026-11-27 22:00"},
		"every day":                      {"20:00-24:00", "2026-11-21 03:00", "2026-11-21 20:00"},
		"the wrong day's small hours":    {"Sat 22:00-04:00", "2026-11-21 03:00", "2026-11-21 22:00"},
		"days that run over the weekend": {"Sat-Mon 10:00-11:00", "2026-11-24 10:30", "2026-11-28 10:00"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := window.Parse(tt.window)
			if err != nil {
				t.Fatal(err)
			}
			if got := window.Opens([]window.Window{w}, at(tt.now)); !got.Equal(at(tt.opens)) {
				t.Errorf("opens %v, want %s", got, tt.opens)
			}
		})
	}
	for _, text := range []string{"", "Foo 10:00-11:00", "10-11", "10:00-10:00", "Mon 24:00-01:00", "Mon-Xyz 10:00-11:00"} {
		if w, err := window.Parse(text); err == nil {
			t.Errorf("%q was read as %+v", text, w)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Mon-Fri 22:00-04:00")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := window.Parse(text)
		if err != nil {
			return
		}
		if opens := window.Opens([]window.Window{w}, now); opens.Before(now) || opens.After(now.Add(8*24*time.Hour)) {
			t.Errorf("%q opens %v", text, opens)
		}
	})
}
