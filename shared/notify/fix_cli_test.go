package notify_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/email"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

const (
	shopAccount = "111122223333"
	frankfurt   = "eu-central-1"
	ireland     = "eu-west-1"
	shopAdmin   = "role/Admin/ada"
	shopReader  = "role/app/i-1"
	shopOwner   = "role/Owner/olga"
)

// What an owner may do, who owns no more than a secret and the keys it is under.
const ownersRights = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[
	"secretsmanager:UpdateSecret","secretsmanager:PutSecretValue","secretsmanager:ReplicateSecretToRegions","secretsmanager:DescribeSecret","secretsmanager:RotateSecret","secretsmanager:PutResourcePolicy","secretsmanager:GetResourcePolicy",
	"kms:Encrypt","kms:Decrypt","kms:GenerateDataKey","kms:EnableKey","kms:CancelKeyDeletion","kms:ConnectCustomKeyStore"]}]}`

const readersRights = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["secretsmanager:GetSecretValue","kms:Decrypt"]}]}`

const rotatorsRights = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["secretsmanager:DescribeSecret",
	"secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage","kms:Decrypt","kms:GenerateDataKey"]}]}`

const ourRights = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[
	"secretsmanager:DescribeSecret","secretsmanager:ListSecretVersionIds","kms:DescribeKey","kms:ListAliases","kms:ListResourceTags"]}]}`

// shop is an account in which an owner gets our mails and runs what they print, with the real aws CLI.
type shop struct {
	*testing.T
	aws    *localaws.AWS
	cloud  *cloud.Cloud // with the rights of doublelock-read
	env    []string     // of the owner's shell
	folder string       // in which it is opened
	now    time.Time
	rec    guard.Record
	keys   map[string]string // by Region, the keys behind alias/doublelock/secrets
	store  string            // a custom key store
}

func newShop(t *testing.T) *shop {
	t.Helper()
	cli := awsclitest.Find(t)
	s := &shop{T: t, folder: t.TempDir(), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), keys: map[string]string{}}
	s.aws = localaws.New(localaws.Options{Seed: 1, Now: func() time.Time { return s.now }})
	s.aws.Organization("o-exampleorg", "444455556666")
	s.aws.AddAccount("", shopAccount, "shop")
	url, stop, err := s.aws.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s.aws.AddRole(shopAccount, "Owner", "{}", ownersRights)
	s.aws.AddRole(shopAccount, "app", "{}", readersRights)
	s.aws.AddRole(shopAccount, "doublelock-read", "{}", ourRights)
	for _, region := range []string{frankfurt, ireland} {
		s.keys[region] = s.key(region)
		s.as(shopAdmin, region, "kms", "CreateAlias", map[string]any{"AliasName": notifytest.Key, "TargetKeyId": s.keys[region]})
	}
	ours, err := s.aws.Principal(shopAccount, "role/doublelock-read/doublelock-detect")
	if err != nil {
		t.Fatal(err)
	}
	s.cloud, err = cloud.Open(t.Context(), cloud.Options{Region: frankfurt, Endpoint: url, KeyDetails: true, KeyTTL: time.Nanosecond, Now: func() time.Time { return s.now },
		Credentials: &cloud.Static{AccessKeyID: ours.AccessKeyID, SecretAccessKey: ours.SecretAccessKey, SessionToken: ours.SessionToken}})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := s.aws.Principal(shopAccount, shopOwner)
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(s.folder, "none")
	s.env = []string{"PATH=" + filepath.Dir(cli) + ":/usr/bin:/bin", "HOME=" + s.folder, "AWS_ENDPOINT_URL=" + url, "AWS_CONFIG_FILE=" + none,
		"AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=" + owner.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + owner.SecretAccessKey, "AWS_SESSION_TOKEN=" + owner.SessionToken}
	return s
}

func (s *shop) as(who, region, service, operation string, in map[string]any) map[string]any {
	s.Helper()
	out, err := s.aws.AsPrincipal(shopAccount, who, region, service, operation, in)
	if err != nil {
		s.Fatalf("%s %s in %s: %v", who, operation, region, err)
	}
	return out
}

func (s *shop) key(region string) string {
	s.Helper()
	made, ok := s.as(shopAdmin, region, "kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)
	if !ok {
		s.Fatal("CreateKey answers without metadata")
	}
	return made["Arn"].(string)
}

// secret makes a secret in Frankfurt under a key ("" is the AWS managed one) with a replica in Ireland where replicaKey
// is not "none".
func (s *shop) secret(key, replicaKey string) string {
	s.Helper()
	in := map[string]any{"Name": "shop/db", "SecretString": "first"}
	if key != "" {
		in["KmsKeyId"] = key
	}
	if replicaKey != "none" {
		replica := map[string]any{"Region": ireland}
		if replicaKey != "" {
			replica["KmsKeyId"] = replicaKey
		}
		in["AddReplicaRegions"] = []any{replica}
	}
	return s.as(shopAdmin, frankfurt, "secretsmanager", "CreateSecret", in)["ARN"].(string)
}

func (s *shop) rekey(secret, key string) {
	s.Helper()
	s.as(shopAdmin, frankfurt, "secretsmanager", "UpdateSecret", map[string]any{"SecretId": secret, "KmsKeyId": key})
}

// describe is the secret as our own role sees it.
func (s *shop) describe(secret string) guard.Secret {
	s.Helper()
	s.now = s.now.Add(time.Second) // keys are remembered for less
	found, err := secrets.New(s.cloud).Describe(s.Context(), guard.SecretRef{Account: shopAccount, Region: frankfurt, ID: secret})
	if err != nil {
		s.Fatal(err)
	}
	return found
}

// look is what detect does: it judges the secret and returns what its owner is notified of.
func (s *shop) look(secret string) []guard.Notice {
	s.Helper()
	s.now = s.now.Add(20 * time.Minute)
	standard := guard.Standard{Approved: guard.Approved{Aliases: []string{notifytest.Key}, Protected: map[string]bool{shopAccount: true}}}
	found := s.describe(secret)
	s.rec.Outbox = nil
	s.rec = guard.Reconcile(s.rec, found, guard.Evaluate(found, standard, s.now), nil, guard.ModeNotify, s.now, guard.Cause{Tool: "cli"})
	var notices []guard.Notice
	for _, n := range s.rec.Outbox {
		if n.Notified() {
			notices = append(notices, n)
		}
	}
	return notices
}

// printed is the fix of the one notice about a control, as the mail prints it.
func (s *shop) printed(control guard.ControlID, notices []guard.Notice) notify.Fix {
	s.Helper()
	at := slices.IndexFunc(notices, func(n guard.Notice) bool {
		return n.Kind == guard.NoticeOpened && n.Finding.Control == control
	})
	if at < 0 {
		s.Fatalf("%s is not among the notices %+v", control, notices)
	}
	m := notify.Compose(items(notices[at]), notifytest.Directory(), notifytest.KeyFor)[0]
	fix, mail := m.Stories[0].FixFor(notices[at]), email.Render(m)
	for _, line := range fix.Lines {
		if !strings.Contains(mail, "\n    "+line+"\n") {
			s.Errorf("the mail does not print %q:\n%s", line, mail)
		}
	}
	return fix
}

// paste pastes lines into the owner's shell.
func (s *shop) paste(lines ...string) (string, error) {
	s.Helper()
	return awsclitest.Paste(s.Context(), s.folder, s.env, lines...)
}

// run pastes what must work, and sees to it that the reader keeps access in every Region.
func (s *shop) run(secret string, lines ...string) {
	s.Helper()
	if len(lines) == 0 {
		s.Fatal("nothing to run")
	}
	for _, line := range lines {
		if out, err := s.paste(line); err != nil {
			s.Fatalf("%s\n%v: %s", line, err, out)
		}
		s.reads(secret)
	}
}

func (s *shop) reads(secret string) {
	s.Helper()
	s.as(shopReader, frankfurt, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": secret})
	if found := s.describe(secret); len(found.Replicas) > 0 {
		s.as(shopReader, ireland, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": found.Name})
	}
}

// open lists the controls that fail.
func (s *shop) open() []guard.ControlID {
	var ids []guard.ControlID
	for _, f := range s.rec.Open() {
		ids = append(ids, f.Control)
	}
	return ids
}

func (s *shop) wantOpen(secret string, want ...guard.ControlID) []guard.Notice {
	s.Helper()
	notices := s.look(secret)
	if diff := cmp.Diff(want, s.open()); diff != "" {
		s.Fatalf("open (-want +got):\n%s", diff)
	}
	return notices
}

// seal runs the printed way to two new versions, first as it stands and then with the owner's file.
func (s *shop) seal(secret string, fix notify.Fix) {
	s.Helper()
	before := s.describe(secret).Versions
	if out, err := s.paste(fix.Lines...); err == nil {
		s.Errorf("as printed the commands succeed: %s", out)
	}
	if diff := cmp.Diff(before, s.describe(secret).Versions); diff != "" {
		s.Fatalf("as printed the commands change versions (-before +after):\n%s", diff)
	}
	file := filepath.Join(s.folder, "value")
	if err := os.WriteFile(file, []byte("renewed"), 0o600); err != nil {
		s.Fatal(err)
	}
	for _, line := range fix.Lines {
		s.run(secret, strings.ReplaceAll(line, "NEW-VALUE-FILE", file))
	}
	if got := s.as(shopReader, frankfurt, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": secret})["SecretString"]; got != "renewed" {
		s.Errorf("the value is %q now", got)
	}
}

func TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding(t *testing.T) {
	t.Run("the AWS managed key, and then the older copies", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret("", "none")
		s.as(shopAdmin, frankfurt, "secretsmanager", "PutSecretValue", map[string]any{"SecretId": secret, "SecretString": "second"})
		s.run(secret, s.printed(guard.SecretDefaultKey, s.wantOpen(secret, guard.SecretDefaultKey)).Lines...)
		s.seal(secret, s.printed(guard.SecretNotSealed, s.wantOpen(secret, guard.SecretNotSealed)))
		s.wantOpen(secret)
	})
	t.Run("older copies of a secret that rotates", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret("", "none")
		const function = "arn:aws:lambda:" + frankfurt + ":" + shopAccount + ":function:rotate"
		s.aws.AddRole(shopAccount, "rotate", "{}", rotatorsRights)
		s.aws.RotationFunction(function, "arn:aws:iam::"+shopAccount+":role/rotate")
		s.as(shopAdmin, frankfurt, "secretsmanager", "RotateSecret", map[string]any{"SecretId": secret,
			"RotationLambdaARN": function, "RotationRules": map[string]any{"AutomaticallyAfterDays": 30}})
		s.rekey(secret, s.keys[frankfurt])
		s.run(secret, s.printed(guard.SecretNotSealed, s.wantOpen(secret, guard.SecretNotSealed)).Lines...)
		s.wantOpen(secret)
	})
	t.Run("older copies, one of them under a label of the owner's", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret("", "none")
		s.as(shopAdmin, frankfurt, "secretsmanager", "PutSecretValue", map[string]any{"SecretId": secret, "SecretString": "kept", "VersionStages": []any{"last-year"}})
		s.rekey(secret, s.keys[frankfurt])
		if err := os.WriteFile(filepath.Join(s.folder, "kept"), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		fix := s.printed(guard.SecretDefaultKey, s.wantOpen(secret, guard.SecretDefaultKey)) // no re-key reaches that label
		for i, line := range fix.Lines {
			fix.Lines[i] = strings.ReplaceAll(line, "VALUE-OF-last-year", "kept")
		}
		s.seal(secret, fix)
		s.wantOpen(secret)
		in := map[string]any{"SecretId": secret, "VersionStage": "last-year"}
		if got := s.as(shopReader, frankfurt, "secretsmanager", "GetSecretValue", in)["SecretString"]; got != "kept" {
			t.Errorf("the labelled value is %q now", got)
		}
	})
	t.Run("a replica under the AWS managed key", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret(s.keys[frankfurt], "")
		s.run(secret, s.printed(guard.SecretReplicaKey, s.wantOpen(secret, guard.SecretReplicaKey)).Lines...)
		s.seal(secret, s.printed(guard.SecretNotSealed, s.wantOpen(secret, guard.SecretNotSealed))) // the older copy in the replica's Region
		s.wantOpen(secret)
	})
	t.Run("a replica whose key was disabled, so that its replication failed", func(t *testing.T) {
		s := newShop(t)
		s.as(shopAdmin, ireland, "kms", "DisableKey", map[string]any{"KeyId": s.keys[ireland]})
		secret := s.secret(s.keys[frankfurt], s.keys[ireland])
		notices := s.wantOpen(secret, guard.SecretReplicaKey, guard.SecretKeyUnusable)
		for _, control := range []guard.ControlID{guard.SecretKeyUnusable, guard.SecretReplicaKey} { // the cause, and then the replication
			if out, err := s.paste(s.printed(control, notices).Lines...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		s.reads(secret)
		s.wantOpen(secret)
	})
	t.Run("a replica whose name is taken, so that its replication failed", func(t *testing.T) {
		s := newShop(t)
		s.as(shopAdmin, ireland, "secretsmanager", "CreateSecret", map[string]any{"Name": "shop/db", "SecretString": "another's"})
		secret := s.secret(s.keys[frankfurt], s.keys[ireland])
		fix := s.printed(guard.SecretReplicaKey, s.wantOpen(secret, guard.SecretReplicaKey))
		theirs := func() any {
			return s.as(shopReader, ireland, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": "shop/db"})["SecretString"]
		}
		parts := fix.Parts()
		if len(parts) != 3 {
			t.Fatalf("%d parts, want the retry, a look and the way to overwrite", len(parts))
		}
		for _, part := range parts[:2] { // which change nothing, while the cause is there
			s.run(secret, part.Lines...)
		}
		if out, err := s.paste(parts[2].Lines...); err == nil {
			t.Errorf("as it is printed it overwrites: %s", out)
		}
		if got := theirs(); got != "another's" {
			t.Fatalf("what was in the way is %v now", got)
		}
		s.wantOpen(secret, guard.SecretReplicaKey)
		s.run(secret, strings.ReplaceAll(parts[2].Lines[0], "REGION", ireland))
		if got := theirs(); got != "first" {
			t.Errorf("the replica holds %v", got)
		}
		s.wantOpen(secret)
	})
	t.Run("a replica under a key that is not approved", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret(s.keys[frankfurt], s.key(ireland))
		s.run(secret, s.printed(guard.SecretKeyUnapproved, s.wantOpen(secret, guard.SecretKeyUnapproved)).Lines...)
		if got := s.describe(secret).KeyID; got != s.keys[frankfurt] {
			t.Errorf("the primary is under %s now", got)
		}
		s.seal(secret, s.printed(guard.SecretNotSealed, s.wantOpen(secret, guard.SecretKeyUnapproved, guard.SecretNotSealed)))
		s.wantOpen(secret)
	})
	t.Run("a primary and a replica under keys that are not approved", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret(s.key(frankfurt), s.key(ireland))
		s.run(secret, s.printed(guard.SecretKeyUnapproved, s.wantOpen(secret, guard.SecretKeyUnapproved)).Lines...)
		s.seal(secret, s.printed(guard.SecretNotSealed, s.wantOpen(secret, guard.SecretKeyUnapproved, guard.SecretNotSealed)))
		s.wantOpen(secret)
	})
	t.Run("an older copy under a key that is not approved", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret(s.key(frankfurt), s.keys[ireland])
		s.run(secret, s.printed(guard.SecretKeyUnapproved, s.wantOpen(secret, guard.SecretKeyUnapproved)).Lines...)
		s.seal(secret, s.printed(guard.SecretKeyUnapproved, s.wantOpen(secret, guard.SecretKeyUnapproved, guard.SecretNotSealed)))
		s.wantOpen(secret)
	})
	t.Run("two keys that cannot be used", func(t *testing.T) {
		s := newShop(t)
		secret := s.secret(s.keys[frankfurt], s.keys[ireland])
		s.wantOpen(secret)
		s.as(shopAdmin, frankfurt, "kms", "DisableKey", map[string]any{"KeyId": s.keys[frankfurt]})
		s.as(shopAdmin, ireland, "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": s.keys[ireland]})
		fix := s.printed(guard.SecretKeyUnusable, s.wantOpen(secret, guard.SecretKeyUnusable))
		if len(fix.Lines) != 3 {
			t.Errorf("commands %q, want one for the first key and two for the second", fix.Lines)
		}
		if out, err := s.paste(fix.Lines...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.reads(secret)
		s.wantOpen(secret)
	})
}

func TestTheKeyOfAnIncidentIsBackAfterThePrintedCommands(t *testing.T) {
	for _, operation := range []string{"DisableKey", "ScheduleKeyDeletion"} {
		s := newShop(t)
		secret := s.secret(s.keys[frankfurt], "none")
		s.as(shopAdmin, frankfurt, "kms", operation, map[string]any{"KeyId": s.keys[frankfurt]})
		found := s.describe(secret)
		blast := guard.Blast(found.Key, []guard.Secret{found})
		incident := guard.Notice{ID: "i", Kind: guard.NoticeIncident, Account: shopAccount, Region: frankfurt, Resource: found.Key.ARN, Blast: &blast}
		if out, err := s.paste(fixFor(incident, nil).Lines...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.reads(secret)
		if state := s.describe(secret).Key.State; state != guard.KeyEnabled {
			t.Errorf("after %s and the fix the key is %s", operation, state)
		}
	}
}

// Where nobody knows whether a secret rotates, the commands rotate it or change nothing.
func TestARotationThatIsNotThereChangesNothing(t *testing.T) {
	s := newShop(t)
	secret := s.secret("", "none")
	s.rekey(secret, s.keys[frankfurt])
	before := s.describe(secret)
	due := guard.Notice{ID: "d", Kind: guard.NoticeSealDue, Account: shopAccount, Region: frankfurt, Resource: secret}
	fix := fixFor(due, nil)
	if out, err := s.paste(fix.Lines...); err == nil || !strings.Contains(out, "InvalidRequestException") {
		t.Errorf("%v: %s", err, out)
	}
	if diff := cmp.Diff(before, s.describe(secret)); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
	if fix.Next == nil || !strings.Contains(fix.Next.Lines[0], "--secret-string file://NEW-VALUE-FILE") {
		t.Fatalf("no other way is named: %+v", fix.Next)
	}
	s.seal(secret, *fix.Next)
	if state := guard.StateOf(s.describe(secret), ""); state != guard.StateSealed {
		t.Errorf("after the other way the secret is %s", state)
	}
}

// A secret's own policy that keeps us out gets the exception that is printed, spliced into the statement it names.
func TestTheExceptionThatIsPrintedLetsUsLookAgain(t *testing.T) {
	s := newShop(t)
	secret := s.secret(s.keys[frankfurt], "none")
	deny := func(condition string) {
		policy := `{"Version":"2012-10-17","Statement":[{"Sid":"Private","Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*",
			"Condition":{"StringNotEquals":{"aws:PrincipalArn":["arn:aws:iam::` + shopAccount + `:role/app","arn:aws:iam::` + shopAccount + `:role/Owner"]}` + condition + `}}]}`
		if !json.Valid([]byte(policy)) {
			t.Fatalf("no JSON: %s", policy)
		}
		s.as(shopOwner, frankfurt, "secretsmanager", "PutResourcePolicy", map[string]any{"SecretId": secret, "ResourcePolicy": policy})
	}
	deny("")
	look := func() error {
		_, err := secrets.New(s.cloud).Describe(t.Context(), guard.SecretRef{Account: shopAccount, Region: frankfurt, ID: secret})
		return err
	}
	if look() == nil {
		t.Fatal("we are not kept out")
	}
	rec := guard.ReconcileUnseen(guard.Record{}, guard.Secret{ARN: secret, Account: shopAccount, Region: frankfurt, Name: "shop/db"},
		guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}, s.now, guard.Cause{})
	fix := s.printed(guard.OrgCoverage, rec.Outbox)
	lines := fix.Lines
	if out, err := s.paste(fix.Next.Lines...); err != nil || !strings.Contains(out, `"Sid":"Private"`) {
		t.Errorf("the policy that is to be changed is not printed: %v: %s", err, out)
	}
	deny("," + strings.Join(lines, ","))
	if err := look(); err != nil {
		t.Errorf("with %s in its Condition: %v", lines, err)
	}
}
