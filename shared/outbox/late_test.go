package outbox_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/outbox"
)

func TestNoticesThatWaitedForAnHourAreCounted(t *testing.T) {
	h := &hub{boxes: map[string]map[string]json.RawMessage{}, refuses: map[string]error{"": guard.ErrUnavailable}}
	o := &outbox.Outbox{Store: h, Bus: h, Log: slog.New(slog.DiscardHandler)}
	now := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	for id, age := range map[string]time.Duration{"old": 61 * time.Minute, "older": 3 * time.Hour, "new": 59 * time.Minute} {
		if err := o.Publish(t.Context(), []guard.Notice{{ID: id, At: now.Add(-age)}}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int) {
		t.Helper()
		if n, err := o.Late(t.Context(), now.Add(-outbox.TooLate)); err != nil || n != want {
			t.Errorf("%d are late, %v, want %d", n, err, want)
		}
	}
	count(2)
	h.refuses = nil
	if _, err := o.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	count(0)
}
