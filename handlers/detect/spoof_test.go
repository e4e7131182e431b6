package detect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// Whoever may make roles in an account that no SCP guards can give one any name with our prefix, and its session too.
func TestARoleThatOnlyLooksLikeOursSilencesNothing(t *testing.T) {
	const imposter = "arn:aws:sts::111122223333:assumed-role/doublelock-ops/doublelock-detect"
	for name, tt := range map[string]struct {
		event call
		want  []string
	}{
		"it disables a key": {call{name: "DisableKey", key: cmk, actor: imposter}, []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"it is denied reads": {call{name: "GetSecretValue", secret: arnOf("app"), actor: imposter, errorCode: "AccessDenied"},
			[]string{"read_denied"}},
		"it is denied a secret": {call{name: "CreateSecret", secret: "app", actor: imposter, errorCode: "AccessDenied"},
			[]string{"attempt_denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.add("app", cmk)
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
			w.published = nil
			k := w.keys[cmk]
			k.State = guard.KeyDisabled
			w.keys[cmk] = k
			handle(t, h, tt.event.body())
			if diff := cmp.Diff(tt.want, w.kinds()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// Readers fail whoever switched the key off, so no name keeps an incident quiet: not even one of our own.
func TestAKeySwitchedOffInOurNameIsAnIncident(t *testing.T) {
	for _, actor := range []string{ownWork, "arn:aws:sts::111122223333:assumed-role/doublelock-killswitch/doublelock-incident"} {
		w := newWorld()
		w.add("app", cmk)
		h := w.handler()
		handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
		w.published = nil
		k := w.keys[cmk]
		k.State = guard.KeyDisabled
		w.keys[cmk] = k
		handle(t, h, call{name: "DisableKey", key: cmk, actor: actor}.body())
		if diff := cmp.Diff([]string{"incident_opened", "finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", actor, diff)
		}
	}
}
