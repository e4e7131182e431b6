package cloud_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

// What a snapshot takes for granted of secrets and keys.
func TestContractOfTheInventory(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"every secret comes with its key and policy": everySecret,
		"every customer's key comes with its policy": everyKey,
	})
}

func everySecret(t *testing.T, w *world) {
	account := w.account(t)
	made, err := w.kms(t, account, region).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	client := w.secrets(t, account)
	for name, key := range map[string]*string{"a": made.KeyMetadata.Arn, "b": nil} {
		if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x"), KmsKeyId: key}); err != nil {
			t.Fatal(err)
		}
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`
	if _, err := client.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: aws.String("a"), ResourcePolicy: &policy}); err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Name    string
		Manager guard.KeyManager
		Policy  bool
	}
	var got []seen
	err = secrets.New(w.cloud(t, nil)).All(t.Context(), account, region, func(s secrets.SecretAndPolicy) {
		if s.PolicyErr != nil {
			t.Errorf("policy of %s: %v", s.Secret.Name, s.PolicyErr)
		}
		got = append(got, seen{s.Secret.Name, s.Secret.Key.Manager, s.Policy != ""})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b seen) int { return int(a.Name[0]) - int(b.Name[0]) })
	if diff := cmp.Diff([]seen{{"a", guard.ManagerCustomer, true}, {"b", guard.ManagerAWS, false}}, got); diff != "" {
		t.Error(diff)
	}
}

func everyKey(t *testing.T, w *world) {
	account := w.account(t)
	client := w.kms(t, account, region)
	made, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	arn := *made.KeyMetadata.Arn
	if _, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &arn, RotationPeriodInDays: aws.Int32(90)}); err != nil {
		t.Fatal(err)
	}
	// A secret under the AWS managed key, which is then a key of the account but not the customer's.
	if _, err := w.secrets(t, account).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	var got []secrets.KeyAndPolicy
	if err := secrets.NewKeys(w.cloud(t, nil)).All(t.Context(), account, region, func(k secrets.KeyAndPolicy) { got = append(got, k) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Key.ARN != arn {
		t.Fatalf("got %+v, want the one key %s", got, arn)
	}
	k := got[0]
	if k.Policy == "" || k.PolicyErr != nil || k.GrantsErr != nil || k.CreatedAt.IsZero() || !slices.Equal(k.Key.Aliases, []string{"alias/app"}) {
		t.Errorf("got %+v", k)
	}
	w.expect(t, rotationsAreListed, func(t testing.TB) {
		if k.RotationErr != nil || !k.Rotation.Enabled {
			t.Errorf("rotation %+v, %v", k.Rotation, k.RotationErr)
		}
	})
	w.expect(t, lastUseIsKnown, func(t testing.TB) {
		if k.UseErr != nil || k.Use.TrackedSince.IsZero() {
			t.Errorf("last use %+v, %v", k.Use, k.UseErr)
		}
	})
}
