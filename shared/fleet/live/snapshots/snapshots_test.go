package snapshots_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/fleet/live/snapshots"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	payer  = "999999999999"
	hub    = "222222222222"
	shop   = "111122223333"
	data   = "444455556666"
	region = "eu-central-1"
)

// testAccount is a local AWS with secrets and people whose rights differ.
type testAccount struct {
	*testing.T
	aws     *localaws.AWS
	url     string
	secrets map[string]string // ARN by name
	keys    map[string]string // ARN by name
}

// people are the principals that try to read, each as localaws names it.
func people() map[string]string {
	return map[string]string{
		"role/app/task": shop, "role/analyst/jane": shop, "role/keys/bob": shop, "role/fenced/eve": shop, "role/tagged/tim": shop,
		"role/quarantined/mallory": shop, "user/alice": shop, "role/pipeline/run": data, "role/bystander/x": data,
	}
}

func policyText(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func may(actions, resource string) string {
	return `{"Effect":"Allow","Action":` + actions + `,"Resource":"` + resource + `"}`
}

const (
	readAction  = `"secretsmanager:GetSecretValue"`
	both        = `["secretsmanager:GetSecretValue","kms:Decrypt"]`
	trustOfHub  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"sts:AssumeRole"}]}`
	trustOfSelf = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
)

func newTestAccount(t *testing.T) *testAccount {
	t.Helper()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	w := &testAccount{T: t, aws: localaws.New(localaws.Options{Now: func() time.Time { return now }, Seed: 1}), secrets: map[string]string{}, keys: map[string]string{}}
	url, stop, err := w.aws.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.url = url
	w.aws.Organization("o-exampleorg", payer)
	ou := w.aws.AddOU("", "apps")
	w.aws.AddAccount("", hub, "security")
	w.aws.AddAccount(ou, shop, "shop")
	w.aws.AddAccount(ou, data, "data")
	for _, account := range []string{payer, hub, shop, data} {
		w.aws.AddRole(account, "doublelock-read", trustOfHub, policyText(may(`"*"`, "*")))
	}
	w.addPeople()
	w.addSecrets()
	w.addSCP(ou)
	return w
}

func (w *testAccount) addPeople() {
	w.aws.AddRole(shop, "app", trustOfSelf, policyText(may(readAction, "arn:aws:secretsmanager:*:*:secret:shop/*"), may(`"kms:Decrypt"`, "*")))
	w.aws.AddRole(shop, "analyst", trustOfSelf, policyText(may(readAction, "*")))
	w.aws.AddRole(shop, "keys", trustOfSelf, policyText(may(`"kms:Decrypt"`, "*")))
	w.aws.AddRole(shop, "fenced", trustOfSelf, policyText(may(both, "*")))
	w.aws.AddRole(shop, "quarantined", trustOfSelf, policyText(may(both, "*")))
	w.aws.AddRole(shop, "tagged", trustOfSelf, policyText(`{"Effect":"Allow","Action":`+both+`,"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}`))
	w.aws.AddRole(data, "pipeline", trustOfSelf, policyText(may(both, "*")))
	w.aws.AddRole(data, "bystander", trustOfSelf, policyText(may(readAction, "*")))
	client := iam.NewFromConfig(w.as(shop, "root", "us-east-1"))
	must(w, ignore(client.CreateUser(w.Context(), &iam.CreateUserInput{UserName: aws.String("alice")})))
	must(w, ignore(client.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("read"),
		PolicyDocument: aws.String(policyText(may(readAction, "*"), `{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"StringNotLike":{"kms:ViaService":"s3.*"}}}`))})))
	fence, err := client.CreatePolicy(w.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("fence"), PolicyDocument: aws.String(policyText(may(`"secretsmanager:*"`, "*")))})
	must(w, err)
	must(w, ignore(client.PutRolePermissionsBoundary(w.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("fenced"), PermissionsBoundary: fence.Policy.Arn})))
	must(w, ignore(client.TagRole(w.Context(), &iam.TagRoleInput{RoleName: aws.String("tagged"), Tags: iamTags("team", "shop")})))
}

func (w *testAccount) addSecrets() {
	client := kms.NewFromConfig(w.as(shop, "root", region))
	root := `{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
	through := `{"Sid":"Through","Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Decrypt","kms:GenerateDataKey","kms:Encrypt"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`
	shared := `{"Sid":"Data","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Decrypt","Resource":"*",
		"Condition":{"StringLike":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:*:*:secret:shared/*"}}}`
	for name, text := range map[string]string{"iam": policyText(root), "through": policyText(root, through), "shared": policyText(root, shared)} {
		made, err := client.CreateKey(w.Context(), &kms.CreateKeyInput{Policy: &text, Tags: []kmstypes.Tag{{TagKey: aws.String("team"), TagValue: aws.String("shop")}}})
		must(w, err)
		w.keys[name] = *made.KeyMetadata.Arn
	}
	for name, key := range map[string]string{"shop/db": "iam", "shop/open": "through", "shop/legacy": "", "shop/granted": "iam", "shared/token": "shared", "shared/default": ""} {
		w.addSecret(name, key)
	}
	must(w, ignore(client.CreateGrant(w.Context(), &kms.CreateGrantInput{KeyId: aws.String(w.keys["iam"]), GranteePrincipal: aws.String("arn:aws:iam::111122223333:role/analyst"),
		Operations:  []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"SecretARN": w.secrets["shop/granted"]}}})))
}

func (w *testAccount) addSecret(name, key string) {
	client := secretsmanager.NewFromConfig(w.as(shop, "root", region))
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("not a real value")}
	if key != "" {
		in.KmsKeyId = aws.String(w.keys[key])
	}
	made, err := client.CreateSecret(w.Context(), in)
	must(w, err)
	w.secrets[name] = *made.ARN
	must(w, ignore(client.TagResource(w.Context(), &secretsmanager.TagResourceInput{SecretId: made.ARN, Tags: secretTags("team", "shop")})))
	if strings.HasPrefix(name, "shared/") {
		text := policyText(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
		must(w, ignore(client.PutResourcePolicy(w.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: &text})))
	}
}

func (w *testAccount) addSCP(ou string) {
	client := organizations.NewFromConfig(w.as(payer, "root", "us-east-1"))
	text := policyText(`{"Sid":"Quarantine","Effect":"Deny","Action":"secretsmanager:*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/quarantined"}}}`)
	made, err := client.CreatePolicy(w.Context(), &organizations.CreatePolicyInput{Name: aws.String("quarantine"), Description: aws.String("x"), Content: &text, Type: orgtypes.PolicyTypeServiceControlPolicy})
	must(w, err)
	must(w, ignore(client.AttachPolicy(w.Context(), &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: &ou})))
}

func (w *testAccount) as(account, who, region string) aws.Config {
	w.Helper()
	c, err := w.aws.Principal(account, who)
	must(w, err)
	return aws.Config{Region: region, BaseEndpoint: &w.url, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ignore[T any](_ T, err error) error { return err }

// snapshots is how the command line takes one.
func (w *testAccount) snapshots(change func(*cloud.Options)) *fleet.Snapshots {
	w.Helper()
	return snapshots.New(w.cloud(change), []string{region}, time.Now)
}

// cloud is AWS as somebody of the hub sees it who may enter the accounts.
func (w *testAccount) cloud(change func(*cloud.Options)) *cloud.Cloud {
	w.Helper()
	login, err := w.aws.Principal(hub, "role/operator/me")
	must(w, err)
	o := cloud.Options{Region: region, Endpoint: w.url, HubAccount: hub, AssumeRoles: true, ManagementAccount: payer, KeyDetails: true, MaxBackoff: time.Millisecond,
		Credentials: &cloud.Static{AccessKeyID: login.AccessKeyID, SecretAccessKey: login.SecretAccessKey, SessionToken: login.SessionToken}}
	if change != nil {
		change(&o)
	}
	c, err := cloud.Open(w.Context(), o)
	must(w, err)
	return c
}

func take(ctx context.Context, t testing.TB, s *fleet.Snapshots) inventory.Snapshot {
	t.Helper()
	snapshot, err := s.Take(ctx)
	must(t, err)
	return snapshot
}

// What a snapshot says is what happens when everybody tries: each principal reads each secret with credentials of its
// own, and only those who hold both locks get a value.
func TestASnapshotForetellsEveryRead(t *testing.T) {
	w := newTestAccount(t)
	snapshot := take(t.Context(), t, w.snapshots(nil))
	if len(snapshot.Unread) > 0 {
		t.Fatalf("unread: %v", snapshot.Unread)
	}
	access := inventory.Prepare(snapshot)
	oneLock := map[string]int{}
	for who, account := range people() {
		for name, arn := range w.secrets {
			r, err := access.Explain(principalARN(account, who), arn)
			if err != nil {
				t.Fatal(err)
			}
			got := w.read(account, who, arn)
			if (got == "") != (r.Answer == policy.Allowed) || r.Answer == policy.Unknown {
				t.Errorf("%s reads %s: AWS says %q, the snapshot %s (%s)", who, name, got, r.Answer, r.Why())
			}
			secret, key := r.Holds()
			if got != "" && got != "AccessDeniedException" && got != "InvalidRequestException" {
				t.Errorf("%s reads %s: error %s", who, name, got)
			}
			oneLock[fmt.Sprintf("secret %t, key %t", secret, key)]++
		}
	}
	for _, combination := range []string{"secret true, key true", "secret true, key false", "secret false, key true", "secret false, key false"} {
		if oneLock[combination] == 0 {
			t.Errorf("nobody holds %s: the world is too simple to show anything", combination)
		}
	}
}

// read is the error code of a read, "" when there is a value.
func (w *testAccount) read(account, who, arn string) string {
	_, err := secretsmanager.NewFromConfig(w.as(account, who, region)).GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

func principalARN(account, who string) string {
	if rest, isRole := strings.CutPrefix(who, "role/"); isRole {
		role, session, _ := strings.Cut(rest, "/")
		return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session
	}
	return "arn:aws:iam::" + account + ":" + who
}

func TestAnAccountThatCannotBeEnteredIsALine(t *testing.T) {
	w := newTestAccount(t)
	w.aws.AddRole(data, "doublelock-read", policyText(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+payer+`:root"},"Action":"sts:AssumeRole"}`))
	snapshot := take(t.Context(), t, w.snapshots(nil))
	var got []string
	for _, u := range snapshot.Unread {
		got = append(got, string(u.Part)+" "+u.Account+" "+u.Region)
	}
	if diff := cmp.Diff([]string{"keys " + data + " " + region, "principals " + data + " ", "secrets " + data + " " + region}, got); diff != "" {
		t.Error(diff)
	}
	r, err := inventory.Prepare(snapshot).Explain(principalARN(data, "role/pipeline/run"), w.secrets["shared/token"])
	if err != nil || r.Answer != policy.Unknown {
		t.Errorf("a principal of an account that was not read: %s, %v", r.Answer, err)
	}
}

// A reader without all rights sees less, and says unknown where it matters: it never says what does not happen.
func TestARoleWithFewRightsSaysUnknown(t *testing.T) {
	w := newTestAccount(t)
	for name, actions := range map[string]string{
		"no resource policies":       `"secretsmanager:GetResourcePolicy"`,
		"no descriptions of secrets": `"secretsmanager:DescribeSecret"`,
		"no versions":                `"secretsmanager:ListSecretVersionIds"`,
		"no key policies":            `["kms:GetKeyPolicy","kms:ListGrants"]`,
		"no keys":                    `["kms:ListKeys","kms:DescribeKey"]`,
		"no IAM":                     `"iam:*"`,
		"nothing but the lists":      `["secretsmanager:Get*","secretsmanager:Describe*","secretsmanager:ListSecretVersionIds","kms:*","iam:*"]`,
	} {
		t.Run(name, func(t *testing.T) {
			w.aws.AddRole(shop, "doublelock-read", trustOfHub, policyText(may(`"*"`, "*"), `{"Effect":"Deny","Action":`+actions+`,"Resource":"*"}`))
			access := inventory.Prepare(take(t.Context(), t, w.snapshots(nil)))
			unknown := 0
			for who, account := range people() {
				for name, arn := range w.secrets {
					r, err := access.Explain(principalARN(account, who), arn)
					if err != nil {
						t.Fatal(err)
					}
					if r.Answer == policy.Unknown {
						unknown++
						continue
					}
					if got := w.read(account, who, arn); (got == "") != (r.Answer == policy.Allowed) {
						t.Errorf("%s reads %s: AWS says %q, the snapshot %s (%s)", who, name, got, r.Answer, r.Why())
					}
				}
			}
			if unknown == 0 {
				t.Error("nothing is unknown: what was taken away did not matter")
			}
		})
	}
}

func TestWithoutTheOrganizationNothingIsCertain(t *testing.T) {
	w := newTestAccount(t)
	taker := w.snapshots(func(o *cloud.Options) { o.ManagementAccount = shop })
	organization := taker.Organization(t.Context(), []string{shop})
	snapshot := inventory.Merge(organization, taker.Account(t.Context(), shop))
	if len(snapshot.Unread) != 1 || snapshot.Unread[0].Part != inventory.PartOrganization {
		t.Fatalf("unread: %v", snapshot.Unread)
	}
	access := inventory.Prepare(snapshot)
	for who, want := range map[string]policy.Answer{"role/app/task": policy.Unknown, "role/keys/bob": policy.ImplicitlyDenied} {
		r, err := access.Explain(principalARN(shop, who), w.secrets["shop/db"])
		if err != nil || r.Answer != want {
			t.Errorf("%s: %s, %v, want %s", who, r.Answer, err, want)
		}
	}
}

func TestAKeyThatAWSRAMSharesKeepsNobodyOutForSure(t *testing.T) {
	w := newTestAccount(t)
	taker := w.snapshots(nil)
	before := taker.Account(t.Context(), shop)
	for _, k := range before.Keys {
		if k.Shared != "" || k.SharedUnread != "" {
			t.Errorf("key %s: shared by %q, %q", k.Facts.ARN, k.Shared, k.SharedUnread)
		}
	}
	policy := policyText(may(`"kms:Decrypt"`, "*"))
	must(t, w.aws.ShareKey(before.Keys[0].Facts.ARN, policy))
	after := taker.Account(t.Context(), shop)
	if k := after.Keys[0]; k.Shared != policy || k.SharedUnread != "" {
		t.Errorf("shared by %q, %q", k.Shared, k.SharedUnread)
	}
}

func TestKeysOfOtherAccountsAreReadToo(t *testing.T) {
	w := newTestAccount(t)
	taker := w.snapshots(nil)
	part := taker.Account(t.Context(), shop)
	part.Keys = nil
	foreign := taker.ForeignKeys(t.Context(), part)
	if len(foreign) != 3 {
		t.Errorf("%d keys read by way of the secrets, want 3", len(foreign))
	}
	for _, k := range foreign {
		if k.Policy == "" || k.PolicyUnread != "" || k.CreatedAt.IsZero() || k.Facts.Tags["team"] != "shop" {
			t.Errorf("key %+v", k)
		}
	}
}

// Without both, nobody can tell a Region without secrets from one that nobody read.
func TestASnapshotSaysWhichRegionsItReadAndWhichThereAre(t *testing.T) {
	w := newTestAccount(t)
	taken, err := w.snapshots(nil).Take(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range taken.Accounts {
		if account.ID != shop {
			continue
		}
		if diff := cmp.Diff([]string{region}, account.Regions); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(arn.Standard.Regions(), account.Enabled); diff != "" {
			t.Error(diff)
		}
		return
	}
	t.Error("the account is not in the snapshot")
}

// What approves a key may change after the plan: a key that is not approved any more, or by what its owner can write alone, blocks.
func TestNoSecretIsMovedToAKeyThatIsNotApproved(t *testing.T) {
	w := newTestAccount(t)
	s, err := secrets.New(w.cloud(nil)).Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: w.secrets["shop/db"]})
	must(t, err)
	for name, tt := range map[string]struct {
		approved guard.Approved
		blocked  string
	}{
		"by its ARN":             {approved: guard.Approved{ARNs: []string{s.Key.ARN}}},
		"by its account":         {approved: guard.Approved{Accounts: []string{shop}}},
		"by nothing":             {guard.Approved{Accounts: []string{data}}, "is not among the approved ones"},
		"by a tag, where no SCP": {guard.Approved{Tags: map[string]string{"team": "shop"}}, "is approved by a tag that its owner can write"},
	} {
		t.Run(name, func(t *testing.T) {
			parts := migrations.Parts{Cloud: w.cloud(nil), Table: "doublelock", Bus: "doublelock", Regions: []string{region}, Now: time.Now}
			parts.Runtime.Approved = tt.approved
			found, err := parts.Open().Preflight.Check(t.Context(), s, s.Key.ARN, nil)
			must(t, err)
			for _, p := range found.Problems {
				if approval := strings.Contains(p, "approved"); approval != (tt.blocked != "") || !strings.Contains(p, tt.blocked) && approval {
					t.Errorf("blocked by %q, want %q", p, tt.blocked)
				}
			}
			if tt.blocked != "" && len(found.Problems) == 0 {
				t.Error("it may be moved")
			}
		})
	}
}

// Of one who cannot read it can be told which lock refused, from the policies alone; and where it is the key, whether the one before
// would let it in, or a grant.
func TestWhichLockRefusesAReader(t *testing.T) {
	w := newTestAccount(t)
	w.aws.AddRole(shop, "keyless", trustOfSelf, policyText(may(both, "*"), `{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}`))
	preflight := migrations.Parts{Cloud: w.cloud(nil), Table: "doublelock", Bus: "doublelock", Regions: []string{region}, Now: time.Now}.Open().Preflight
	const yes, no, never, unknown = policy.Allowed, policy.ImplicitlyDenied, policy.ExplicitlyDenied, policy.Unknown
	gone := strings.Replace(w.keys["iam"], "key/", "key/0", 1)
	for name, tt := range map[string]struct {
		who, account, secret string
		want                 migration.Lock
		previous             string // key
		lets, grant          policy.Answer
	}{
		"one who may read it, but not use its key":      {"role/analyst", shop, "shop/db", migration.LockKey, "", yes, yes},
		"the same, with AWS's own name of its key":      {"role/analyst", shop, "shop/db", migration.LockKey, "alias/aws/secretsmanager", yes, yes},
		"the same, by a key that lets everybody in":     {"role/analyst", shop, "shop/db", migration.LockKey, w.keys["through"], yes, yes},
		"the same, by a key that it may not use either": {"role/analyst", shop, "shop/db", migration.LockKey, w.keys["shared"], no, yes},
		"the same, by a key that is not there":          {"role/analyst", shop, "shop/db", migration.LockKey, gone, unknown, yes},
		"the same, by an alias that is not there":       {"role/analyst", shop, "shop/db", migration.LockKey, "alias/gone", unknown, yes},
		"one who is denied every key":                   {"role/keyless", shop, "shop/db", migration.LockKey, "", never, never},
		"one who may use the key, but not read it":      {"role/keys", shop, "shop/db", migration.LockSecret, "", "", ""},
		"one whom an SCP forbids to read":               {"role/quarantined", shop, "shop/db", migration.LockSecret, "", "", ""},
		"one whom both let through":                     {"role/app", shop, "shop/db", migration.LockSession, "", "", ""},
		"one whose boundary leaves out the key":         {"role/fenced", shop, "shop/db", migration.LockKey, "", yes, no},
		"one of another account, who has no key":        {"role/bystander", data, "shared/token", migration.LockKey, "", no, yes},
		"one who does not exist":                        {"role/nobody", shop, "shop/db", migration.LockUnknown, "", "", ""},
		"one of an account that nobody knows":           {"role/app", "123123123123", "shop/db", migration.LockSecret, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := secrets.New(w.cloud(nil)).Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: w.secrets[tt.secret]})
			must(t, err)
			got, err := preflight.Refusing(t.Context(), s, "arn:aws:iam::"+tt.account+":"+tt.who, tt.previous)
			if err != nil || got.By != tt.want || got.Previous.Answer != tt.lets || got.Grant.Answer != tt.grant {
				t.Errorf("%q, %v, want %q; the previous key %q, want %q; a grant %q, want %q", got.By, err, tt.want, got.Previous.Answer, tt.lets, got.Grant.Answer, tt.grant)
			}
		})
	}
}

// The answer may set a secret back: what was read for another question a moment ago is not believed.
func TestWhichLockRefusesIsAskedAfresh(t *testing.T) {
	w := newTestAccount(t)
	now := time.Now()
	preflight := migrations.Parts{Cloud: w.cloud(nil), Table: "doublelock", Bus: "doublelock", Regions: []string{region}, Now: func() time.Time { return now }}.Open().Preflight
	s, err := secrets.New(w.cloud(nil)).Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: w.secrets["shop/db"]})
	must(t, err)
	refusing := func(want migration.Lock) {
		t.Helper()
		if got, err := preflight.Refusing(t.Context(), s, "arn:aws:iam::"+shop+":role/analyst", ""); err != nil || got.By != want {
			t.Errorf("%q, %v, want %q", got.By, err, want)
		}
	}
	if _, err := preflight.Check(t.Context(), s, s.Key.ARN, nil); err != nil { // which believes the same principals for a minute
		t.Fatal(err)
	}
	refusing(migration.LockKey)
	w.aws.AddRole(shop, "analyst", trustOfSelf, policyText(may(both, "*"))) // no clock moves
	refusing(migration.LockSession)
	w.aws.Lock()
	w.aws.Options.Faults.Down = func(c *core.Call) bool { return c.Service == "iam" }
	w.aws.Unlock()
	refusing(migration.LockUnknown)
}

// Two secrets under one key, with the same readers and the same rotation, cost each look-up once.
func TestWhatSecretsHaveInCommonIsAskedOncePerBatch(t *testing.T) {
	w := newTestAccount(t)
	now := time.Now()
	preflight := migrations.Parts{Cloud: w.cloud(nil), Table: "doublelock", Bus: "doublelock", Regions: []string{region}, Now: func() time.Time { return now }}.Open().Preflight
	one, err := secrets.New(w.cloud(nil)).Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: w.secrets["shop/db"]})
	must(t, err)
	made, err := w.aws.As("cloudformation.amazonaws.com", shop, region, "secretsmanager", "CreateSecret", map[string]any{"Name": "shop/db2", "SecretString": "x", "KmsKeyId": one.Key.ARN})
	must(t, err)
	two, err := secrets.New(w.cloud(nil)).Describe(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: fmt.Sprint(made["ARN"])})
	must(t, err)
	asked := map[string]int{}
	w.aws.Lock()
	w.aws.Options.Faults.Down = func(c *core.Call) bool { asked[c.Service+":"+c.Operation]++; return false }
	w.aws.Unlock()
	check := func(s guard.Secret) {
		t.Helper()
		if _, err := preflight.Check(t.Context(), s, one.Key.ARN, nil); err != nil {
			t.Error(err)
		}
	}
	count := func() map[string]int {
		w.aws.Lock()
		defer w.aws.Unlock()
		seen := maps.Clone(asked)
		clear(asked)
		return seen
	}
	check(one)
	if first := count(); first["iam:GetAccountAuthorizationDetails"] != 1 || first["kms:GetKeyPolicy"] == 0 {
		t.Errorf("the first: %v", first)
	}
	var group errgroup.Group
	for range 8 {
		group.Go(func() error { check(two); return nil })
	}
	must(t, group.Wait())
	for call, n := range count() {
		if strings.HasPrefix(call, "iam:") || strings.HasPrefix(call, "kms:") || strings.HasPrefix(call, "organizations:") {
			t.Errorf("the others asked %s %d times", call, n)
		}
	}
	now = now.Add(time.Minute)
	check(one)
	if again := count(); again["iam:GetAccountAuthorizationDetails"] != 1 || again["kms:GetKeyPolicy"] == 0 {
		t.Errorf("a minute later: %v", again)
	}
}
