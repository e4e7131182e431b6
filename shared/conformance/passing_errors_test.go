package conformance_test

import (
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// An error that passes says nothing of the key or the replica that was changed meanwhile.
func TestAnErrorThatPassesIsNoAnswer(t *testing.T) {
	const (
		off, promoted, gone = "kms.disabled.read", "secretsmanager.replica.promoted-key", "kms.alias-gone.write"
		soon                = 300 * time.Millisecond
	)
	patience := conformance.ForDouble()
	patience.Settle = 2 * soon
	for name, of := range map[string]struct {
		question, after string // the operation after which reads, and writes, fail
		code            string
		status          int
		only            int // the one read that fails, from 1; 0 is all for a while
		behavior        localaws.Behavior
		want            conformance.Answer
	}{
		"a broken service, and then the key is off":       {off, "DisableKey", "InternalServiceError", 500, 0, localaws.Behavior{}, "decryption-failure"},
		"a request of something else, and then so":        {off, "DisableKey", "InvalidRequestException", 400, 0, localaws.Behavior{}, "decryption-failure"},
		"one refusal, and reads go on":                    {off, "DisableKey", "AccessDeniedException", 400, 3, localaws.Behavior{DisabledRead: localaws.DisabledGoesOn}, "goes-on"},
		"one request of something else, and reads go on":  {off, "DisableKey", "InvalidRequestException", 400, 2, localaws.Behavior{DisabledRead: localaws.DisabledGoesOn}, "goes-on"},
		"a key that is off answers so for as long":        {off, "", "", 0, 0, localaws.Behavior{DisabledRead: localaws.DisabledIsInvalidRequest}, "invalid-request"},
		"a broken service, and then the promoted replica": {promoted, "StopReplicationToReplica", "InternalServiceError", 500, 0, localaws.Behavior{}, "kept"},
		"a request of something else, and then it":        {promoted, "StopReplicationToReplica", "InvalidRequestException", 400, 0, localaws.Behavior{}, "kept"},
		"a refused value, and then the alias is gone":     {gone, "DeleteAlias", "ResourceNotFoundException", 400, 0, localaws.Behavior{}, "invalid-parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, localaws.Options{Seed: 1, Behavior: of.behavior})
			var since time.Time
			reads := 0
			l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
				switch {
				case of.after == "":
				case c.Operation == of.after:
					since = time.Now()
				case c.Operation != "GetSecretValue" && c.Operation != "PutSecretValue" || since.IsZero():
				default:
					reads++
					if of.only == reads || of.only == 0 && time.Since(since) < soon {
						return &core.Error{Code: of.code, Message: "of something else", Status: of.status}
					}
				}
				return nil
			}
			own := l.session(t, account, "role/Sandbox/me", run, unwritten)
			r := conformance.Ask(t.Context(), conformance.Options{Own: own, Second: far, Only: []string{of.question}, Patience: patience, Parallel: 1, Now: time.Now})[0]
			if r.Answer != of.want {
				t.Errorf("%s %q (%s %s), want %q", r.Verdict, r.Answer, r.Reason, r.Detail, of.want)
			}
		})
	}
}
