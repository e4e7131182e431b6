package migrate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// as is a shell of the real aws CLI of somebody of the account of the secrets.
func (f *fixture) as(who string) func(lines ...string) {
	f.Helper()
	c, err := f.AWS.Principal(local.Search, who)
	if err != nil {
		f.Fatal(err)
	}
	env := []string{"PATH=" + filepath.Dir(awsclitest.Find(f.T)) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + f.TempDir(), "AWS_ENDPOINT_URL=" + f.URL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
	return func(lines ...string) {
		f.Helper()
		if len(lines) == 0 {
			f.Fatal("nothing is printed")
		}
		if out, err := awsclitest.Paste(f.Context(), f.TempDir(), env, lines...); err != nil {
			f.Fatalf("%q: %v\n%s", lines, err, out)
		}
	}
}

// words are those of a command line of ours, as a shell takes it apart.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `doublelock() { printf '%s\n' "$@"; }; `+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// The lines of a dry run make the calls of its steps, with the rights of the role that makes them, and whoever reads the secret reads it
// after each.
func TestWhatADryRunPrintsDoesWhatItsStepDoes(t *testing.T) {
	f := newFixture(t)
	arn, paste := f.secret("search/index"), f.as("role/"+settings.RoleChange+"/doublelock-by-hand")
	key := map[string]string{}
	for _, region := range []string{f.Home(), f.Second()} {
		found, _ := localtest.Call(t, f.Organization, local.Search, region, "kms", "DescribeKey", map[string]any{"KeyId": settings.SecretsKeyAlias})["KeyMetadata"].(map[string]any)
		key[region], _ = found["Arn"].(string)
	}
	reads := func(region string) {
		t.Helper()
		localtest.Call(t, f.Organization, local.Search, region, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": "search/index"})
	}
	localtest.Call(t, f.Organization, local.Search, f.Home(), "secretsmanager", "ReplicateSecretToRegions", map[string]any{"SecretId": arn, "AddReplicaRegions": []any{map[string]any{"Region": f.Second()}}})
	rotator := f.Partition.New("lambda", f.Home(), local.Search, "function:rotate").String()
	f.AWS.AddRole(local.Search, "rotate", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*"}]}`)
	f.AWS.RotationFunction(rotator, f.Partition.Role(local.Search, "rotate"))
	localtest.Call(t, f.Organization, local.Search, f.Home(), "secretsmanager", "RotateSecret", map[string]any{"SecretId": arn, "RotationLambdaARN": rotator,
		"RotationRules": map[string]any{"AutomaticallyAfterDays": 30}, "RotateImmediately": false})
	j := migration.Job{Secret: arn}
	before := f.describe(arn)
	for _, step := range []migration.Step{
		{Action: migration.DoRekey, Key: key[f.Home()]},
		{Action: migration.DoRotate},
		{Action: migration.DoRekeyReplica, Region: f.Second(), Key: key[f.Second()]},
		{Action: migration.DoRemoveReplica, Region: f.Second()},
		{Action: migration.DoAddReplica, Region: f.Second(), Key: key[f.Second()]},
	} {
		paste(step.Commands(j)...)
		if reads(f.Home()); step.Action != migration.DoRemoveReplica {
			reads(f.Second())
		}
	}
	moved := f.describe(arn)
	if moved.Key.ARN != key[f.Home()] || len(moved.Replicas) != 1 || moved.Replicas[0].Key.ARN != key[f.Second()] {
		t.Fatalf("under %s, copies %+v", moved.Key.ARN, moved.Replicas)
	}
	for name, of := range map[string]migration.ReplicaTo{"where it is": {Moved: f.Clock.Now()}, "by making it again": {Removed: f.Clock.Now()}} {
		of.Region, of.Target = f.Second(), key[f.Second()]
		j = migration.Job{Secret: arn, Target: key[f.Home()], Copies: []migration.ReplicaTo{of}, Before: &migration.Before{KeyID: before.KeyID, KeyARN: before.Key.ARN, Replicas: before.Replicas}}
		for _, line := range j.BackCommands(moved) {
			paste(line)
			reads(f.Home())
		}
		reads(f.Second())
		if now := f.describe(arn); len(j.BackCommands(moved)) < 2 || now.Key.Manager != guard.ManagerAWS || len(now.Replicas) != 1 || now.Replicas[0].Key.Manager != guard.ManagerAWS {
			t.Errorf("%s: under %+v, copies %+v", name, now.Key, now.Replicas)
		}
		for _, step := range []migration.Step{{Action: migration.DoRekey, Key: key[f.Home()]}, {Action: migration.DoRekeyReplica, Region: f.Second(), Key: key[f.Second()]}} {
			paste(step.Commands(j)...)
		}
	}
}

// Lines of ours that a mail, a log or a command's answer prints are taken as they are printed, by an operator.
func TestWhatIsPrintedForTheCommandLineIsTaken(t *testing.T) {
	f := newFixture(t)
	first, second := f.secret("search/index"), f.secret("search/orders")
	f.AWS.AddRole(local.Search, "legacy", `{"Version":"2012-10-17","Statement":[]}`)
	localtest.Serve(t, f.Organization)
	f.operate("anna")
	t.Chdir(t.TempDir())
	accept := migration.Reader{Fix: &migration.Fix{Principal: "arn:aws:iam::444444444444:role/legacy"}}.Remedy().Accept
	f.expect(0, "safe", append(words(t, accept), "--secret", first, "--secret", second)...)
	f.expect(0, "observing", "migrate", "apply", "plan.json", "--reason", "CHG-1")
	for _, arn := range []string{first, second} {
		mail := guard.Notice{Kind: guard.NoticeUnproven, Resource: arn, Move: &guard.Move{Sought: f.Clock.Now()}}.Passages()
		at := slices.IndexFunc(mail, func(p guard.Passage) bool { return p.Paste })
		f.expect(0, "rolled_back", words(t, mail[at].Text)...)
	}
	jobs, _, err := migration.All(t.Context(), f.jobs())
	if err != nil {
		t.Fatal(err)
	}
	_, resume, _ := strings.Cut(migration.Halted(jobs, jobs[0], migration.Defaults()), "mend the cause, and then: ")
	f.Clock.Advance(time.Minute)
	f.expect(0, "search/orders", words(t, resume)...)
}
