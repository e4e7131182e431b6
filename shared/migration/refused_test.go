package migration_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/migration"
)

// Secrets Manager answers AccessDenied whichever of the two locks refused a read, and what the message says is AWS's to
// change: a fresh look decides.
func TestWhichLockRefusedAReadIsLookedUpAndNotReadOutOfAMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		event migration.Lock // that refused it, as far as the event says
		now   migration.Lock // that keeps the reader out now
		want  migration.Answer
		back  bool
	}{
		"KMS refused it, and the key is closed to it":  {migration.LockKey, migration.LockKey, migration.AnswerRollback, true},
		"KMS refused it, and only a session can be it": {migration.LockKey, migration.LockSession, migration.AnswerSession, false},
		"KMS refused it, and the secret does now":      {migration.LockKey, migration.LockSecret, migration.AnswerNone, false},
		"KMS refused it, and the engine does not know": {migration.LockKey, migration.LockUnknown, migration.AnswerPage, false},
		"unclear, and the key is closed to it":         {migration.LockUnknown, migration.LockKey, migration.AnswerRollback, true},
		"unclear, and the key is open to it":           {migration.LockUnknown, migration.LockSecret, migration.AnswerNone, false},
		"unclear, and the engine does not know":        {migration.LockUnknown, migration.LockUnknown, migration.AnswerPage, false},
		"the secret refused it, by the event's source": {migration.LockSecret, migration.LockKey, migration.AnswerNone, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t)
			item := w.item()
			item.Readers = []migration.Reader{{Principal: role("app"), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}
			if _, err := w.worker("w0").Start(t.Context(), item, "plan", migration.Defaults()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.worker("w0").Advance(t.Context(), w.secret.ARN); err != nil {
				t.Fatal(err)
			}
			w.lock = tt.now
			event := migration.Refused{Principal: role("app"), EventID: "e-1", At: now, By: tt.event, Read: true}
			got, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, event)
			if err != nil || got != tt.want || (w.secret.KeyID == "") != tt.back {
				t.Errorf("%q and the key is %q, want %q; error %v", got, w.secret.KeyID, tt.want, err)
			}
		})
	}
}
