package notify_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// What nobody could read of a key is an event's word in the first line, too.
func TestAHeadlineSaysWhoseWordTheStateOfAKeyIs(t *testing.T) {
	for want, c := range map[string]struct {
		kind  guard.NoticeKind
		state guard.KeyState
		list  []guard.Affected
	}{
		"Key k was pending deletion by an event: 1 may stop":             {guard.NoticeIncident, guard.KeyPendingDeletion, []guard.Affected{{Secret: "s", Fate: guard.FateEveryCopy}}},
		"Key k was disabled by an event: 0 stop, 0 do not":               {guard.NoticeIncident, guard.KeyDisabled, nil},
		"Key k was enabled by an event, and its state could not be read": {guard.NoticeKeyRestored, guard.KeyEnabled, []guard.Affected{{Secret: "s"}}},
		"Key k was in state PendingImport by an event: 1 may stop":       {guard.NoticeIncident, guard.KeyPendingImport, []guard.Affected{{Secret: "s", Fate: guard.FateEveryCopy}}},
	} {
		radius := guard.BlastRadius{Stops: c.list}.ByEvent(guard.Said{State: c.state, At: time.Unix(0, 0)})
		if diff := cmp.Diff(want, notify.HeadlineWithin(guard.Notice{Kind: c.kind, Name: "k", Blast: &radius}, 0)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
