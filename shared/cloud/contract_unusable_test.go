package cloud_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/doublelock/doublelock/shared/arn"
)

// A key that cannot be used is refused by the call that names it: AWS uses the key to encrypt the value, or to validate it
// (user guide, security-encryption), and says EncryptionFailure of one that is not enabled (API reference, common errors).
// Which error it says of one that is not there is not documented; InvalidParameterException was seen (boto/boto3, issue 1533).
func TestContractKeysThatCannotBeUsed(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a secret is not made under a key that is not there":          missingKey,
		"a secret is not made under a disabled key":                   disabledKey,
		"a secret is not made under a key of another Region":          keyElsewhere,
		"a secret does not move to a key that cannot be used":         moveToUnusable,
		"a replica under a key that is not there fails, as any other": replicaUnderMissingKey,
	})
}

// unusable asserts that an error says that a key cannot be used, in one of the ways that AWS has for it.
func unusable(t testing.TB, what string, err error, codes ...string) {
	t.Helper()
	if len(codes) == 0 {
		codes = []string{"InvalidParameterException", "ResourceNotFoundException", "EncryptionFailure"}
	}
	var api smithy.APIError
	if !errors.As(err, &api) || !slices.Contains(codes, api.ErrorCode()) {
		t.Errorf("%s: %v, want one of %v", what, err, codes)
	}
}

func (w *world) makeUnder(t testing.TB, account, name, key string) error {
	t.Helper()
	_, err := w.secrets(t, account).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("not a secret"), KmsKeyId: &key})
	return err
}

func (w *world) move(t testing.TB, account, name, key string) error {
	t.Helper()
	_, err := w.secrets(t, account).UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &name, KmsKeyId: &key})
	return err
}

func nobodysKey(account string) string {
	return "arn:aws:kms:" + region + ":" + account + ":key/00000000-0000-4000-8000-000000000000"
}

func missingKey(t *testing.T, w *world) {
	account := w.account(t)
	w.expect(t, missingKeyIsRefused, func(t testing.TB) {
		unusable(t, "an alias that is not there", w.makeUnder(t, account, "alias-none", "alias/none"))
		unusable(t, "a key that is not there", w.makeUnder(t, account, "key-none", nobodysKey(account)))
	})
}

func (w *world) disabled(t testing.TB, account string) string {
	t.Helper()
	key := createKey(t, w, account, region, "")
	if _, err := w.kms(t, account, region).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: aws.String(arn.Of(key).Name())}); err != nil {
		t.Fatal(err)
	}
	return key
}

func disabledKey(t *testing.T, w *world) {
	account := w.account(t)
	key := w.disabled(t, account)
	w.expect(t, disabledKeyIsRefused, func(t testing.TB) {
		unusable(t, "a disabled key", w.makeUnder(t, account, "disabled", key), "EncryptionFailure")
	})
}

func keyElsewhere(t *testing.T, w *world) {
	account := w.account(t)
	key := createKey(t, w, account, far, "")
	w.expect(t, foreignKeyIsRefused, func(t testing.TB) {
		unusable(t, "a key of "+far, w.makeUnder(t, account, "elsewhere", key))
	})
}

func moveToUnusable(t *testing.T, w *world) {
	account := w.account(t)
	create(t, w, account, "moved", createKey(t, w, account, region, ""))
	off, elsewhere := w.disabled(t, account), createKey(t, w, account, far, "")
	w.expect(t, unusableKeyIsNotSet, func(t testing.TB) {
		unusable(t, "an alias that is not there", w.move(t, account, "moved", "alias/none"))
		unusable(t, "a key that is not there", w.move(t, account, "moved", nobodysKey(account)))
		unusable(t, "a disabled key", w.move(t, account, "moved", off), "EncryptionFailure")
		unusable(t, "a key of "+far, w.move(t, account, "moved", elsewhere))
	})
}

func replicaUnderMissingKey(t *testing.T, w *world) {
	account := w.account(t)
	create(t, w, account, "spread-under-none", createKey(t, w, account, region, ""))
	w.expect(t, replicaUnderMissingFails, func(t testing.TB) {
		_, err := w.secrets(t, account).ReplicateSecretToRegions(t.Context(), &secretsmanager.ReplicateSecretToRegionsInput{SecretId: aws.String("spread-under-none"),
			AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String(far), KmsKeyId: aws.String("alias/none")}}})
		if err != nil {
			unusable(t, "a replica under an alias that is not there", err)
			return
		}
		s := describe(t, w, account, "spread-under-none")
		if len(s.Replicas) != 1 || s.Replicas[0].Status != "Failed" {
			t.Errorf("replicas %+v", s.Replicas)
		}
	})
}
