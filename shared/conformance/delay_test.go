package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/conformance"
)

func TestReadsThatGoOnSayHowLongTheRunWaited(t *testing.T) {
	l := startPlain(t)
	patience := conformance.ForDouble()
	patience.Change = 0 // it does not wait at all, so that every read went on
	for _, r := range conformance.Ask(t.Context(), conformance.Options{Own: l.session(t, account, "role/Sandbox/me", run, unwritten),
		Only: []string{"kms.disabled.read", "kms.disabled.delay"}, Patience: patience, Parallel: 1, Now: time.Now}) {
		if r.Answer != "goes-on" || !strings.Contains(r.Meaning, "after 0s, which is how long the run waited") {
			t.Errorf("%s: %s %q", r.Question, r.Answer, r.Meaning)
		}
	}
}
