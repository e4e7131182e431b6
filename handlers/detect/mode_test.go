package detect_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// Organizations roll out by waves: what was only recorded is notified of when the wave comes, and fixed with the next.
func TestARisingModeNotifiesOfAndFixesWhatIsAlreadyOpen(t *testing.T) {
	w := newWorld()
	w.mode = guard.ModeObserve
	s := w.add("app", "")
	h := w.handler()
	step := func(mode guard.Mode) []guard.Notice {
		w.mode, w.published, w.now = mode, nil, w.now.Add(20*time.Minute)
		if _, err := h.Inspect(t.Context(), guard.SecretRef{Account: account, Region: region, ID: s.ARN}, guard.Cause{}); err != nil {
			t.Fatal(err)
		}
		return w.published
	}
	type news struct{ Notified, Rekey bool }
	for _, tt := range []struct {
		name string
		mode guard.Mode
		want []news
	}{
		{"recorded", guard.ModeObserve, []news{{false, false}}},
		{"still recorded", guard.ModeObserve, nil},
		{"notified of", guard.ModeNotify, []news{{true, false}}},
		{"notified of once", guard.ModeNotify, nil},
		{"fixed", guard.ModeRemediate, []news{{false, true}}},
		{"ordered once", guard.ModeRemediate, nil},
		{"a milder mode is no news", guard.ModeNotify, nil},
		{"and may rise again", guard.ModeRemediate, []news{{false, true}}},
	} {
		var got []news
		for _, n := range step(tt.mode) {
			if n.Kind != guard.NoticeOpened || n.Finding.Control != guard.SecretDefaultKey {
				t.Errorf("%s: published %s", tt.name, n.Kind)
			}
			got = append(got, news{n.Notified(), n.Decision.Rekey})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if opened := w.load(s.ARN).Findings[0].OpenedAt; !opened.Equal(time.Date(2026, 11, 21, 9, 20, 0, 0, time.UTC)) {
		t.Errorf("opened at %v: a second notice must not make the finding younger", opened)
	}
}
