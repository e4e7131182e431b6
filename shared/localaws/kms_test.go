package localaws_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
)

func (r *testbed) keyState(key string) kmstypes.KeyState {
	r.t.Helper()
	parts := strings.Split(key, ":")
	out, err := r.keys(parts[4], admin, parts[3]).DescribeKey(r.t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.KeyMetadata.KeyState
}

func TestKeyStatesBlockUse(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	key := r.key(open, east)
	sealed, err := keys.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func(context map[string]string) (string, error) {
		out, err := keys.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context})
		if err != nil {
			return "", err
		}
		return string(out.Plaintext), nil
	}
	right := map[string]string{"a": "b"}
	if got, err := decrypt(right); got != "x" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := decrypt(map[string]string{"a": "c"}); code(err) != "InvalidCiphertextException" {
		t.Errorf("with another context: got %v", err)
	}
	r.disable(key)
	if _, err := decrypt(right); code(err) != "DisabledException" || message(err) != key+" is disabled." {
		t.Errorf("disabled: got %v", err)
	}
	if _, err := keys.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(right); code(err) != "KMSInvalidStateException" || message(err) != key+" is pending deletion." {
		t.Errorf("pending deletion: got %v", err)
	}
	if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); code(err) != "KMSInvalidStateException" {
		t.Errorf("disabling a key that waits for its deletion: got %v", err)
	}
	if _, err := keys.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if got := r.keyState(key); got != kmstypes.KeyStateDisabled {
		t.Errorf("after the cancellation the key is %s, want Disabled", got)
	}
	if _, err := keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if got, err := decrypt(right); got != "x" || err != nil {
		t.Errorf("enabled again: got %q, %v", got, err)
	}
}

func TestKeyNamesThatDoNotResolve(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	for id, want := range map[string]string{
		"alias/none":                           "Alias arn:aws:kms:us-east-1:" + open + ":alias/none is not found.",
		"none":                                 "Invalid keyId none",
		"11111111-2222-3333-4444-555555555555": "Key 'arn:aws:kms:us-east-1:" + open + ":key/11111111-2222-3333-4444-555555555555' does not exist",
		"arn:aws:kms:us-east-1:" + open + ":key/11111111-2222-3333-4444-555555555555": "Key 'arn:aws:kms:us-east-1:" + open + ":key/11111111-2222-3333-4444-555555555555' does not exist",
		"arn:aws:kms:eu-west-1:" + open + ":key/11111111-2222-3333-4444-555555555555": "Invalid arn eu-west-1",
	} {
		if _, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id}); code(err) != "NotFoundException" || message(err) != want {
			t.Errorf("%s: got %v, want %s", id, err, want)
		}
	}
}

func TestTheAWSManagedKeyCannotBeChanged(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	managed, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/secretsmanager")})
	if err != nil {
		t.Fatal(err)
	}
	id := managed.KeyMetadata.KeyId
	if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: id}); code(err) != "AccessDeniedException" {
		t.Errorf("disabling it: got %v", err)
	}
	if _, err := keys.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: id, Policy: aws.String(allowEveryone)}); code(err) != "AccessDeniedException" {
		t.Errorf("changing its policy: got %v", err)
	}
	if _, err := keys.Encrypt(t.Context(), &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")}); code(err) != "AccessDeniedException" {
		t.Errorf("using it without Secrets Manager: got %v", err)
	}
	out, err := keys.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: id})
	if err != nil || len(out.Aliases) != 1 || *out.Aliases[0].AliasName != "alias/aws/secretsmanager" {
		t.Errorf("its aliases: %v, %v", out, err)
	}
}

// Who reads a key policy that named somebody who was deleted gets a unique id, and cannot put that again.
func TestAKeyPolicyCannotNameWhoWasDeleted(t *testing.T) {
	r := newTestbed(t)
	key := r.key(open, east)
	for _, element := range []string{`"Effect":"Deny","Principal":{"AWS":["AROAEXAMPLEGHOST12345","` + open + `"]}`, `"Effect":"Deny","NotPrincipal":{"AWS":["AIDAEXAMPLEGHOST12345","` + open + `"]}`} {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},{` + element + `,"Action":"kms:Sign","Resource":"*"}]}`
		_, err := r.keys(open, admin, east).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &text, BypassPolicyLockoutSafetyCheck: true})
		if code(err) != "MalformedPolicyDocumentException" {
			t.Errorf("%s: got %v", element, err)
		}
	}
}

func TestAKeyPolicyCannotLockItsWriterOut(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	key := r.key(open, east)
	alone := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:role/Other"},"Action":"kms:*","Resource":"*"}]}`
	put := &kms.PutKeyPolicyInput{KeyId: &key, Policy: &alone}
	if _, err := keys.PutKeyPolicy(t.Context(), put); code(err) != "MalformedPolicyDocumentException" {
		t.Errorf("got %v, want MalformedPolicyDocumentException", err)
	}
	put.BypassPolicyLockoutSafetyCheck = true
	if _, err := keys.PutKeyPolicy(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key}); code(err) != "AccessDeniedException" {
		t.Errorf("after the check was bypassed: got %v, want AccessDeniedException", err)
	}
}

func TestGrants(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	key := r.key(open, east)
	role := "arn:aws:iam::" + open + ":role/Worker"
	worker := r.keys(open, r.role(open, "Worker", allow("s3:*")), east)
	use := func() error {
		_, err := worker.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
		return err
	}
	if err := use(); code(err) != "AccessDeniedException" {
		t.Fatalf("before the grant: got %v", err)
	}
	made, err := keys.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &role, RetiringPrincipal: &role, Operations: []kmstypes.GrantOperation{"GenerateDataKey"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := use(); err != nil {
		t.Errorf("with the grant: got %v", err)
	}
	listed, err := keys.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(listed.Grants) != 1 || *listed.Grants[0].GranteePrincipal != role {
		t.Errorf("listed: %v, %v", listed, err)
	}
	if _, err := worker.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: &key, GrantId: made.GrantId}); err != nil {
		t.Errorf("its retiring principal retires it: got %v", err)
	}
	if err := use(); code(err) != "AccessDeniedException" {
		t.Errorf("after the grant: got %v", err)
	}
	if _, err := keys.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: &key, GrantId: made.GrantId}); code(err) != "NotFoundException" {
		t.Errorf("a grant that is gone: got %v", err)
	}
}

func TestLastUsageAndTheConditionOnIt(t *testing.T) {
	r := newTestbed(t)
	key := r.key(guarded, east)
	sm := r.secrets(guarded, admin, east)
	r.guard(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"NumericLessThan":{"kms:TrailingDaysWithoutKeyUsage":"30"}}}]}`)
	r.later(10 * 24 * time.Hour)
	r.create(sm, "a", under(key))
	keys := r.keys(guarded, admin, east)
	usage, err := keys.GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	if got := usage.KeyLastUsage; got == nil || !got.Timestamp.Equal(r.clock()) || *got.CloudTrailEventId != r.last("GenerateDataKey")["eventID"] {
		t.Errorf("last usage %+v", got)
	}
	if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); code(err) != "AccessDeniedException" {
		t.Errorf("disabling a key in use: got %v", err)
	}
	r.later(30 * 24 * time.Hour)
	r.disable(key)
}

// The right to tag the replica is asked of IAM policies alone: the replica has no key policy before it is made.
func TestAReplicaIsMadeWithTagsByWhomIAMLetsTag(t *testing.T) {
	r := newTestbed(t)
	r.AddRole(open, "replicator", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:CreateKey","kms:ReplicateKey"],"Resource":"*"}]}`)
	replicate := func(who string) error {
		key := r.key(open, east, multiRegion)
		made, err := r.keys(open, who, east).ReplicateKey(t.Context(), &kms.ReplicateKeyInput{
			KeyId: &key, ReplicaRegion: aws.String(west), Tags: []kmstypes.Tag{{TagKey: aws.String("Owner"), TagValue: aws.String("team")}}})
		if err == nil && (len(made.ReplicaTags) != 1 || *made.ReplicaTags[0].TagValue != "team") {
			t.Errorf("the replica has the tags %v", made.ReplicaTags)
		}
		return err
	}
	if err := replicate(admin); err != nil {
		t.Errorf("an administrator: %v", err)
	}
	if err := replicate("role/replicator/s"); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "kms:TagResource") {
		t.Errorf("without kms:TagResource: %v", err)
	}
}

func TestMultiRegionKeys(t *testing.T) {
	r := newTestbed(t)
	here, there := r.keys(open, admin, east), r.keys(open, admin, west)
	key := r.key(open, east, multiRegion)
	id := key[strings.LastIndex(key, "/")+1:]
	if !strings.HasPrefix(id, "mrk-") {
		t.Fatalf("the id is %s, want mrk-…", id)
	}
	copied, err := here.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &key, ReplicaRegion: aws.String(west)})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(key, east, west, 1); *copied.ReplicaKeyMetadata.Arn != want {
		t.Errorf("the replica is %s, want %s", *copied.ReplicaKeyMetadata.Arn, want)
	}
	sealed, err := here.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := there.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(opened.Plaintext) != "x" {
		t.Errorf("the replica opens what the primary sealed: got %v, %v", opened, err)
	}
	r.disable(key)
	if got := r.keyState(*copied.ReplicaKeyMetadata.Arn); got != kmstypes.KeyStateEnabled {
		t.Errorf("disabling the primary made the replica %s", got)
	}
	out, err := here.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	if out.KeyState != kmstypes.KeyStatePendingReplicaDeletion || out.DeletionDate != nil {
		t.Errorf("a primary with replicas is %s until %v, want PendingReplicaDeletion without a date", out.KeyState, out.DeletionDate)
	}
	if _, err := there.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	described := func() *kmstypes.KeyMetadata {
		t.Helper()
		out, err := here.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata
	}
	if got := described(); got.KeyState != kmstypes.KeyStatePendingReplicaDeletion || got.DeletionDate != nil {
		t.Errorf("while the last replica's deletion is only scheduled the primary is %s until %v, want PendingReplicaDeletion without a date", got.KeyState, got.DeletionDate)
	}
	gone := r.clock().AddDate(0, 0, 7)
	r.later(8 * 24 * time.Hour)
	if got := described(); got.KeyState != kmstypes.KeyStatePendingDeletion || got.DeletionDate == nil || !got.DeletionDate.Equal(gone.AddDate(0, 0, 7)) {
		t.Errorf("with the last replica gone the primary is %s until %v, want PendingDeletion until %s", got.KeyState, got.DeletionDate, gone.AddDate(0, 0, 7))
	}
	r.later(6 * 24 * time.Hour)
	r.Elapse()
	if _, err := here.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key}); code(err) != "NotFoundException" {
		t.Errorf("after both windows: got %v", err)
	}
}

func TestKeyRotation(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	key := r.key(open, east)
	if _, err := keys.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &key, RotationPeriodInDays: aws.Int32(30)}); code(err) != "ValidationException" {
		t.Errorf("a period of 30 days: got %v", err)
	}
	if _, err := keys.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &key, RotationPeriodInDays: aws.Int32(90)}); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	r.later(200 * 24 * time.Hour)
	out, err := keys.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, rotation := range out.Rotations {
		kinds = append(kinds, string(rotation.RotationType))
	}
	if diff := cmp.Diff([]string{"ON_DEMAND", "AUTOMATIC", "AUTOMATIC"}, kinds); diff != "" {
		t.Error(diff)
	}
	status, err := keys.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &key})
	if err != nil || !status.KeyRotationEnabled || !status.NextRotationDate.Equal(r.clock().AddDate(0, 0, 70)) {
		t.Errorf("status %+v, %v", status, err)
	}
}

func TestAliasesAndTags(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	one, two := r.key(open, east), r.key(open, east)
	alias := func(name, target string) error {
		_, err := keys.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &target})
		return err
	}
	for _, test := range []struct{ name, want string }{
		{"alias/app", ""}, {"alias/app", "AlreadyExistsException"}, {"app", "ValidationException"}, {"alias/aws/app", "NotAuthorizedException"},
	} {
		if err := alias(test.name, one); code(err) != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	points := func() string {
		t.Helper()
		out, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/app")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.Arn
	}
	if points() != one {
		t.Errorf("alias/app is %s", points())
	}
	if _, err := keys.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &two}); err != nil || points() != two {
		t.Errorf("after the update alias/app is %s (%v)", points(), err)
	}
	if _, err := keys.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &two, Tags: []kmstypes.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}); err != nil {
		t.Fatal(err)
	}
	listed, err := keys.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &two})
	if err != nil || len(listed.Tags) != 1 || *listed.Tags[0].TagValue != "b" {
		t.Errorf("tags %v, %v", listed, err)
	}
	if _, err := keys.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: aws.String("alias/app")}); err != nil {
		t.Fatal(err)
	}
	if err := alias("alias/app", one); err != nil || points() != one {
		t.Errorf("the name is free again: %v", err)
	}
}
