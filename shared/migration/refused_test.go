package migration_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/migration"
)

// Secrets Manager answers AccessDenied whichever of the two locks refused a read, and what the message says is AWS's to
// change: a fresh look decides.
func TestWhichLockRefusedAReadIsLookedUpAndNotReadOutOfAMessage(t *testing.T) {
	statement := &migration.Fix{Kind: migration.FixIdentity, Identity: []byte(`{"Effect":"Allow"}`)}
	for name, tt := range map[string]struct {
		event  migration.Refused
		reader *migration.Reader
		want   migration.Answer
		back   bool
	}{
		"KMS refused it":                               {migration.Refused{Key: true}, &migration.Reader{Verdict: migration.Keeps}, migration.AnswerRollback, true},
		"unclear, and the key is closed to it":         {migration.Refused{Unclear: true}, &migration.Reader{Verdict: migration.Loses, Fix: statement}, migration.AnswerRollback, true},
		"unclear, and the key is open to it":           {migration.Refused{Unclear: true}, &migration.Reader{Verdict: migration.Keeps}, migration.AnswerNone, false},
		"unclear, and the secret itself is closed":     {migration.Refused{Unclear: true}, &migration.Reader{Verdict: migration.Cannot}, migration.AnswerNone, false},
		"unclear, and the engine does not know":        {migration.Refused{Unclear: true}, &migration.Reader{Verdict: migration.Unknown}, migration.AnswerPage, false},
		"unclear, and nothing is known of the reader":  {migration.Refused{Unclear: true}, nil, migration.AnswerPage, false},
		"the secret refused it, by the event's source": {migration.Refused{}, &migration.Reader{Verdict: migration.Loses, Fix: statement}, migration.AnswerNone, false},
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
			if tt.reader != nil {
				tt.reader.Principal = role("app")
				w.readers = []migration.Reader{*tt.reader}
			}
			tt.event.Principal, tt.event.EventID, tt.event.At = role("app"), "e-1", now
			got, err := w.worker("watchdog").Refused(t.Context(), w.secret.ARN, tt.event)
			if err != nil || got != tt.want || (w.secret.KeyID == "") != tt.back {
				t.Errorf("%q and the key is %q, want %q; error %v", got, w.secret.KeyID, tt.want, err)
			}
		})
	}
}
