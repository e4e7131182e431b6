package detect_test

import (
	"fmt"
	"slices"
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
		s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: replicaKey, Status: "InSync", Listing: guard.Listed}}
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
		said := func(event, key string, state guard.KeyState, id string) []string {
			t.Helper()
			w.now, w.published = w.now.Add(2*time.Second), nil
			w.turn(key, state)
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

// The event that the other key was switched off was lost, or is late: what the process remembers of that key is of before.
func TestAnIncidentDoesNotSayThatASecretStillOpensWithAKeyThatWasSwitchedOffUnseen(t *testing.T) {
	for sentence, set := range map[string]func(w *world, s *guard.Secret){
		"the current version": func(w *world, s *guard.Secret) { w.rekey(s, secondCMK) },
		"a replica": func(w *world, s *guard.Secret) {
			s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: irishCMK, Status: "InSync", Listing: guard.Listed,
				Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{w.keys[irishCMK]}}}}}
		},
		"an older version": func(w *world, s *guard.Secret) {
			w.rekey(s, secondCMK)
			s.Versions[0].Stages = []string{"AWSPREVIOUS"}
			s.Versions = append(s.Versions, guard.Version{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{ID: secondCMK}}})
		},
	} {
		for _, broken := range []bool{false, true} {
			w := newWorld()
			w.aliased(cmk)
			s := w.add("app", cmk)
			set(w, s)
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
			w.swept()
			for _, key := range []string{cmk, secondCMK, irishCMK} {
				w.turn(key, guard.KeyDisabled)
			}
			w.published = nil
			described := 0
			w.trip = func(step string) error {
				if step != "describe key" {
					return nil
				}
				if described++; broken && described == 2 { // the key of the event is the first
					return guard.ErrUnavailable
				}
				return nil
			}
			handle(t, h, call{name: "DisableKey", key: cmk}.body())
			if len(w.published) == 0 || w.published[0].Blast == nil {
				t.Fatalf("%s: published %v", sentence, w.kinds())
			}
			blast := w.published[0].Blast
			may := slices.Concat(blast.Stops, blast.Partly, blast.Unknown)
			if len(may) != 1 || len(blast.Remains) > 0 || may[0].Still() || strings.Contains(may[0].Describe(), "could not be read") != broken {
				t.Errorf("%s, KMS down %v: %+v", sentence, broken, blast)
			}
			if described != 2 {
				t.Errorf("%s: %d keys read", sentence, described)
			}
		}
	}
}

// The other keys of 1,000 secrets are few. Where they are not, those that were not read are not known.
func TestAnIncidentReadsEachOtherKeyOnceAndOfTooManySaysThatItDoesNotKnow(t *testing.T) {
	for others, want := range map[int]struct{ reads, remains, unknown int }{3: {4, 1000, 0}, 500: {201, 400, 600}} {
		w := newWorld()
		for i := range 1000 {
			k := w.keys[cmk]
			k.ARN = fmt.Sprintf("arn:aws:kms:%s:%s:key/00000000-12ab-34cd-56ef-%012d", region, account, i%others)
			w.keys[k.ARN] = k
			s := guard.Secret{ARN: arnOf(fmt.Sprintf("app-%04d", i)), Name: "app", Account: account, Region: region, KeyID: k.ARN, Key: k,
				Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{w.keys[cmk], k}}}}
			fresh := s
			fresh.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{ID: cmk}, {ID: k.ARN}}}}
			w.secrets[s.ARN] = &fresh
			w.records[s.ARN] = guard.Reconcile(guard.Record{}, s, nil, nil, guard.ModeNotify, w.now, guard.Cause{})
		}
		w.turn(cmk, guard.KeyDisabled)
		reads := 0
		w.trip = func(step string) error {
			if step == "describe key" {
				reads++
			}
			return nil
		}
		if _, err := w.handler().Handle(t.Context(), queue(call{name: "DisableKey", key: cmk}.body())); err != nil {
			t.Fatal(err)
		}
		blast := w.published[0].Blast
		counts := blast.Counts()
		for _, a := range blast.Unknown {
			if words := a.Describe(); !strings.HasSuffix(words, " was not asked for: there are too many other keys") {
				t.Error(words)
			}
		}
		if reads != want.reads || counts.Remains != want.remains || counts.Unknown != want.unknown {
			t.Errorf("%d other keys: %d read, %s", others, reads, counts.Words())
		}
	}
}
