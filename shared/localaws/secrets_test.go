package localaws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func tags(pairs ...string) []smtypes.Tag {
	var out []smtypes.Tag
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, smtypes.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

func tagged(have []smtypes.Tag) map[string]string {
	out := map[string]string{}
	for _, tag := range have {
		out[*tag.Key] = *tag.Value
	}
	return out
}

func TestCreateSecretRefuses(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	r.create(sm, "taken")
	gone := r.create(sm, "leaving")
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &gone}); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 0, 102)
	for i := range 51 {
		many = append(many, fmt.Sprintf("tag-%d", i), "x")
	}
	for name, test := range map[string]struct {
		in   secretsmanager.CreateSecretInput
		want string
	}{
		"a name with a space":                      {secretsmanager.CreateSecretInput{Name: aws.String("prod db")}, "ValidationException"},
		"a name with !, which only services use":   {secretsmanager.CreateSecretInput{Name: aws.String("rds!db")}, "ValidationException"},
		"a name of more than 512 characters":       {secretsmanager.CreateSecretInput{Name: aws.String(strings.Repeat("a", 513))}, "ValidationException"},
		"a name that is taken":                     {secretsmanager.CreateSecretInput{Name: aws.String("taken")}, "ResourceExistsException"},
		"a name that waits for its deletion":       {secretsmanager.CreateSecretInput{Name: aws.String("leaving")}, "InvalidRequestException"},
		"text and binary at once":                  {secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("x"), SecretBinary: []byte("x")}, "InvalidParameterException"},
		"a value of more than 64 KiB":              {secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String(strings.Repeat("x", 65537))}, "ValidationException"},
		"a system tag":                             {secretsmanager.CreateSecretInput{Name: aws.String("a"), Tags: tags("aws:owner", "x")}, "InvalidParameterException"},
		"more than 50 tags":                        {secretsmanager.CreateSecretInput{Name: aws.String("a"), Tags: tags(many...)}, "InvalidParameterException"},
		"a token too short to be a version's id":   {secretsmanager.CreateSecretInput{Name: aws.String("a"), ClientRequestToken: aws.String("short")}, "InvalidParameterException"},
		"a replica where the secret itself is now": {secretsmanager.CreateSecretInput{Name: aws.String("a"), AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String(east)}}}, "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sm.CreateSecret(t.Context(), &test.in)
			if got := code(err); got != test.want {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
}

func TestTheSameTokenAndValueIsTheSameSecret(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	in := &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("x"), ClientRequestToken: aws.String(strings.Repeat("1", 36))}
	first, err := sm.CreateSecret(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sm.CreateSecret(t.Context(), in)
	if err != nil || *again.ARN != *first.ARN || *again.VersionId != *first.VersionId {
		t.Fatalf("a retry answers %v, %v, want the first answer", again, err)
	}
	in.SecretString = aws.String("y")
	if _, err := sm.CreateSecret(t.Context(), in); code(err) != "ResourceExistsException" {
		t.Errorf("another value under the same token: got %v, want ResourceExistsException", err)
	}
	put := &secretsmanager.PutSecretValueInput{SecretId: first.ARN, SecretString: aws.String("z"), ClientRequestToken: in.ClientRequestToken}
	if _, err := sm.PutSecretValue(t.Context(), put); code(err) != "ResourceExistsException" {
		t.Errorf("another value for a version: got %v, want ResourceExistsException", err)
	}
}

func TestSecretsAreFoundByNameAndARNWithOrWithoutSuffix(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "prod/db")
	for _, id := range []string{"prod/db", arn, arn[:len(arn)-7]} {
		if got := *r.describe(sm, id).ARN; got != arn {
			t.Errorf("%s: got %s", id, got)
		}
	}
	for _, id := range []string{"prod", "prod/db-", arn[:len(arn)-1] + "?", strings.Replace(arn, east, west, 1)} {
		if _, err := sm.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id}); code(err) != "ResourceNotFoundException" {
			t.Errorf("%s: got %v, want ResourceNotFoundException", id, err)
		}
	}
}

func TestLabelsMove(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	first := *r.describe(sm, arn).ARN
	if first != arn {
		t.Fatal("ARN changed")
	}
	v1 := versionWith(t, sm, arn, "AWSCURRENT")
	v2 := r.put(sm, arn, "second")
	v3, err := sm.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("third"), VersionStages: []string{"AWSPENDING", "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{v1: {"AWSPREVIOUS"}, v2: {"AWSCURRENT"}, *v3.VersionId: {"AWSPENDING", "blue"}}
	if diff := cmp.Diff(want, r.describe(sm, arn).VersionIdsToStages); diff != "" {
		t.Fatal(diff)
	}
	move := func(stage, to, from string) error {
		in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &arn, VersionStage: &stage}
		if to != "" {
			in.MoveToVersionId = &to
		}
		if from != "" {
			in.RemoveFromVersionId = &from
		}
		_, err := sm.UpdateSecretVersionStage(t.Context(), in)
		return err
	}
	if err := move("AWSCURRENT", *v3.VersionId, ""); code(err) != "InvalidParameterException" {
		t.Errorf("moving a label without naming its holder: got %v", err)
	}
	if err := move("AWSCURRENT", *v3.VersionId, v2); err != nil {
		t.Fatal(err)
	}
	if err := move("blue", "", *v3.VersionId); err != nil {
		t.Fatal(err)
	}
	want = map[string][]string{v2: {"AWSPREVIOUS"}, *v3.VersionId: {"AWSCURRENT", "AWSPENDING"}}
	if diff := cmp.Diff(want, r.describe(sm, arn).VersionIdsToStages); diff != "" {
		t.Error(diff)
	}
	if got := r.read(sm, arn, stage("blue")); got != "[ResourceNotFoundException]" {
		t.Errorf("a label that nothing has: got %s", got)
	}
}

func versionWith(t *testing.T, sm *secretsmanager.Client, id, label string) string {
	t.Helper()
	out, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id, VersionStage: &label})
	if err != nil {
		t.Fatal(err)
	}
	return *out.VersionId
}

func TestASecretWithoutValueHasNoVersion(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "empty", noValue)
	if got := r.read(sm, arn); got != "[ResourceNotFoundException]" {
		t.Errorf("got %s, want ResourceNotFoundException", got)
	}
	if got := r.describe(sm, arn).VersionIdsToStages; len(got) != 0 {
		t.Errorf("got versions %v", got)
	}
}

func TestLastAccessIsADay(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	if got := r.describe(sm, arn).LastAccessedDate; got != nil {
		t.Errorf("never read, but LastAccessedDate is %v", got)
	}
	r.later(90 * time.Minute)
	r.read(sm, arn)
	want := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	if got := r.describe(sm, arn).LastAccessedDate; got == nil || !got.Equal(want) {
		t.Errorf("LastAccessedDate is %v, want %v", got, want)
	}
}

func TestRecoveryWindow(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(6)}); code(err) != "InvalidParameterException" {
		t.Errorf("a window of 6 days: got %v", err)
	}
	out, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	if want := r.clock().AddDate(0, 0, 7); !out.DeletionDate.Equal(want) {
		t.Errorf("DeletionDate is %v, want %v", out.DeletionDate, want)
	}
	if r.describe(sm, arn).DeletedDate == nil {
		t.Error("DescribeSecret does not say that it will be deleted")
	}
	for name, call := range map[string]func() error{
		"read": func() error {
			_, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
			return err
		},
		"update": func() error {
			_, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, Description: aws.String("x")})
			return err
		},
		"put": func() error {
			_, err := sm.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("x")})
			return err
		},
		"tag": func() error {
			_, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("a", "b")})
			return err
		},
		"replicate": func() error {
			_, err := sm.ReplicateSecretToRegions(t.Context(), &secretsmanager.ReplicateSecretToRegionsInput{SecretId: &arn, AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String(west)}}})
			return err
		},
	} {
		if err := call(); code(err) != "InvalidRequestException" {
			t.Errorf("%s in the window: got %v, want InvalidRequestException", name, err)
		}
	}
	if _, err := sm.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: &arn}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(sm, arn); got != "first" {
		t.Errorf("after the restore: got %s", got)
	}
}

func TestASecretIsGoneAfterItsWindowOrAtOnceByForce(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	slow, quick := r.create(sm, "slow"), r.create(sm, "quick")
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &slow}); err != nil {
		t.Fatal(err)
	}
	force := &secretsmanager.DeleteSecretInput{SecretId: &quick, ForceDeleteWithoutRecovery: aws.Bool(true)}
	for range 2 { // what is not there can be forced away again
		if _, err := sm.DeleteSecret(t.Context(), force); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(id string) bool {
		_, err := sm.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
		return code(err) == "ResourceNotFoundException"
	}
	if !gone(quick) {
		t.Error("deleted by force, but still there")
	}
	r.later(29 * 24 * time.Hour)
	if gone(slow) {
		t.Error("gone a day too early")
	}
	r.later(24 * time.Hour)
	r.Elapse()
	if !gone(slow) {
		t.Error("still there after the window")
	}
	if event := r.last("EndSecretVersionDelete"); event["eventType"] != "AwsServiceEvent" {
		t.Errorf("got %v, want a service event", event)
	}
	r.create(sm, "slow") // the name is free again
}

func TestTagging(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a", func(in *secretsmanager.CreateSecretInput) { in.Tags = tags("team", "payments") })
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("env", "prod", "team", "billing")}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "billing", "env": "prod"}, tagged(r.describe(sm, arn).Tags)); diff != "" {
		t.Errorf("tags are added to: %s", diff)
	}
	if _, err := sm.UntagResource(t.Context(), &secretsmanager.UntagResourceInput{SecretId: &arn, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"env": "prod"}, tagged(r.describe(sm, arn).Tags)); diff != "" {
		t.Error(diff)
	}
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("aws:x", "y")}); code(err) != "InvalidParameterException" {
		t.Errorf("a system tag: got %v", err)
	}
	for i := range 49 {
		if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags(fmt.Sprintf("t%d", i), "x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("one too many", "x")}); code(err) != "InvalidParameterException" {
		t.Errorf("the 51st tag: got %v", err)
	}
}

func TestATagThatWouldLockItsWriterOutIsRefused(t *testing.T) {
	r := newTestbed(t)
	arn := r.create(r.secrets(open, admin, east), "a")
	sm := r.secrets(open, r.role(open, "Tagger", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"},`+
		`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/frozen":"yes"}}}]}`), east)
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("frozen", "yes")}); code(err) != "AccessDeniedException" {
		t.Errorf("got %v, want AccessDeniedException", err)
	}
	if got := tagged(r.describe(sm, arn).Tags); len(got) != 0 {
		t.Errorf("the tag is there: %v", got)
	}
}

func TestServiceOwnedSecrets(t *testing.T) {
	r := newTestbed(t)
	arn, err := r.ServiceOwnedSecret(open, east, "rds", "db-12345", "")
	if err != nil {
		t.Fatal(err)
	}
	sm := r.secrets(open, admin, east)
	out := r.describe(sm, arn)
	if *out.Name != "rds!db-12345" || *out.OwningService != "rds" || tagged(out.Tags)["aws:secretsmanager:owningService"] != "rds" {
		t.Errorf("got %s of %s with tags %v", *out.Name, aws.ToString(out.OwningService), tagged(out.Tags))
	}
	if got := r.read(sm, arn); strings.HasPrefix(got, "[") {
		t.Errorf("it can be read: got %s", got)
	}
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, KmsKeyId: aws.String(r.key(open, east))}); code(err) != "InvalidRequestException" {
		t.Errorf("an update: got %v, want InvalidRequestException", err)
	}
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("a", "b")}); err != nil {
		t.Errorf("a tag: got %v, want none", err)
	}
	before := r.read(sm, arn)
	if _, err := sm.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn}); err != nil {
		t.Fatalf("its service rotates it without a function: %v", err)
	}
	if r.read(sm, arn) == before {
		t.Error("the rotation left the value as it was")
	}

	strict := newTestbed(t, func(o *localaws.Options) { o.Behavior.RefuseForeignTags = true })
	if arn, err = strict.ServiceOwnedSecret(open, east, "rds", "db-12345", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.secrets(open, admin, east).TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("a", "b")}); code(err) != "InvalidRequestException" {
		t.Errorf("a tag where they are refused: got %v", err)
	}
}

func TestBatchReadAnswersEachSecretOnItsOwn(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	good := r.create(sm, "good")
	key := r.key(open, east)
	bad := r.create(sm, "bad", under(key))
	r.disable(key)
	r.forget()
	out, err := sm.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{good, bad, "missing"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "first" {
		t.Errorf("values: %v", out.SecretValues)
	}
	failed := map[string]string{}
	for _, one := range out.Errors {
		failed[*one.SecretId] = *one.ErrorCode
	}
	if diff := cmp.Diff(map[string]string{bad: "DecryptionFailure", "missing": "ResourceNotFoundException"}, failed); diff != "" {
		t.Error(diff)
	}
	want := []string{"Decrypt", "GetSecretValue", "Decrypt DisabledException", "GetSecretValue DecryptionFailure", "GetSecretValue ResourceNotFoundException", "BatchGetSecretValue"}
	if diff := cmp.Diff(want, r.names()); diff != "" {
		t.Errorf("records: %s", diff)
	}
}

func TestAVersionUnderADeletedKeyIsLost(t *testing.T) {
	r := newTestbed(t)
	sm, keys := r.secrets(open, admin, east), r.keys(open, admin, east)
	key := r.key(open, east)
	arn := r.create(sm, "a", under(key))
	if _, err := keys.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(sm, arn); got != "[DecryptionFailure]" {
		t.Errorf("while the key waits for its deletion: got %s", got)
	}
	r.later(7 * 24 * time.Hour)
	if got := r.read(sm, arn); got != "[DecryptionFailure]" {
		t.Errorf("after the key is gone: got %s", got)
	}
	r.last("DeleteKey")
}
