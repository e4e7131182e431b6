package localaws_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

const defaultLock = "DefaultEncryptionKey"

func TestSecretWithoutKeyIsUnderTheAWSManagedKeyAndDoesNotSaySo(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "prod/db")
	if key := r.describe(sm, arn).KmsKeyId; key != nil {
		t.Errorf("KmsKeyId is %q, want it left out", *key)
	}
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {defaultLock}}, r.locks(sm, arn)); diff != "" {
		t.Error(diff)
	}
	managed, err := r.keys(open, admin, east).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/secretsmanager")})
	if err != nil {
		t.Fatal(err)
	}
	if managed.KeyMetadata.KeyManager != kmstypes.KeyManagerTypeAws {
		t.Errorf("KeyManager is %s, want AWS", managed.KeyMetadata.KeyManager)
	}
}

func TestKeyArgument(t *testing.T) {
	r := newTestbed(t)
	sm, keys := r.secrets(open, admin, east), r.keys(open, admin, east)
	key := r.key(open, east)
	id := key[strings.LastIndex(key, "/")+1:]
	if _, err := keys.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &id}); err != nil {
		t.Fatal(err)
	}
	dead := r.key(open, east)
	r.disable(dead)
	central := r.key(keyring, east, keyPolicy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}]}`))
	managed, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/secretsmanager")})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ key, lock, want string }{
		"a key id is kept as given":                       {id, key, ""},
		"a key ARN is kept as given":                      {key, key, ""},
		"an alias is kept as given":                       {"alias/app", key, ""},
		"an alias ARN is kept as given":                   {"arn:aws:kms:us-east-1:" + open + ":alias/app", key, ""},
		"a key of another account works by ARN":           {central, central, ""},
		"the AWS managed key may be named by alias":       {"alias/aws/secretsmanager", defaultLock, ""},
		"the AWS managed key may be named by ARN":         {*managed.KeyMetadata.Arn, defaultLock, ""},
		"a bare alias name is no key":                     {"app", "", "InvalidParameterException"},
		"a missing key is refused":                        {"11111111-2222-3333-4444-555555555555", "", "InvalidParameterException"},
		"a missing alias is refused":                      {"alias/none", "", "InvalidParameterException"},
		"a key of another Region is refused":              {r.key(open, west), "", "InvalidParameterException"},
		"an asymmetric key is refused":                    {r.key(open, east, asymmetric), "", "InvalidParameterException"},
		"a disabled key is refused":                       {dead, "", "EncryptionFailure"},
		"another account's key does not answer to its id": {central[strings.LastIndex(central, "/")+1:], "", "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			secret := strings.ReplaceAll(name, " ", "-")
			secret = strings.ReplaceAll(secret, "'", "")
			out, err := sm.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &secret, KmsKeyId: &test.key, SecretString: aws.String("x")})
			if got := code(err); got != test.want {
				t.Fatalf("got %q (%v), want %q", got, err, test.want)
			}
			if test.want != "" {
				return
			}
			if got := aws.ToString(r.describe(sm, *out.ARN).KmsKeyId); got != test.key {
				t.Errorf("KmsKeyId is %q, want %q", got, test.key)
			}
			if diff := cmp.Diff([]string{test.lock}, r.locks(sm, *out.ARN)["AWSCURRENT"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRekeyKeepsTheOldLockUntilANewVersionIsWritten(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	key := r.key(open, east)
	arn := r.create(sm, "prod/db")
	r.put(sm, arn, "second")

	r.rekey(sm, arn, key)
	dual := map[string][]string{"AWSCURRENT": {key, defaultLock}, "AWSPREVIOUS": {key, defaultLock}}
	if diff := cmp.Diff(dual, r.locks(sm, arn)); diff != "" {
		t.Fatalf("after the re-key: %s", diff)
	}
	r.disable(key)
	if got := r.read(sm, arn); got != "second" {
		t.Errorf("with the new key disabled the older copy must still open: got %s", got)
	}
	if _, err := r.keys(open, admin, east).EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	r.put(sm, arn, "third")
	mixed := map[string][]string{"AWSCURRENT": {key}, "AWSPREVIOUS": {key, defaultLock}}
	if diff := cmp.Diff(mixed, r.locks(sm, arn)); diff != "" {
		t.Fatalf("after the first new version: %s", diff)
	}
	r.disable(key)
	if got := r.read(sm, arn); got != "[DecryptionFailure]" {
		t.Errorf("a version under the disabled key alone must not open: got %s", got)
	}
	if got := r.read(sm, arn, stage("AWSPREVIOUS")); got != "second" {
		t.Errorf("the previous version still opens with the AWS managed key: got %s", got)
	}
}

func TestRekeyLeavesUnlabelledVersionsOnTheOldKey(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	key := r.key(open, east)
	arn := r.create(sm, "prod/db")
	r.put(sm, arn, "second")
	r.put(sm, arn, "third") // the first has no label now
	r.rekey(sm, arn, key)
	out, err := sm.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &arn, IncludeDeprecated: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range out.Versions {
		want := []string{key, defaultLock}
		if len(version.VersionStages) == 0 {
			want = []string{defaultLock}
		}
		if diff := cmp.Diff(want, version.KmsKeyIds); diff != "" {
			t.Errorf("version %v: %s", version.VersionStages, diff)
		}
	}
	if len(out.Versions) != 3 {
		t.Errorf("%d versions, want 3 with the deprecated one", len(out.Versions))
	}
}

// UpdateSecret answers success in all of these.
func TestSilentNonReencryption(t *testing.T) {
	use := []string{"secretsmanager:*", "kms:GenerateDataKey", "kms:Decrypt"}
	for name, test := range map[string]struct {
		from   string // "" the AWS managed key, "cmk" a key of its own
		policy string
		before func(r *testbed, old string)
		silent bool
	}{
		"with all rights the versions are re-encrypted":                       {policy: allow(append(use, "kms:Encrypt")...)},
		"without kms:Encrypt on the new key nothing happens, and nobody says": {policy: allow(use...), silent: true},
		"without kms:Decrypt on the old key nothing happens, and nobody says": {from: "cmk", silent: true,
			policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*"},` +
				`{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:SecretVersionId":"RequestToValidateKeyAccess"}}}]}`},
		"with the old key disabled nothing happens, and nobody says": {from: "cmk", silent: true, policy: allow("secretsmanager:*", "kms:*"),
			before: func(r *testbed, old string) { r.disable(old) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			lock, before := defaultLock, func(*secretsmanager.CreateSecretInput) {}
			owner := r.secrets(open, admin, east)
			if test.from == "cmk" {
				lock = r.key(open, east)
				before = under(lock)
			}
			arn := r.create(owner, "prod/db", before)
			target := r.key(open, east)
			if test.before != nil {
				test.before(r, lock)
			}
			r.rekey(r.secrets(open, r.role(open, "Changer", test.policy), east), arn, target)

			if got := aws.ToString(r.describe(owner, arn).KmsKeyId); got != target {
				t.Errorf("the secret says %q, want the new key %q", got, target)
			}
			want := []string{target, lock}
			if test.silent {
				want = []string{lock}
			}
			if diff := cmp.Diff(want, r.locks(owner, arn)["AWSCURRENT"]); diff != "" {
				t.Error(diff)
			}
			r.put(owner, arn, "second")
			if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {target}, "AWSPREVIOUS": want}, r.locks(owner, arn)); diff != "" {
				t.Errorf("the next version is under the new key alone, and the older one keeps its keys: %s", diff)
			}
		})
	}
}

// UpdateSecret re-encrypts the versions under AWSCURRENT, AWSPENDING and AWSPREVIOUS (API reference, UpdateSecret, KmsKeyId).
func TestRekeyLeavesVersionsUnderLabelsOfTheCustomersOwn(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*localaws.Options)
		kept []string // labels whose versions keep the older key alone
	}{
		"as documented":           {func(*localaws.Options) {}, []string{"last-year"}},
		"unless a report says no": {func(o *localaws.Options) { o.Behavior.TakeCustomLabels = true }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t, test.set)
			sm := r.secrets(open, admin, east)
			older, newer := r.key(open, east), r.key(open, east)
			arn := r.create(sm, "prod/db", under(older))
			for _, label := range []string{"last-year", "AWSPENDING"} {
				in := &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: &label, VersionStages: []string{label}}
				if _, err := sm.PutSecretValue(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			first := r.put(sm, arn, "second") // the first is AWSPREVIOUS now, and gets a label of its own beside it
			if _, err := sm.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{SecretId: &arn, VersionStage: aws.String("beside"), MoveToVersionId: &first}); err != nil {
				t.Fatal(err)
			}
			r.rekey(sm, arn, newer)
			want := map[string][]string{}
			for _, label := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "beside", "last-year"} {
				want[label] = []string{newer, older}
				if slices.Contains(test.kept, label) {
					want[label] = []string{older}
				}
			}
			if diff := cmp.Diff(want, r.locks(sm, arn)); diff != "" {
				t.Error(diff)
			}
			r.disable(older)
			for label := range want {
				if got := r.read(sm, arn, stage(label)); (got == "[DecryptionFailure]") != slices.Contains(test.kept, label) {
					t.Errorf("%s with the older key disabled: %s", label, got)
				}
			}
		})
	}
}

func TestRekeyNeedsTheRightToUseTheNewKey(t *testing.T) {
	r := newTestbed(t)
	arn := r.create(r.secrets(open, admin, east), "prod/db")
	key := r.key(open, east)
	for name, policy := range map[string]string{
		"no right on any key":          allow("secretsmanager:*"),
		"no kms:Decrypt to check it":   allow("secretsmanager:*", "kms:GenerateDataKey"),
		"no kms:GenerateDataKey on it": allow("secretsmanager:*", "kms:Decrypt"),
	} {
		t.Run(name, func(t *testing.T) {
			sm := r.secrets(open, r.role(open, strings.ReplaceAll(strings.ReplaceAll(name, ":", "-"), " ", "-"), policy), east)
			_, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, KmsKeyId: &key})
			if code(err) != "AccessDeniedException" || message(err) != "Access to KMS is not allowed" {
				t.Errorf("got %v, want AccessDeniedException: Access to KMS is not allowed", err)
			}
		})
	}
}

func TestEmptyKeyGoesBackToTheAWSManagedKeyAndAnOmittedOneChangesNothing(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	key := r.key(open, east)
	arn := r.create(sm, "prod/db", under(key))
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, Description: aws.String("no key named")}); err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(r.describe(sm, arn).KmsKeyId); got != key {
		t.Fatalf("an update without a key changed it to %q", got)
	}
	r.rekey(sm, arn, "")
	if got := r.describe(sm, arn).KmsKeyId; got != nil {
		t.Errorf("KmsKeyId is %q, want it left out again", *got)
	}
	if diff := cmp.Diff([]string{defaultLock, key}, r.locks(sm, arn)["AWSCURRENT"]); diff != "" {
		t.Error(diff)
	}
	r.rekey(sm, arn, key) // there is a copy under it already
	if diff := cmp.Diff([]string{key, defaultLock}, r.locks(sm, arn)["AWSCURRENT"]); diff != "" {
		t.Error(diff)
	}
}

func TestReadersNeedTheKeyOnlyWhenNoCopyIsUnderTheAWSManagedKey(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	reader := r.secrets(open, r.role(open, "Reader", allow("secretsmanager:GetSecretValue")), east)
	key := r.key(open, east)
	arn := r.create(sm, "prod/db")
	if got := r.read(reader, arn); got != "first" {
		t.Fatalf("under the AWS managed key: got %s", got)
	}
	r.rekey(sm, arn, key)
	if got := r.read(reader, arn); got != "first" {
		t.Errorf("after the re-key the older copy opens: got %s", got)
	}
	r.put(sm, arn, "second")
	_, err := reader.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if code(err) != "AccessDeniedException" || message(err) != "Access to KMS is not allowed" {
		t.Errorf("after the next version: got %v, want AccessDeniedException: Access to KMS is not allowed", err)
	}
}

func TestAnotherAccountCannotUseTheAWSManagedKey(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "shared/db")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + keyring + `:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	if _, err := sm.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &arn, ResourcePolicy: &policy}); err != nil {
		t.Fatal(err)
	}
	stranger := r.secrets(keyring, admin, east)
	if got := r.read(stranger, arn); got != "[InvalidRequestException]" {
		t.Errorf("under the AWS managed key: got %s, want InvalidRequestException", got)
	}
	key := r.key(open, east, keyPolicy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::`+open+`:root","arn:aws:iam::`+keyring+`:root"]},"Action":"kms:*","Resource":"*"}]}`))
	r.rekey(sm, arn, key)
	r.put(sm, arn, "second")
	if got := r.read(stranger, arn); got != "second" {
		t.Errorf("under a shared key: got %s", got)
	}
}
