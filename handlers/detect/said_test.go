package detect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// Of a key that nobody may describe the event is all that there is: it is said as the event's word, with its dates, as an alarm and
// as an all-clear, and to the owners of the secrets, who have no finding of it.
func TestWhatAnEventSaysOfAKeyThatCannotBeReadIsSaidAsItsWord(t *testing.T) {
	const unread = "at 2026-11-21 09:00 UTC; its state could not be read"
	for name, want := range map[string][]string{
		"DisableKey":                {"incident_opened key was Disabled by the event " + unread + ": 0 stop, 0 do NOT stop, 1 unknown"},
		"EnableKey":                 {"key_restored key was Enabled by the event " + unread + ": 1 secret is under it"},
		"CancelKeyDeletion":         {"incident_opened its deletion was canceled; key was Disabled by the event " + unread + ": 0 stop, 0 do NOT stop, 1 unknown"},
		"DeleteImportedKeyMaterial": {"incident_opened key was PendingImport by the event " + unread + ": 0 stop, 0 do NOT stop, 1 unknown"},
		"ScheduleKeyDeletion": {"incident_opened key was PendingDeletion by the event at 2026-11-21 09:00 UTC, and will be deleted at 2026-12-21 09:00 UTC; its state could not be read: " +
			"0 stop, 0 do NOT stop, 1 unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			h := w.handler()
			s := w.add("app", cmk)
			handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
			w.swept()
			w.published = nil
			k := w.keys[cmk]
			w.keys[cmk] = guard.Key{ARN: k.ARN, ID: k.ID, Account: k.Account, Region: k.Region}
			w.remember = map[string]guard.Key{}
			w.trip = func(step string) error {
				if step == "describe key" {
					return fmt.Errorf("DescribeKey: %w", guard.ErrDenied)
				}
				return nil
			}
			handle(t, h, call{name: name, key: cmk}.body())
			var said []string
			owners := map[string]bool{}
			for _, n := range w.published {
				if n.Blast == nil {
					continue
				}
				owners[n.Tags["Owner"]] = true
				if line := string(n.Kind) + " " + n.Describe(); len(said) == 0 || said[len(said)-1] != line {
					said = append(said, line)
				}
				for _, a := range n.Blast.Unknown {
					if words := a.Describe(); !strings.HasPrefix(words, "if the key is still so: every copy of the current version is under this key") ||
						strings.Contains(words, "lost for good from 2026-12-21") != (name == "ScheduleKeyDeletion") {
						t.Errorf("of the secret: %s", words)
					}
				}
			}
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]bool{"": true, "payments": true}, owners); diff != "" {
				t.Errorf("to the owner of the key and of the secret (-want +got):\n%s", diff)
			}
		})
	}
}

// What was recorded of a key is not known any more once nobody may describe it: its secrets are inspected again, whatever was recorded.
func TestWhatWasRecordedOfAKeyIsInspectedAgainOnceItCannotBeDescribed(t *testing.T) {
	for _, state := range []guard.KeyState{guard.KeyEnabled, guard.KeyDisabled} {
		w := newWorld()
		h := w.handler()
		s := w.add("app", cmk)
		k := w.keys[cmk]
		k.State = state
		w.keys[cmk] = k
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
		w.swept()
		w.keys[cmk] = guard.Key{ARN: k.ARN, ID: k.ID, Account: k.Account, Region: k.Region}
		w.remember = map[string]guard.Key{}
		looks := 0
		w.trip = func(step string) error {
			switch step {
			case "describe key":
				return fmt.Errorf("DescribeKey: %w", guard.ErrDenied)
			case "describe":
				looks++
			}
			return nil
		}
		handle(t, h, call{name: "PutKeyPolicy", key: cmk}.body())
		if looks == 0 {
			t.Errorf("its secret is not inspected, of which the key was recorded as %s", state)
		}
	}
}
