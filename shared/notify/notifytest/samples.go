package notifytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// Canary stands for anything confidential that lies near a notice, such as an owner's tags. It must never be sent.
const Canary = "canary-hunter2-do-not-send"

// Key is the key that the samples are to be fixed with.
const Key = "alias/doublelock/secrets"

// At is when everything in the samples happens.
var At = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// Directory is the address book of the samples.
func Directory() notify.Directory {
	return notify.Directory{Tags: []string{"Owner"}, Fallback: "security", Channels: map[string]notify.Address{
		"payments": {"email": "payments@example.com", "slackChannel": "C0PAYMENTS"},
		"security": {"email": "security@example.com"},
	}}
}

// Opened is a notice of a control that a secret now fails.
func Opened(control guard.ControlID, name, tool string) guard.Notice {
	n := notice(guard.NoticeOpened, name, tool)
	for _, c := range guard.Controls() {
		if c.ID == control {
			n.Finding = &guard.Finding{
				Control: c.ID, Resource: n.Resource, Status: guard.FindingOpen, Severity: c.Severity, Title: c.Title,
				Detail: details[control], Fix: c.Fix, OpenedAt: At,
			}
		}
	}
	n.State = states[control]
	n.ID = string(control) + "|" + n.Resource + "|opened"
	return n
}

// Resolved is the notice that a control holds again.
func Resolved(control guard.ControlID, name string) guard.Notice {
	n := Opened(control, name, "terraform")
	n.Kind, n.State, n.At = guard.NoticeResolved, guard.StateSealed, At.Add(time.Hour)
	n.Finding.Status, n.Finding.ResolvedAt = guard.FindingResolved, n.At
	n.ID = string(control) + "|" + n.Resource + "|resolved"
	return n
}

var states = map[guard.ControlID]guard.LockState{
	guard.SecretDefaultKey: guard.StateDefault, guard.SecretNotSealed: guard.StateDual, guard.SecretReplicaKey: guard.StateSealed,
	guard.SecretKeyUnusable: guard.StateSealed, guard.SecretKeyUnapproved: guard.StateSealed, guard.SecretForeignKey: guard.StateForeign,
}

var details = map[guard.ControlID]string{
	guard.SecretDefaultKey:    "opens with the AWS managed key, which the organization cannot switch off",
	guard.SecretNotSealed:     "1 labelled version still opens with the previous key",
	guard.SecretReplicaKey:    "opens with the AWS managed key in eu-west-1",
	guard.SecretKeyUnusable:   "its key " + keyARN + " is in state PendingDeletion",
	guard.SecretKeyUnapproved: "its key " + keyARN + " is not approved",
	guard.SecretForeignKey:    "owned by rds, which keeps it under the AWS managed key",
}

const keyARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func notice(kind guard.NoticeKind, name, tool string) guard.Notice {
	return guard.Notice{
		ID: string(kind) + "|" + name, Kind: kind, At: At, Account: "111122223333", Region: "eu-central-1", Name: name,
		Resource: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:" + name + "-AbCdEf",
		Decision: guard.Decision{Mode: guard.ModeNotify, Tag: true},
		Tags:     map[string]string{"Owner": "payments", "db-password": Canary},
		Actor:    "arn:aws:sts::111122223333:assumed-role/Deploy/alice@example.com", Tool: tool, EventID: "e-1",
	}
}

func failed() guard.Notice {
	n := notice(guard.NoticeFailed, "prod/db/password", "")
	n.Detail = "UpdateSecret was accepted, but 1 labelled version does not open with the new key: doublelock-change probably lacks kms:Encrypt on it"
	n.State = guard.StateDefault
	return n
}

func incident() guard.Notice {
	n := notice(guard.NoticeIncident, "alias/payments", "console")
	n.Resource = keyARN
	blast := guard.BlastRadius{Key: keyARN, State: guard.KeyDisabled, Unknown: []guard.Affected{}}
	for i := range 30 {
		name := fmt.Sprintf("prod/app-%02d", i)
		blast.Stops = append(blast.Stops, guard.Affected{Secret: "arn:" + name, Name: name, State: guard.StateSealed, Why: "every copy of the current version is under this key"})
	}
	blast.Remains = []guard.Affected{{Secret: "arn:prod/legacy", Name: "prod/legacy", State: guard.StateDual, Why: "an older copy still opens with the AWS managed key"}}
	n.Blast = &blast
	return n
}

// hostile is a notice in which every word that comes from outside tries to be something else.
func hostile() guard.Notice {
	evil := "<!channel> *bold* `code` & \"quoted\" 'x'; rm -rf / \u202egnp.exe\r\nSubject: forged\r\n\r\nbody\x00\x1b[31m"
	n := Opened(guard.SecretDefaultKey, evil, "terraform\n"+evil)
	n.Actor = "arn:aws:sts::111122223333:assumed-role/R/<@U123|x> " + evil
	n.Finding.Detail = evil
	return n
}

func long() guard.Notice {
	n := Opened(guard.SecretDefaultKey, strings.Repeat("long/name-", 51)+"é", "cli")
	n.Actor = "arn:aws:sts::111122223333:assumed-role/" + strings.Repeat("r", 64) + "/" + strings.Repeat("s", 2000)
	n.Finding.Detail = strings.Repeat("detail ", 2000)
	return n
}

// Samples are the messages each channel is tried with, by what is special about them.
func Samples() map[string]notify.Message {
	rekeyed := notice(guard.NoticeRekeyed, "prod/db/password", "terraform")
	rekeyed.State = guard.StateDual
	read := notice(guard.NoticeDeniedRead, "prod/db/password", "sdk")
	tampered := notice(guard.NoticeTampered, "organization-trail", "cli")
	tampered.Detail = "StopLogging on organization-trail"
	lost := notice(guard.NoticeReaderLost, "prod/db/password", "sdk")
	lost.Detail = "arn:aws:iam::111122223333:role/reports lacks kms:Decrypt on the key of the secret"
	back := notice(guard.NoticeRolledBack, "prod/db/password", "sdk")
	back.Detail = "back under the AWS managed key: arn:aws:iam::111122223333:role/reports was refused"
	var hundred []guard.Notice
	for i := range 100 {
		hundred = append(hundred, Opened(guard.SecretDefaultKey, fmt.Sprintf("prod/app-%03d", i), "cloudformation"))
	}
	samples := map[string]notify.Message{
		"one secret, made with Terraform": compose(Opened(guard.SecretDefaultKey, "prod/db/password", "terraform")),
		"a resolved finding":              compose(Resolved(guard.SecretDefaultKey, "prod/db/password")),
		"moved and to be sealed":          compose(rekeyed, Opened(guard.SecretNotSealed, "prod/db/password", "terraform")),
		"a change that did not take":      compose(failed()),
		"a disabled key":                  compose(incident()),
		"a denied read":                   compose(read),
		"a stopped trail":                 compose(tampered),
		"a reader that lost access":       compose(lost),
		"a secret that was moved back":    compose(back),
		"a new version is due":            compose(notice(guard.NoticeSealDue, "prod/db/password", "cli")),
		"hostile input":                   compose(hostile()),
		"very long input":                 compose(long()),
		"names beyond ASCII":              compose(Opened(guard.SecretDefaultKey, "prod/größe/パスワード/🔐", "pulumi")),
		"empty fields":                    {Route: "payments", Stories: []notify.Story{{Notices: []guard.Notice{{Kind: guard.NoticeOpened}}}}},
		"an unknown kind of notice":       compose(notice("made_up", "prod/db/password", "")),
		"a hundred resources":             compose(hundred...),
		"two that need work and one done": compose(Opened(guard.SecretReplicaKey, "a", "cdk"), Opened(guard.SecretKeyUnusable, "b", "cli"), Resolved(guard.SecretNotSealed, "c")),
	}
	for _, c := range guard.Controls() {
		samples["control "+string(c.ID)] = compose(Opened(c.ID, "prod/db/password", "console"))
	}
	repeat := compose(Opened(guard.SecretDefaultKey, "prod/db/password", "sdk"))
	repeat.Stories[0].Repeat = true
	samples["a message that may be a repeat"] = repeat
	return samples
}

func compose(notices ...guard.Notice) notify.Message {
	items := make([]notify.Item, 0, len(notices))
	for _, n := range notices {
		items = append(items, notify.Item{Notice: n})
	}
	return notify.Compose(items, Directory(), func(guard.Notice) string { return Key })[0]
}
