package watchdog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

const (
	secretARN = "arn:aws:secretsmanager:eu-central-1:333333333333:secret:app/db-AbCdEf"
	keyARN    = "arn:aws:kms:eu-central-1:333333333333:key/1234abcd"
)

// hubOf has one secret, which is being migrated.
type hubOf struct {
	secret  guard.Secret
	broken  map[string]error
	unmoved bool // no migration has it
	refused []migration.Refused
}

func (h *hubOf) Find(_ context.Context, ref guard.SecretRef) (string, error) {
	if h.unmoved || ref.ID == "" {
		return "", h.broken["find"]
	}
	return secretARN, h.broken["find"]
}

func (h *hubOf) Refused(_ context.Context, secret string, r migration.Refused) (migration.Answer, error) {
	if secret != secretARN {
		return "", errors.New("not the canonical ARN: " + secret)
	}
	h.refused = append(h.refused, r)
	return migration.AnswerNone, h.broken["refused"]
}

func (h *hubOf) Describe(context.Context, guard.SecretRef) (guard.Secret, error) {
	return h.secret, h.broken["describe"]
}

func newHub() *hubOf {
	key := guard.Key{ARN: keyARN, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	return &hubOf{
		secret: guard.Secret{ARN: secretARN, Account: "333333333333", Region: "eu-central-1", Key: key,
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}},
		broken: map[string]error{},
	}
}

func (h *hubOf) with(state guard.KeyState) { h.secret.Versions[0].Keys[0].State = state }

// What the text of an error says is written by AWS for people, and part of it by whoever names things. Which lock refused
// a read follows from the source and the code of the event and the keys as they are now, or the event leaves it open.
func TestTheTextOfAnErrorDoesNotSayWhichLockRefused(t *testing.T) {
	read := trail.Change{Kind: trail.DeniedRead, EventID: "e-1", EventName: "GetSecretValue", EventSource: "secretsmanager.amazonaws.com",
		ErrorCode: "AccessDeniedException", Account: "333333333333", Region: "eu-central-1",
		Secret: guard.SecretRef{Account: "333333333333", Region: "eu-central-1", ID: "app/db"},
		Actor:  trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::333333333333:assumed-role/app/i-1", Account: "333333333333"}}
	for name, tt := range map[string]struct {
		event func(*trail.Change)
		hub   func(*hubOf)
		want  migration.Lock
		what  string
	}{
		"KMS denied it": {event: func(c *trail.Change) {
			c.EventSource, c.EventName, c.ErrorCode, c.Key.ID = "kms.amazonaws.com", "Decrypt", "AccessDenied", keyARN
		}, want: migration.LockKey, what: "kms:Decrypt on " + keyARN},
		"KMS had no key to use": {event: func(c *trail.Change) {
			c.EventSource, c.EventName, c.ErrorCode = "kms.amazonaws.com", "Decrypt", "DisabledException"
		}, want: migration.LockKey, what: "a key that can be used (DisabledException)"},
		"Secrets Manager could not decrypt": {event: func(c *trail.Change) { c.ErrorCode = "DecryptionFailure" },
			want: migration.LockKey, what: "a key that can be used (DecryptionFailure)"},
		"Secrets Manager denied it":                     {},
		"a message that names KMS":                      {event: func(c *trail.Change) { c.ErrorMessage = "Access to KMS is not allowed" }},
		"a message that names KMS, and the code is old": {event: func(c *trail.Change) { c.ErrorCode, c.ErrorMessage = "AccessDenied", "Access to KMS is not allowed" }},
		"an invalid request, and the key is disabled": {event: func(c *trail.Change) { c.ErrorCode = "InvalidRequestException" },
			hub: func(h *hubOf) { h.with(guard.KeyDisabled) }, want: migration.LockKey, what: "a key that can be used (InvalidRequestException)"},
		"an invalid request, and the key is well": {event: func(c *trail.Change) { c.ErrorCode = "InvalidRequestException" }},
		"an invalid request, and the key is not known": {event: func(c *trail.Change) { c.ErrorCode = "InvalidRequestException" },
			hub: func(h *hubOf) { h.with(guard.KeyStateUnknown) }},
		"an invalid request, and the versions are not known": {event: func(c *trail.Change) { c.ErrorCode = "InvalidRequestException" },
			hub: func(h *hubOf) { h.with(guard.KeyDisabled); h.secret.VersionsUnread = true }},
	} {
		t.Run(name, func(t *testing.T) {
			c, h := read, newHub()
			if tt.event != nil {
				tt.event(&c)
			}
			if tt.hub != nil {
				tt.hub(h)
			}
			if err := h.watch().DeniedRead(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			want := []migration.Refused{{Principal: c.Actor.PrincipalARN(), EventID: "e-1", At: c.Time, By: tt.want, What: tt.what, Read: c.EventSource != "kms.amazonaws.com"}}
			if diff := cmp.Diff(want, h.refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

// A copy's ARN differs from its primary's by the Region, and the migration is the primary's.
func TestADeniedReadOfACopyIsGivenToTheMigrationOfItsPrimary(t *testing.T) {
	const there = "eu-west-1"
	copied := strings.Replace(secretARN, "eu-central-1", there, 1)
	read := trail.Change{Kind: trail.DeniedRead, EventID: "e-1", EventSource: "kms.amazonaws.com", ErrorCode: "AccessDenied", Secret: guard.SecretRef{Account: "333333333333", Region: there, ID: copied},
		Actor: trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::333333333333:assumed-role/app/i-1"}}
	for name, change := range map[string]func(*hubOf){
		"it can be looked at":    func(h *hubOf) { h.secret.ARN, h.secret.Region, h.secret.PrimaryRegion = copied, there, "eu-central-1" },
		"it cannot be looked at": func(h *hubOf) { h.keeps(guard.ErrDenied) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub()
			change(h)
			if err := h.watch().DeniedRead(t.Context(), read); err != nil {
				t.Fatal(err)
			}
			if len(h.refused) != 1 || h.refused[0].Region != there {
				t.Errorf("refused %+v, want one in %s", h.refused, there)
			}
		})
	}
}

// keeps has the secret be one that cannot be looked at: what the engine stores of it is answered later.
func (h *hubOf) keeps(unseen error) {
	h.broken["describe"], h.broken["refused"] = unseen, fmt.Errorf("%w: %w", migration.ErrKept, unseen)
}

func (h *hubOf) watch() watchdog.Migrations {
	return watchdog.Migrations{Engine: h, Secrets: h, Log: slog.New(slog.DiscardHandler)}
}

func TestWhatNobodyCanReadIsNotJudged(t *testing.T) {
	read := trail.Change{Kind: trail.DeniedRead, EventID: "e-1", EventSource: "secretsmanager.amazonaws.com", ErrorCode: "AccessDenied",
		Secret: guard.SecretRef{ID: "app/db"}, Actor: trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::333333333333:assumed-role/app/i-1"}}
	for name, tt := range map[string]struct {
		event  func(*trail.Change)
		hub    func(*hubOf)
		judged bool
		fails  bool
	}{
		"a read":                                        {judged: true},
		"of no secret":                                  {event: func(c *trail.Change) { c.Secret.ID = "" }},
		"of a secret that is gone":                      {hub: func(h *hubOf) { h.broken["describe"] = guard.ErrGone }},
		"of one that is not ours":                       {hub: func(h *hubOf) { h.broken["describe"], h.unmoved = guard.ErrNotOurs, true }},
		"of one that we may not see":                    {hub: func(h *hubOf) { h.broken["describe"], h.unmoved = guard.ErrDenied, true }},
		"of one that waits for its deletion":            {hub: func(h *hubOf) { h.secret.DeletedAt = at }},
		"while AWS throttles, of one that is not moved": {hub: func(h *hubOf) { h.broken["describe"], h.unmoved = guard.ErrThrottled, true }},
		"while another worker is at the migration":      {hub: func(h *hubOf) { h.broken["refused"] = migration.ErrBusy }, judged: true, fails: true},
		// What is being migrated is kept, whether it can be looked at or not.
		"of one that is moved, whose account cannot be entered": {hub: func(h *hubOf) { h.keeps(guard.ErrNotOurs) }, judged: true},
		"of one that is moved, and that we may not see":         {hub: func(h *hubOf) { h.keeps(guard.ErrDenied) }, judged: true},
		"of one that is moved, while AWS throttles":             {hub: func(h *hubOf) { h.keeps(guard.ErrThrottled) }, judged: true, fails: true},
		"of one that is moved, while AWS is down":               {hub: func(h *hubOf) { h.keeps(guard.ErrUnavailable) }, judged: true, fails: true},
		"while neither AWS nor the table answers": {hub: func(h *hubOf) {
			h.broken["describe"], h.broken["find"], h.unmoved = guard.ErrThrottled, guard.ErrUnavailable, true
		}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, h := read, newHub()
			if tt.event != nil {
				tt.event(&c)
			}
			if tt.hub != nil {
				tt.hub(h)
			}
			err := h.watch().DeniedRead(t.Context(), c)
			if (err != nil) != tt.fails || len(h.refused) > 0 != tt.judged {
				t.Errorf("error %v, judged %v", err, h.refused)
			}
		})
	}
}
