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
		"and the fallback hears why": {
			guard.Notice{Tags: map[string]string{"Owner": "unreached"}, Account: "111122223333"},
			notify.Owner{Name: "security", Route: "security", How: "its tag Owner names unreached, who has no channel here"},
		},
		"a blind spot is not the account's to explain": {
			guard.Notice{Account: "444455556666", Finding: &guard.Finding{Control: guard.OrgCoverage}},
			notify.Owner{Name: "security", Route: "security", How: "blind spots of the guard are theirs"},
		},
		"tampering is not told to the hand that did it alone": {
			guard.Notice{Kind: guard.NoticeTampered, Actor: alice},
			notify.Owner{Name: "security", Route: "security", How: "whoever did it must not be the only one to hear of it"},
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

func key(guard.Notice) string { return notifytest.Key }

func TestComposeIsTheSameInAnyOrder(t *testing.T) {
	stray := notifytest.Opened(guard.SecretForeignKey, "rds!db", "")
	stray.Tags = nil
	all := items(
		notifytest.Opened(guard.SecretDefaultKey, "app", "cli"), notifytest.Resolved(guard.SecretDefaultKey, "app"),
		notifytest.Opened(guard.SecretReplicaKey, "db", "cdk"), notifytest.Opened(guard.SecretKeyUnusable, "db", "cdk"), stray,
	)
	want := notify.Compose(all, notifytest.Directory(), key)
	rapid.Check(t, func(t *rapid.T) {
		shuffled := rapid.Permutation(all).Draw(t, "order")
		if diff := cmp.Diff(want, notify.Compose(shuffled, notifytest.Directory(), key)); diff != "" {
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
		return notify.Compose(items(notices...), notifytest.Directory(), key)[0].Thread()
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
		if got := notify.FixFor(notifytest.Opened(guard.SecretDefaultKey, "app", tool), key).Lines; len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", tool, got, want)
		}
	}
	lines := notify.FixFor(notifytest.Opened(guard.SecretDefaultKey, "app", "cdk"), keyInOtherAccount).Lines
	if !strings.Contains(lines[0], "kms.Key.fromKeyArn(this, 'SecretsKey', '"+keyInOtherAccount+"')") {
		t.Errorf("CDK with a key ARN: %s", lines[0])
	}
}

func TestCommandsOfTheOtherControls(t *testing.T) {
	const at = "--region eu-central-1 --secret-id arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf"
	const kms = "--region eu-central-1 --key-id arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for control, want := range map[guard.ControlID][]string{
		guard.SecretNotSealed: {
			"aws secretsmanager rotate-secret " + at + "  # if it rotates; else:",
			"aws secretsmanager put-secret-value " + at + " --secret-string file:///dev/stdin",
		},
		guard.SecretReplicaKey: {
			"aws secretsmanager remove-regions-from-replication " + at + " --remove-replica-regions eu-west-1",
			"aws secretsmanager replicate-secret-to-regions " + at + " --add-replica-regions Region=eu-west-1,KmsKeyId=KEY_IN_EU_WEST_1",
		},
		guard.SecretKeyUnusable: {"aws kms cancel-key-deletion " + kms, "aws kms enable-key " + kms},
		guard.SecretForeignKey:  nil,
	} {
		if diff := cmp.Diff(want, notify.FixFor(notifytest.Opened(control, "app", "cli"), notifytest.Key).Lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", control, diff)
		}
	}
}

func TestCommandsCannotBeBrokenOutOf(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Resource = "x'; rm -rf ~; echo '$(id)`id`\n&& id"
	line := notify.FixFor(n, "alias/k")
	want := `--secret-id 'x'\''; rm -rf ~; echo '\''$(id)` + "`id`" + ` && id' --kms-key-id`
	if !strings.Contains(line.Lines[0], want) {
		t.Errorf("command %s, want it quoted as %s", line.Lines[0], want)
	}
}

func TestSubjectKeepsWhatMatters(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, strings.Repeat("team/service/", 20)+"password", "cli")
	subject := notify.Compose(items(n), notifytest.Directory(), key)[0].Subject()
	if len(subject) > notify.MaxSubject || !strings.Contains(subject, "is under the AWS managed key") || !strings.HasSuffix(subject, "(111122223333 eu-central-1)") {
		t.Errorf("subject %q", subject)
	}
}

func TestDedupeKeyTellsChannelsApart(t *testing.T) {
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
		n.Kind = []guard.NoticeKind{guard.NoticeOpened, guard.NoticeResolved, guard.NoticeFailed, guard.NoticeIncident, guard.NoticeRekeyed}[r.IntN(5)]
		n.At = time.Unix(int64(seed%1e9), 0)
		for _, m := range notify.Compose(items(n), notifytest.Directory(), key) {
			subject := m.Subject()
			if len(subject) > notify.MaxSubject || strings.IndexFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
				t.Errorf("subject %q", subject)
			}
			for _, line := range notify.FixFor(m.Stories[0].Lead(), notifytest.Key).Lines {
				if !utf8.ValidString(line) {
					t.Errorf("line %q", line)
				}
			}
		}
	})
}
