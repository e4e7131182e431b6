package detect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// Two keys hold one secret, each a copy of it. What becomes of the second is as urgent as what became of the first.
func TestASecondDisabledKeyIsNotifiedOfToo(t *testing.T) {
	replicaKey := strings.ReplaceAll(cmk, region, "eu-west-1")
	for _, order := range [][2]string{{cmk, replicaKey}, {replicaKey, cmk}} {
		w := newWorld()
		h := w.handler()
		other := w.keys[cmk]
		other.ARN, other.Region = replicaKey, "eu-west-1"
		w.keys[replicaKey] = other
		s := w.add("app", cmk)
		s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: replicaKey, Status: "InSync"}}
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
		said := func(event, key string, state guard.KeyState, id string) []string {
			t.Helper()
			w.now, w.published = w.now.Add(2*time.Second), nil
			k := w.keys[key]
			k.State = state
			w.keys[key] = k
			body := call{name: event, key: key, id: id}.body()
			handle(t, h, body, body) // CloudTrail delivers at least once
			var found []string
			for _, n := range w.published {
				if n.Finding != nil && n.Finding.Control == guard.SecretKeyUnusable {
					found = append(found, string(n.Kind)+": "+n.Describe())
				}
			}
			return found
		}
		own := func(state string) string { return "its key " + cmk + " is in state " + state }
		copied := func(state string) string {
			return "the key of its replica in eu-west-1 " + replicaKey + " is in state " + state
		}
		first, second := own, copied
		if order[0] == replicaKey {
			first, second = copied, own
		}
		for _, step := range []struct {
			event, key string
			state      guard.KeyState
			want       []string
		}{
			{"DisableKey", order[0], guard.KeyDisabled, []string{"finding_opened: " + first("Disabled")}},
			{"DisableKey", order[1], guard.KeyDisabled, []string{"finding_opened: " + own("Disabled") + "; " + copied("Disabled")}},
			{"EnableKey", order[0], guard.KeyEnabled, []string{"finding_opened: " + second("Disabled")}},
			{"ScheduleKeyDeletion", order[1], guard.KeyPendingDeletion, []string{"finding_opened: " + second("PendingDeletion")}},
			{"CancelKeyDeletion", order[1], guard.KeyEnabled, []string{"finding_resolved: The key of a secret is disabled, pending deletion or missing: no longer"}},
		} {
			if diff := cmp.Diff(step.want, said(step.event, step.key, step.state, step.event+step.key)); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", step.event, step.key, diff)
			}
		}
	}
}

// A copy of this function that remembers a key from before must not take it out of a finding that names two, and not put
// it in again.
func TestStaleKeyMetadataChangesNoOpenFinding(t *testing.T) {
	replicaKey := strings.ReplaceAll(cmk, region, "eu-west-1")
	w := newWorld()
	h := w.handler()
	stale := w.keys[cmk]
	stale.ARN, stale.Region = replicaKey, "eu-west-1"
	for _, key := range []guard.Key{w.keys[cmk], stale} {
		key.State = guard.KeyDisabled
		w.keys[key.ARN] = key
	}
	s := w.add("app", cmk)
	s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: replicaKey, Status: "InSync"}}
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	before := w.records[s.ARN].Open()
	w.remember[replicaKey], w.published = stale, nil
	handle(t, h, call{name: "PutSecretValue", secret: s.ARN}.body())
	if len(w.published) > 0 {
		t.Errorf("published %v from stale metadata", w.kinds())
	}
	if diff := cmp.Diff(before, w.records[s.ARN].Open()); diff != "" {
		t.Errorf("stale metadata changes findings (-before +after):\n%s", diff)
	}
}
