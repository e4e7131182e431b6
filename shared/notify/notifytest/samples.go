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

// KeyFor names Key wherever the samples are to be fixed.
func KeyFor(guard.Notice, string) string { return Key }

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
	if c, ok := guard.ControlByID(control); ok {
		n.Finding = &guard.Finding{
			Control: c.ID, Resource: n.Resource, Status: guard.FindingOpen, Severity: c.Severity, Title: c.Title,
			Subject: Subject(control), OpenedAt: At,
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
	n.Finding.Status, n.Finding.ResolvedAt, n.Finding.End = guard.FindingResolved, n.At, guard.EndPassed
	n.ID = string(control) + "|" + n.Resource + "|resolved"
	return n
}

var states = map[guard.ControlID]guard.LockState{
	guard.SecretDefaultKey: guard.StateDefault, guard.SecretNotSealed: guard.StateDual, guard.SecretReplicaKey: guard.StateSealed,
	guard.SecretKeyUnusable: guard.StateSealed, guard.SecretKeyUnapproved: guard.StateSealed, guard.SecretForeignKey: guard.StateForeign,
	guard.SecretOutside: guard.StateSealed,
	guard.OrgCoverage:   guard.StateUnknown,
}

// Subject is what the samples say of a secret that fails a control.
func Subject(control guard.ControlID) guard.Subject {
	managed := guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	own := guard.Key{ARN: keyARN, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	doomed := own
	doomed.State = guard.KeyPendingDeletion
	return map[guard.ControlID]guard.Subject{
		guard.SecretDefaultKey: {Key: managed, Rotation: guard.RotationOff},
		guard.SecretNotSealed: {Key: own, Rotation: guard.RotationOff,
			Versions: []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{own, managed}}}},
		guard.SecretReplicaKey:    {Replicas: []guard.Replica{{Region: "eu-west-1", Key: managed}}},
		guard.SecretKeyUnusable:   {Key: doomed},
		guard.SecretKeyUnapproved: {Key: own, Rotation: guard.RotationOff},
		guard.SecretForeignKey:    {Key: managed, Service: "rds"},
		guard.SecretOutside: {Elsewhere: []guard.AccountCopy{{ARN: "arn:aws:secretsmanager:eu-central-1:999900001111:secret:prod/db/password-GhIjKl", Account: "999900001111", Region: "eu-central-1",
			Key: guard.Key{ARN: "arn:aws:kms:eu-central-1:999900001111:key/0987dcba-09fe-87dc-65ba-ab0987654321", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}}}},
		guard.OrgCoverage: {Blind: &guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNotEntered}},
		guard.OrgStorage:  {Row: &guard.Row{Copy: "0123456789ab", Kind: "record", ID: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/db/password-AbCdEf", Reason: "its body is not JSON"}},
	}[control]
}

// about is a notice of a control that a secret fails in another way than the samples' usual one.
func about(control guard.ControlID, tool string, subject guard.Subject) guard.Notice {
	n := Opened(control, "prod/db/password", tool)
	n.Finding.Subject = subject
	return n
}

func replicaKey(region string, state guard.KeyState) guard.Replica {
	key := "arn:aws:kms:" + region + ":111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
	return guard.Replica{Region: region, KeyID: key, Key: guard.Key{ARN: key, Manager: guard.ManagerCustomer, State: state}}
}

// hostileSubject names things that try to be something else.
func hostileSubject(evil string) guard.Subject {
	key := guard.Key{ARN: evil, ID: evil, Manager: guard.ManagerCustomer, State: guard.KeyState(evil)}
	return guard.Subject{
		Key: key, Replicas: []guard.Replica{{Region: evil, Key: key}},
		Versions: []guard.Version{{ID: evil, Stages: []string{evil}, Keys: []guard.Key{key}}},
		Blind:    &guard.BlindSpot{Part: guard.PartEvents, Cause: guard.CauseSilent, Note: evil},
	}
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
		blast.Stops = append(blast.Stops, guard.Affected{Secret: "arn:" + name, Name: name, State: guard.StateSealed, Fate: guard.FateEveryCopy})
	}
	blast.Elsewhere = guard.Listed
	blast.Remains = []guard.Affected{{Secret: "arn:prod/legacy", Name: "prod/legacy", State: guard.StateDual, Fate: guard.FateOlderCopy, Opens: guard.Key{Manager: guard.ManagerAWS}}}
	blast.Index = &guard.Indexed{Account: n.Account, Region: n.Region, AsOf: n.At.Add(-time.Hour), Swept: n.At.Add(-time.Hour)}
	n.Blast = &blast
	return n
}

// restored is the end of the incident, or of the worst of it.
func restored(state guard.KeyState) guard.Notice {
	n := incident()
	n.Kind, n.ID = guard.NoticeKeyRestored, "restored"
	n.Blast.State = state
	return n
}

// hostile is a notice in which every word that comes from outside tries to be something else.
func hostile() guard.Notice {
	evil := "<!channel> *bold* `code` & \"quoted\" 'x'; rm -rf / \u202egnp.exe\r\nSubject: forged\r\n\r\nbody\x00\x1b[31m"
	n := Opened(guard.SecretDefaultKey, evil, "terraform\n"+evil)
	n.Actor = "arn:aws:sts::111122223333:assumed-role/R/<@U123|x> " + evil
	n.Detail = evil
	n.Finding.Subject = hostileSubject(evil)
	return n
}

// hostileService is hostile about a secret of a service, whose name is no better.
func hostileService() guard.Notice {
	n := hostile()
	n.Finding.Subject.Service = n.Detail
	return n
}

func long() guard.Notice {
	n := Opened(guard.SecretDefaultKey, strings.Repeat("long/name-", 51)+"é", "cli")
	n.Actor = "arn:aws:sts::111122223333:assumed-role/" + strings.Repeat("r", 64) + "/" + strings.Repeat("s", 2000)
	n.Detail = strings.Repeat("detail ", 2000)
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
	differs := notice(guard.NoticeAttention, "prod/db/password", "sdk")
	differs.State = guard.StateDrifted
	differs.Move = &guard.Move{Reason: "it was sealed under " + keyARN + ", and is under the AWS managed key now: set the key again by planning it anew with doublelock migrate plan, or find out who moved it"}
	stays := notice(guard.NoticeFailed, "prod/db/password", "sdk")
	stays.Back, stays.State = true, guard.StateDual
	stays.Detail = "going back was refused: the role doublelock-change may not change the secret or use the key (the AWS managed key)"
	var hundred []guard.Notice
	for i := range 100 {
		hundred = append(hundred, Opened(guard.SecretDefaultKey, fmt.Sprintf("prod/app-%03d", i), "cloudformation"))
	}
	unproven := notice(guard.NoticeUnproven, "prod/db/password", "terraform")
	unproven.State = guard.StateUnknown
	unproven.Detail = "the key is set, but the keys that version v1 opens with could not be read, so nothing is proven: AWS lists none. Whether older copies still open with the previous key alone is not known. Every sweep looks again until 2026-11-24 09:00 UTC; then it is yours"
	closed := Resolved(guard.SecretDefaultKey, "prod/db/password")
	closed.State, closed.Finding.End = guard.StateUnknown, guard.EndUnknown
	moot := Resolved(guard.SecretKeyUnapproved, "prod/db/password")
	moot.State, moot.Finding.End = guard.StateDrifted, guard.EndMoot
	blind := incident()
	blind.Blast = &guard.BlastRadius{Key: keyARN, State: guard.KeyPendingDeletion, Index: &guard.Indexed{Account: blind.Account, Region: blind.Region}}
	disabled := guard.Subject{Key: guard.Key{ARN: keyARN, Manager: guard.ManagerCustomer, State: guard.KeyDisabled},
		Replicas: []guard.Replica{replicaKey("eu-west-1", guard.KeyPendingDeletion)}}
	replica := guard.Subject{Replicas: []guard.Replica{replicaKey("eu-west-1", guard.KeyEnabled)}}
	far := replicaKey("eu-west-1", guard.KeyEnabled)
	far.Status, far.StatusMessage = "Failed", "Replication failed: Secret name prod/db/password already exists in region eu-west-1."
	apart := guard.Subject{Replicas: []guard.Replica{far}}
	rotates := guard.Subject{Rotation: guard.RotationOn, Versions: []guard.Version{{ID: "v2", Stages: []string{"AWSPREVIOUS"}}}}
	samples := map[string]notify.Message{
		"one secret, made with Terraform": compose(Opened(guard.SecretDefaultKey, "prod/db/password", "terraform")),
		"a resolved finding":              compose(Resolved(guard.SecretDefaultKey, "prod/db/password")),
		"moved and to be sealed":          compose(rekeyed, Opened(guard.SecretNotSealed, "prod/db/password", "terraform")),
		"a change that did not take":      compose(failed()),
		"a disabled key":                  compose(incident()),
		"a key that is back":              compose(restored(guard.KeyEnabled)),
		"a deletion that was canceled":    compose(restored(guard.KeyDisabled)),
		"a key nobody can see under":      compose(blind),
		"a finding that does not apply":   compose(moot),
		"not as its migration left it":    compose(differs),
		"a denied read":                   compose(read),
		"a stopped trail":                 compose(tampered),
		"a reader that lost access":       compose(lost),
		"a secret that was moved back":    compose(back),
		"a move that could not be proven": compose(unproven),
		"a move that cannot be undone":    compose(stays),
		"a finding that ends unknown":     compose(closed),
		"a new version is due":            compose(notice(guard.NoticeSealDue, "prod/db/password", "cli")),
		"two disabled keys":               compose(about(guard.SecretKeyUnusable, "cli", disabled)),
		"a replica under a wrong key":     compose(about(guard.SecretKeyUnapproved, "terraform", replica)),
		"a replication that failed":       compose(about(guard.SecretReplicaKey, "cli", apart)),
		"a secret that rotates":           compose(about(guard.SecretNotSealed, "cdk", rotates)),
		"an account nobody can enter":     compose(Opened(guard.OrgCoverage, "all secrets here", "")),
		"a secret that denies us": compose(about(guard.OrgCoverage, "",
			guard.Subject{Blind: &guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}})),
		"a row that cannot be read":       compose(Opened(guard.OrgStorage, "row 0123456789ab", "")),
		"a row that holds up a secret":    compose(about(guard.OrgStorage, "", guard.Subject{Row: &guard.Row{Copy: "0123456789ab", Kind: "migration", ID: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/db/password-AbCdEf", Reason: "its body has no phase", Blocks: true}})),
		"a row that reads again":          compose(Resolved(guard.OrgStorage, "row 0123456789ab")),
		"hostile input":                   compose(hostile()),
		"hostile service":                 compose(hostileService()),
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
	return notify.Compose(items, Directory(), KeyFor)[0]
}
