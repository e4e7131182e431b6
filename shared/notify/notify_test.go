package notify_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

func TestOwnerLadder(t *testing.T) {
	d := notify.Directory{
		Tags: []string{"Owner", "Team"}, Fallback: "security",
		Channels: map[string]notify.Address{
			"payments": {"email": "payments@example.com"}, "alice@example.com": {"slackChannel": "C0123456789"}, "444455556666": {"email": "lab@example.com"},
			"security": {}, "unreached": {},
		},
	}
	const alice = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/alice@example.com"
	for name, tt := range map[string]struct {
		notice guard.Notice
		want   notify.Owner
	}{
		"the first configured tag wins": {
			guard.Notice{Tags: map[string]string{"Team": "platform", "Owner": "payments"}, Actor: alice},
			notify.Owner{Name: "payments", Route: "payments", How: "its tag Owner says so"},
		},
		"a later tag, when the first is empty": {
			guard.Notice{Tags: map[string]string{"Owner": " ", "Team": "payments"}},
			notify.Owner{Name: "payments", Route: "payments", How: "its tag Team says so"},
		},
		"the tag's case does not matter": {
			guard.Notice{Tags: map[string]string{"owner": "Payments"}},
			notify.Owner{Name: "Payments", Route: "payments", How: "its tag owner says so"},
		},
		"a tag may hold the address": {
			guard.Notice{Tags: map[string]string{"Owner": "payments@example.com"}},
			notify.Owner{Name: "payments@example.com", Route: "payments", How: "its tag Owner says so"},
		},
		"no tag: who made the change": {
			guard.Notice{Actor: alice, Account: "444455556666"},
			notify.Owner{Name: "alice@example.com", Route: "alice@example.com", How: "they made the last change"},
		},
		"a pipeline made it: the account": {
			guard.Notice{Actor: "arn:aws:sts::444455556666:assumed-role/ci/run-17", Account: "444455556666"},
			notify.Owner{Name: "444455556666", Route: "444455556666", How: "the account is theirs"},
		},
		"nobody is known: the fallback": {
			guard.Notice{Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "no tag, person or account names another owner"},
		},
		"an owner nobody can reach is not a dead end": {
			guard.Notice{Tags: map[string]string{"Owner": "ghosts"}, Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "its tag Owner names ghosts, who has no channel here"},
		},
		"an owner whom no deployed channel reaches is not a dead end either": {
			guard.Notice{Tags: map[string]string{"Owner": "unreached"}, Account: "444455556666"},
			notify.Owner{Name: "444455556666", Route: "444455556666", How: "the account is theirs"},
		},
		"and the fallback reads why": {
			guard.Notice{Tags: map[string]string{"Owner": "unreached"}, Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "its tag Owner names unreached, who has no channel here"},
		},
		"a blind spot is not the account's to explain": {
			guard.Notice{Account: "444455556666", Finding: &guard.Finding{Control: guard.OrgCoverage}},
			notify.Owner{Name: "security", Route: "security", How: "blind spots of the guard are theirs"},
		},
		"a row of the hub's table is nobody's else": {
			guard.Notice{Account: "444455556666", Finding: &guard.Finding{Control: guard.OrgStorage}},
			notify.Owner{Name: "security", Route: "security", How: "the guard's own memory is theirs"},
		},
		"tampering is for more than whoever did it": {
			guard.Notice{Kind: guard.NoticeTampered, Actor: alice},
			notify.Owner{Name: "security", Route: "security", How: "whoever did it must not be the only one who is notified"},
		},
		"who starts sessions with a policy of its own is not only for the secret's owner": {
			guard.Notice{Kind: guard.NoticeReaderLost, Tags: map[string]string{"Owner": "team-payments"}, Actor: alice, Move: &guard.Move{Reader: &guard.LostReader{Answer: "session", Security: true}}},
			notify.Owner{Name: "security", Route: "security", How: "who starts sessions with a policy of their own is theirs to find out"},
		},
		"a key that was switched off is not only for whoever did it": {
			guard.Notice{Kind: guard.NoticeIncident, Actor: alice, Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "no tag, person or account names another owner"},
		},
		"and its all-clear goes where the alarm went, whoever switched it on": {
			guard.Notice{Kind: guard.NoticeKeyRestored, Actor: alice, Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "no tag, person or account names another owner"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, d.Resolve(tt.notice)); diff != "" {
				t.Errorf("owner (-want +got):\n%s", diff)
			}
		})
	}
	if got := (notify.Directory{}).Resolve(guard.Notice{}); got.Route != notify.Unrouted {
		t.Errorf("without any configuration the route is %q", got.Route)
	}
}

func items(notices ...guard.Notice) []notify.Item {
	var list []notify.Item
	for _, n := range notices {
		list = append(list, notify.Item{Notice: n})
	}
	return list
}

func TestComposeIsTheSameInAnyOrder(t *testing.T) {
	stray := notifytest.Opened(guard.SecretForeignKey, "rds!db", "")
	stray.Tags = nil
	all := items(
		notifytest.Opened(guard.SecretDefaultKey, "app", "cli"), notifytest.Resolved(guard.SecretDefaultKey, "app"),
		notifytest.Opened(guard.SecretReplicaKey, "db", "cdk"), notifytest.Opened(guard.SecretKeyUnusable, "db", "cdk"), stray,
	)
	want := notify.Compose(all, notifytest.Directory(), notifytest.KeyFor)
	rapid.Check(t, func(t *rapid.T) {
		shuffled := rapid.Permutation(all).Draw(t, "order")
		if diff := cmp.Diff(want, notify.Compose(shuffled, notifytest.Directory(), notifytest.KeyFor)); diff != "" {
			t.Errorf("another order, another message (-want +got):\n%s", diff)
		}
	})
	if len(want) != 2 || want[0].Route != "payments" || want[1].Route != "security" {
		t.Fatalf("messages %+v", want)
	}
	stories := want[0].Stories
	if len(stories) != 2 || stories[0].Lead().Finding.Control != guard.SecretKeyUnusable || stories[1].Lead().Kind != guard.NoticeResolved {
		t.Errorf("stories are not the most urgent first: %+v", stories)
	}
}

func TestThreadStaysWithTheFinding(t *testing.T) {
	thread := func(notices ...guard.Notice) string {
		return notify.Compose(items(notices...), notifytest.Directory(), notifytest.KeyFor)[0].Thread()
	}
	opened := thread(notifytest.Opened(guard.SecretDefaultKey, "app", "cli"))
	if resolved := thread(notifytest.Resolved(guard.SecretDefaultKey, "app")); resolved != opened {
		t.Error("a finding and its end are in two threads")
	}
	if other := thread(notifytest.Opened(guard.SecretDefaultKey, "db", "cli")); other == opened {
		t.Error("two findings share a thread")
	}
	digest := thread(notifytest.Opened(guard.SecretDefaultKey, "app", ""), notifytest.Opened(guard.SecretDefaultKey, "db", ""))
	if digest == opened {
		t.Error("a digest is in the thread of one finding")
	}
}

// fixFor is the fix of a story with one notice.
func fixFor(n guard.Notice, keys notify.Keys) notify.Fix {
	return notify.Story{Notices: []guard.Notice{n}, Keys: keys}.FixFor(n)
}

func TestFixIsInTheToolOfWhoMadeIt(t *testing.T) {
	const key = "alias/doublelock/secrets"
	const keyInOtherAccount = "arn:aws:kms:eu-central-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	const shell = "aws secretsmanager update-secret --region eu-central-1 --secret-id arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf --kms-key-id alias/doublelock/secrets"
	for tool, want := range map[string]string{
		"terraform":      `kms_key_id = "alias/doublelock/secrets"  # in the aws_secretsmanager_secret of app`,
		"cloudformation": `KmsKeyId: "alias/doublelock/secrets"  # under the Properties of the AWS::SecretsManager::Secret`,
		"cdk":            `encryptionKey: kms.Alias.fromAliasName(this, 'SecretsKey', 'alias/doublelock/secrets'),  // in the props of new secretsmanager.Secret(...)`,
		"pulumi":         `kmsKeyId: "alias/doublelock/secrets",  // in the args of new aws.secretsmanager.Secret(...)`,
		"console":        shell, "cli": shell, "sdk": shell, "": shell,
	} {
		if got := fixFor(notifytest.Opened(guard.SecretDefaultKey, "app", tool), notify.Keys{"eu-central-1": key}).Lines; len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", tool, got, want)
		}
	}
	lines := fixFor(notifytest.Opened(guard.SecretDefaultKey, "app", "cdk"), notify.Keys{"eu-central-1": keyInOtherAccount}).Lines
	if !strings.Contains(lines[0], "kms.Key.fromKeyArn(this, 'SecretsKey', '"+keyInOtherAccount+"')") {
		t.Errorf("CDK with a key ARN: %s", lines[0])
	}
}

func TestCommandsOfEveryFinding(t *testing.T) {
	const (
		secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf"
		here   = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		there  = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
		theirs = "arn:aws:kms:eu-central-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		rotate = "aws secretsmanager rotate-secret --region eu-central-1 --secret-id " + secret
		put    = "aws secretsmanager put-secret-value --region eu-central-1 --secret-id " + secret + " --secret-string file://NEW-VALUE-FILE"
		west   = "aws secretsmanager update-secret --region eu-west-1 --secret-id arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf --kms-key-id "
	)
	keys := notify.Keys{"eu-central-1": "alias/doublelock/secrets", "eu-west-1": there, "us-east-1": here}
	key := func(arn string, state guard.KeyState) guard.Key {
		return guard.Key{ARN: arn, Manager: guard.ManagerCustomer, State: state}
	}
	replica := func(region string, k guard.Key) []guard.Replica { return []guard.Replica{{Region: region, Key: k}} }
	for sentence, tt := range map[string]struct {
		control guard.ControlID
		subject guard.Subject
		want    []string
	}{
		"a secret that rotates is rotated twice":                {guard.SecretNotSealed, guard.Subject{Rotation: guard.RotationOn}, []string{rotate, rotate}},
		"one that does not gets its value twice, from a file":   {guard.SecretNotSealed, guard.Subject{Rotation: guard.RotationOff}, []string{put, put}},
		"where nobody knows, AWS says so by refusing":           {guard.SecretNotSealed, guard.Subject{}, []string{rotate, rotate}},
		"a replica is changed in its own Region, under its key": {guard.SecretReplicaKey, guard.Subject{Replicas: replica("eu-west-1", guard.Key{})}, []string{west + there}},
		"a replica for whose Region there is no key has no command": {guard.SecretReplicaKey,
			guard.Subject{Replicas: replica("ap-south-1", guard.Key{})}, nil},
		"nor has one for whose Region only a key of another is named": {guard.SecretReplicaKey,
			guard.Subject{Replicas: replica("us-east-1", guard.Key{})}, nil},
		"a wrong key of the replica changes the replica and not the primary": {guard.SecretKeyUnapproved,
			guard.Subject{Replicas: replica("eu-west-1", key(there, guard.KeyEnabled))}, []string{west + there}},
		"wrong keys of both change both": {guard.SecretKeyUnapproved,
			guard.Subject{Key: key(theirs, guard.KeyEnabled), Replicas: replica("eu-west-1", key(there, guard.KeyEnabled))},
			[]string{"aws secretsmanager update-secret --region eu-central-1 --secret-id " + secret + " --kms-key-id alias/doublelock/secrets", west + there}},
		"two disabled keys are switched on, each in its own Region": {guard.SecretKeyUnusable,
			guard.Subject{Key: key(here, guard.KeyDisabled), Replicas: replica("eu-west-1", key(there, guard.KeyDisabled))},
			[]string{"aws kms enable-key --region eu-central-1 --key-id " + here, "aws kms enable-key --region eu-west-1 --key-id " + there}},
		"a key pending deletion takes two commands": {guard.SecretKeyUnusable, guard.Subject{Key: key(here, guard.KeyPendingDeletion)},
			[]string{"aws kms cancel-key-deletion --region eu-central-1 --key-id " + here, "aws kms enable-key --region eu-central-1 --key-id " + here}},
		"a key that is gone has none":            {guard.SecretKeyUnusable, guard.Subject{Key: key(here, guard.KeyMissing)}, nil},
		"nor has one without its material":       {guard.SecretKeyUnusable, guard.Subject{Key: key(here, guard.KeyPendingImport)}, nil},
		"a secret that another service owns":     {guard.SecretForeignKey, guard.Subject{Service: "rds"}, nil},
		"a replica in a finding without subject": {guard.SecretReplicaKey, guard.Subject{}, nil},
		"a blind spot that the secret's policy is": {guard.OrgCoverage, guard.Subject{Blind: &guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}},
			[]string{`"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/doublelock-read"}`}},
		"another blind spot": {guard.OrgCoverage, guard.Subject{Blind: &guard.BlindSpot{Part: guard.PartKey, Cause: guard.CauseDenied}}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			n := notifytest.Opened(tt.control, "app", "cli")
			n.Finding.Subject = tt.subject
			fix := fixFor(n, keys)
			if diff := cmp.Diff(tt.want, fix.Lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if fix.Say == "" || (fix.In == "") != (len(fix.Lines) == 0) {
				t.Errorf("fix %+v", fix)
			}
		})
	}
}

func TestAKeyOfAnotherAccountIsSwitchedOnThere(t *testing.T) {
	n := notifytest.Opened(guard.SecretKeyUnusable, "app", "cli")
	n.Finding.Subject.Key.ARN = "arn:aws:kms:eu-central-1:999988887777:key/k"
	if fix := fixFor(n, nil); !strings.Contains(fix.First, "999988887777") {
		t.Errorf("fix %+v", fix)
	}
}

// A move that could not be made is left to whoever removes the cause: no command that takes a secret from its readers.
func TestAMoveThatCouldNotBeMadeComesWithoutACommand(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Kind, n.Detail = guard.NoticeFailed, "arn:aws:iam::111122223333:role/batch would lose access"
	fix := fixFor(n, notify.Keys{n.Region: notifytest.Key})
	if len(fix.Lines) > 0 || !strings.Contains(fix.Say, "readers") {
		t.Errorf("fix %+v", fix)
	}
}

// A secret that cannot go back is under the CMK: nobody must read that it could not be moved to one.
func TestAWayBackThatFailedIsNotCalledAMoveThatFailed(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Kind, n.Back, n.Detail = guard.NoticeFailed, true, "going back was refused"
	if got := notify.Headline(n); got != "app could not be set back" {
		t.Errorf("headline %q", got)
	}
	if why, fix := notify.Why(n), fixFor(n, nil); strings.Contains(why, "as it was") || !strings.Contains(why, "new key") || strings.Contains(fix.Say, "the move is tried") || !strings.Contains(fix.Say, "migrate rollback") {
		t.Errorf("why %q, fix %+v", why, fix)
	}
}

func TestCommandsCannotBeBrokenOutOf(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Resource = "x'; rm -rf ~; echo '$(id)`id`\n&& id"
	line := fixFor(n, notify.Keys{"eu-central-1": "alias/k"})
	want := `--secret-id 'x'\''; rm -rf ~; echo '\''$(id)` + "`id`" + ` && id' --kms-key-id`
	if !strings.Contains(line.Lines[0], want) {
		t.Errorf("command %s, want it quoted as %s", line.Lines[0], want)
	}
}

// What ends a finding says what is true now. Only what is better than before is called done.
func TestAClosingSaysWhatIsTrueNow(t *testing.T) {
	for sentence, tt := range map[string]struct {
		control guard.ControlID
		end     guard.Ending
		state   guard.LockState
		want    string
	}{
		"sealed by a new version":                                        {guard.SecretNotSealed, guard.EndPassed, guard.StateSealed, "DONE: app is sealed"},
		"under a CMK from its first version on":                          {guard.SecretDefaultKey, guard.EndPassed, guard.StateSealed, "DONE: app is sealed"},
		"re-keyed, and the older copies still open":                      {guard.SecretDefaultKey, guard.EndPassed, guard.StateDual, "CLOSED: app is under a CMK, not sealed yet"},
		"back to the AWS managed key":                                    {guard.SecretKeyUnapproved, guard.EndMoot, guard.StateDrifted, "CLOSED: app is under the AWS managed key now"},
		"never sealed, and back to the AWS managed key":                  {guard.SecretNotSealed, guard.EndMoot, guard.StateDrifted, "CLOSED: app is under the AWS managed key now"},
		"the same, stored before endings were":                           {guard.SecretNotSealed, "", guard.StateDrifted, "CLOSED: app is under the AWS managed key now"},
		"under an approved key":                                          {guard.SecretKeyUnapproved, guard.EndPassed, guard.StateDual, "DONE: app is under an approved key"},
		"a key that was enabled":                                         {guard.SecretKeyUnusable, guard.EndPassed, guard.StateSealed, "DONE: The key of app can be used again"},
		"replicas":                                                       {guard.SecretReplicaKey, guard.EndPassed, guard.StateSealed, "DONE: The replicas of app are in sync, under CMKs"},
		"owned by a service now":                                         {guard.SecretNotSealed, guard.EndMoot, guard.StateForeign, "CLOSED: DL.SECRET.2 does not apply to app any more"},
		"deleted":                                                        {guard.SecretDefaultKey, guard.EndGone, guard.StateDefault, "DONE: app was deleted"},
		"an end that only a newer version knows":                         {guard.SecretNotSealed, "quantum", guard.StateSealed, "CLOSED: DL.SECRET.2 was closed for app by a newer version"},
		"a row that reads again":                                         {guard.OrgStorage, guard.EndPassed, "", "DONE: app is readable again, or was settled"},
		"a disabled key that the secret was moved from":                  {guard.SecretKeyUnusable, guard.EndMoved, guard.StateDual, "DONE: app is under keys that can be used"},
		"the same, back to the AWS managed key":                          {guard.SecretKeyUnusable, guard.EndMoved, guard.StateDrifted, "CLOSED: app is under the AWS managed key now"},
		"a replica that is there no more":                                {guard.SecretReplicaKey, guard.EndRemoved, guard.StateSealed, "CLOSED: What failed of app does not count any more"},
		"one with a disabled key, of a secret under the AWS managed key": {guard.SecretKeyUnusable, guard.EndRemoved, guard.StateDefault, "CLOSED: What failed of app does not count any more"},
		"a replica now":                                                  {guard.SecretKeyUnapproved, guard.EndReplica, guard.StateDefault, "CLOSED: app is a replica now"},
		"a replica that is there no more, by a version before":           {guard.SecretReplicaKey, guard.EndMoot, guard.StateSealed, "CLOSED: DL.SECRET.3 does not apply to app any more"},
		"sealed, stored before endings were":                             {guard.SecretNotSealed, "", guard.StateSealed, "DONE: app is sealed"},
		"a key that was enabled, and is not in use":                      {guard.SecretKeyUnusable, guard.EndPassed, guard.StateDefault, "DONE: The key of app can be used again"},
		"a blind spot":                                                   {guard.OrgCoverage, guard.EndPassed, guard.StateUnknown, "DONE: Doublelock can look again: app"},
	} {
		t.Run(sentence, func(t *testing.T) {
			n := notifytest.Resolved(tt.control, "app")
			n.State, n.Finding.End = tt.state, tt.end
			m := notify.Compose(items(n), notifytest.Directory(), notifytest.KeyFor)[0]
			if got, want := m.Subject(), "[Doublelock] "+tt.want+" (111122223333 eu-central-1)"; got != want {
				t.Errorf("subject %q, want %q", got, want)
			}
			if done := strings.Contains(notify.Closing(n), "nothing to do"); done != strings.HasPrefix(tt.want, "DONE") {
				t.Errorf("closing %q", notify.Closing(n))
			}
		})
	}
}

func TestSubjectKeepsWhatMatters(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, strings.Repeat("team/service/", 20)+"password", "cli")
	subject := notify.Compose(items(n), notifytest.Directory(), notifytest.KeyFor)[0].Subject()
	if len(subject) > notify.MaxSubject || !strings.Contains(subject, "is under the AWS managed key") || !strings.HasSuffix(subject, "(111122223333 eu-central-1)") {
		t.Errorf("subject %q", subject)
	}
}

func TestDedupeKeyKeepsChannelsApart(t *testing.T) {
	n := guard.Notice{ID: "DL.SECRET.1|arn|opened|1"}
	if notify.DedupeKey("email", n) == notify.DedupeKey("chat", n) {
		t.Error("two channels share a key")
	}
}

func FuzzComposeAndSubject(f *testing.F) {
	f.Add("app", "111122223333", "eu-central-1", "terraform", uint64(1))
	f.Add(strings.Repeat("ü", 600), "", "\n", "\x00", uint64(2))
	f.Fuzz(func(t *testing.T, name, account, region, tool string, seed uint64) {
		n := notifytest.Opened(guard.SecretDefaultKey, name, tool)
		n.Account, n.Region = account, region
		r := rand.New(rand.NewPCG(seed, 1))
		n.Kind = guard.NoticeKinds()[r.IntN(len(guard.NoticeKinds()))]
		n.Finding.Control = guard.Controls()[r.IntN(len(guard.Controls()))].ID
		n.At = time.Unix(int64(seed%1e9), 0)
		for _, m := range notify.Compose(items(n), notifytest.Directory(), notifytest.KeyFor) {
			subject := m.Subject()
			if len(subject) > notify.MaxSubject || strings.IndexFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
				t.Errorf("subject %q", subject)
			}
			for _, line := range m.Stories[0].FixFor(m.Stories[0].Lead()).Lines {
				if !utf8.ValidString(line) {
					t.Errorf("line %q", line)
				}
			}
		}
	})
}

func TestASeverityThatOnlyANewerVersionKnowsIsHigh(t *testing.T) {
	n := notifytest.Opened(guard.SecretNotSealed, "app", "")
	n.Finding.Severity = "quantum"
	if got := notify.SeverityOf(n); got != guard.SeverityHigh {
		t.Errorf("severity %s", got)
	}
}

// One is one: no headline, count or subject says "1 secrets", "1 resources" or "1 stop".
func TestOneIsNotCountedAsMany(t *testing.T) {
	one := notify.Message{Digest: true, Stories: []notify.Story{{Notices: []guard.Notice{notifytest.Opened(guard.SecretDefaultKey, "app", "cli")}}}}
	if got := one.Count(); got != "1 resource still needs you" {
		t.Errorf("count %q", got)
	}
	one.Digest = false
	if got := one.Count(); got != "1 resource needs you" {
		t.Errorf("count %q", got)
	}
	affected := []guard.Affected{{Name: "app", Fate: guard.FateEveryCopy}}
	off := guard.Notice{Kind: guard.NoticeIncident, Name: "k", Blast: &guard.BlastRadius{State: guard.KeyDisabled, Stops: affected}}
	on := guard.Notice{Kind: guard.NoticeKeyRestored, Name: "k", Blast: &guard.BlastRadius{State: guard.KeyEnabled, Stops: affected}}
	got := []string{notify.Headline(off), off.Describe(), on.Describe()}
	want := []string{"Key k is disabled: 1 stops, 0 do not", "key is Disabled: 1 stops, 0 do NOT stop, 0 unknown", "key is Enabled: 1 secret is under it"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A secret that stops by default counts as stopping, whatever else of it opens, and the text says that it does.
func TestAnIncidentCountsWhatReadersGet(t *testing.T) {
	blast := guard.BlastRadius{State: guard.KeyDisabled, Elsewhere: guard.Listed,
		Stops: []guard.Affected{{Name: "app", Fate: guard.FateOtherVersion, Labels: []string{"AWSPREVIOUS"}}}, Partly: []guard.Affected{{Name: "blue", Fate: guard.FateVersionStops, Labels: []string{"blue"}}}}
	n := guard.Notice{Kind: guard.NoticeIncident, Name: "k", Blast: &blast}
	if got, want := notify.Headline(n), "Key k is disabled: 1 stops, 1 in part"; got != want {
		t.Errorf("headline %q, want %q", got, want)
	}
	part := guard.Notice{Kind: guard.NoticeIncident, Name: "k", Blast: &guard.BlastRadius{State: guard.KeyDisabled, Partly: blast.Partly, Remains: blast.Stops}}
	if got, want := notify.Headline(part), "Key k is disabled: 1 stops in part, 1 does not"; got != want {
		t.Errorf("headline %q, want %q", got, want)
	}
	want := []guard.Passage{{Text: "Of what stops, 1 secret can still be opened by another version, or in another Region or account."}}
	if diff := cmp.Diff(want, notify.Details(n)[len(notify.Details(n))-1:]); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// The owner of a secret whose own policy keeps us out reads which statement it is, how to print it, and what to add.
func TestASecretThatDeniesUsComesWithTheStatementAndTheException(t *testing.T) {
	n := notifytest.Opened(guard.OrgCoverage, "app", "cli")
	n.Finding.Subject = guard.Subject{Blind: &guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}}
	parts := fixFor(n, nil).Parts()
	if len(parts) != 2 || strings.Contains(parts[0].Say, "member stack") || !strings.Contains(parts[0].Say, "denies it") || !strings.Contains(parts[1].Say, "Effect Deny") {
		t.Fatalf("fix %+v", parts)
	}
	got := []string{parts[0].Lines[0], parts[1].Lines[0]}
	want := []string{`"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/doublelock-read"}`,
		"aws secretsmanager get-resource-policy --region eu-central-1 --secret-id " + n.Resource + " --query ResourcePolicy --output text"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What was just taken back is not offered again, and nothing is said to happen by itself that a person has to plan.
func TestARollbackOffersNotTheChangeThatItTookBack(t *testing.T) {
	back := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	back.ID, back.Kind, back.Finding = "back", guard.NoticeRolledBack, nil
	back.Move = &guard.Move{Reason: "the app broke"}
	again := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	messages := notify.Compose(items(back, again), notifytest.Directory(), notifytest.KeyFor)
	if len(messages) != 1 || len(messages[0].Stories) != 1 || len(messages[0].Stories[0].Notices) != 2 {
		t.Fatalf("messages %+v", messages)
	}
	story := messages[0].Stories[0]
	for _, n := range story.Notices {
		for _, fix := range story.FixFor(n).Parts() {
			if len(fix.Lines) > 0 {
				t.Errorf("%s offers %q", n.Kind, fix.Lines)
			}
		}
	}
	if say := story.FixFor(story.Lead()).Say; !strings.Contains(say, "doublelock migrate plan") || strings.Contains(say, "again when") {
		t.Errorf("fix %q", say)
	}
	if why := notify.Why(story.Lead()); !strings.Contains(why, "Nothing moves it again by itself") {
		t.Errorf("why %q", why)
	}
	again.State = guard.StateDrifted
	if first := fixFor(again, keysHere).First; !strings.Contains(first, "find out who set it back") {
		t.Errorf("a secret that was set back before: first %q", first)
	}
}

func TestASecretWithoutAValueNeedsNoSecondVersion(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	if then := fixFor(n, keysHere).Then; !strings.Contains(then, "two new versions") {
		t.Errorf("one with a value: then %q", then)
	}
	n.Finding.Subject.Empty = true
	if then := fixFor(n, keysHere).Then; strings.Contains(then, "older copies") || !strings.Contains(then, "no value yet") {
		t.Errorf("one without: then %q", then)
	}
}

var keysHere = notify.Keys{"eu-central-1": "alias/doublelock/secrets"}
