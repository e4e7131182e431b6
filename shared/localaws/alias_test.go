package localaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
)

// alias points a name to a key: a new name, or one that is there.
func (r *testbed) alias(account, name, key string) {
	r.t.Helper()
	keys := r.keys(account, admin, east)
	_, err := keys.UpdateAlias(r.t.Context(), &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &key})
	if code(err) == "NotFoundException" {
		_, err = keys.CreateAlias(r.t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// KMS developer guide, the log entries of CreateAlias, UpdateAlias and DeleteAlias.
func TestEventsOfAnAliasNameItAndItsKey(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, admin, east)
	one, two := r.key(open, east), r.key(open, east)
	name, id := "alias/app", two[strings.LastIndex(two, "/")+1:]
	r.alias(open, name, one)
	r.alias(open, name, id)
	if _, err := keys.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: &name}); err != nil {
		t.Fatal(err)
	}
	resource := func(arn string) any {
		return map[string]any{"accountId": open, "ARN": arn, "type": "AWS::KMS::Key"}
	}
	alias := resource("arn:aws:kms:" + east + ":" + open + ":" + name)
	for event, want := range map[string]map[string]any{
		"CreateAlias": {"requestParameters": map[string]any{"aliasName": name, "targetKeyId": one}, "responseElements": map[string]any{"keyId": one}, "resources": []any{resource(one), alias}},
		"UpdateAlias": {"requestParameters": map[string]any{"aliasName": name, "targetKeyId": id}, "responseElements": map[string]any{"keyId": two}, "resources": []any{alias, resource(two)}},
		"DeleteAlias": {"requestParameters": map[string]any{"aliasName": name}, "responseElements": map[string]any{"keyId": two}, "resources": []any{alias, resource(two)}},
	} {
		record, got := r.last(event), map[string]any{}
		for field := range want {
			got[field] = record[field]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", event, diff)
		}
	}
}

// KMS developer guide, "Controlling access to aliases": the right is asked for on the alias, by IAM, and on each key.
func TestAnAliasNeedsTheRightOnItAndOnEachOfItsKeys(t *testing.T) {
	r := newTestbed(t)
	shut := keyPolicy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:role/Admin"},"Action":"kms:*","Resource":"*"}]}`)
	free, closed := r.key(open, east), r.key(open, east, shut)
	dying := r.key(open, east)
	if _, err := r.keys(open, admin, east).ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &dying}); err != nil {
		t.Fatal(err)
	}
	public := r.key(open, east, func(in *kms.CreateKeyInput) {
		in.KeySpec, in.KeyUsage = kmstypes.KeySpecRsa2048, kmstypes.KeyUsageTypeSignVerify
	})
	all := allow("kms:*")
	onKeysAlone := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*"}]}`
	for name, test := range map[string]struct {
		policy, from, to string // to "" deletes
		want             string
	}{
		"from one key to another":                {all, free, free, ""},
		"from a key that refuses":                {all, closed, free, "AccessDeniedException"},
		"to a key that refuses":                  {all, free, closed, "AccessDeniedException"},
		"without the right on the alias":         {onKeysAlone, free, free, "AccessDeniedException"},
		"to a key pending deletion":              {all, free, dying, "KMSInvalidStateException"},
		"to a key of another type":               {all, free, public, "ValidationException"},
		"deleted":                                {all, free, "", ""},
		"deleted from a key that refuses":        {all, closed, "", "AccessDeniedException"},
		"deleted without the right on the alias": {onKeysAlone, free, "", "AccessDeniedException"},
	} {
		t.Run(name, func(t *testing.T) {
			alias := "alias/" + strings.ReplaceAll(name, " ", "-")
			r.alias(open, alias, test.from)
			keys := r.keys(open, r.role(open, "Mover-"+strings.ReplaceAll(name, " ", "-"), test.policy), east)
			var err error
			if test.to == "" {
				_, err = keys.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: &alias})
			} else {
				_, err = keys.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: &test.to})
			}
			if code(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestASecretFollowsTheAliasItNamesForNewVersionsOnly(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	approved, other := r.key(open, east), r.key(open, east)
	r.alias(open, "alias/app", approved)
	arn := r.create(sm, "prod/db", under("alias/app"))

	r.alias(open, "alias/app", other)
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {approved}}, r.locks(sm, arn)); diff != "" {
		t.Errorf("a moved alias moves no version: %s", diff)
	}
	r.put(sm, arn, "second")
	r.alias(open, "alias/app", approved)
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {other}, "AWSPREVIOUS": {approved}}, r.locks(sm, arn)); diff != "" {
		t.Errorf("a value that was written meanwhile is under the other key: %s", diff)
	}
	listed, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := [2]string{aws.ToString(r.describe(sm, arn).KmsKeyId), aws.ToString(listed.SecretList[0].KmsKeyId)}; got != [2]string{"alias/app", "alias/app"} {
		t.Errorf("described and listed under %q, want the alias as given", got)
	}
	r.disable(other)
	if got := r.read(sm, arn); got != "[DecryptionFailure]" {
		t.Errorf("the alias leads to a key that is enabled, and the value is not under that: got %s", got)
	}

	if _, err := r.keys(open, admin, east).DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: aws.String("alias/app")}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(sm, arn, stage("AWSPREVIOUS")); got != "first" {
		t.Errorf("without the alias the versions that are there open as before: got %s", got)
	}
	if _, err := sm.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("third")}); code(err) != "InvalidParameterException" {
		t.Errorf("without the alias there is no key for a new version: got %v", err)
	}
}
