package localaws_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
)

func external(in *kms.CreateKeyInput) { in.Origin = types.OriginTypeExternal }

// importMaterial wraps material as KMS wants it and imports it, until a time, or for ever.
func (r *testbed) importMaterial(key string, plain []byte, until time.Time) error {
	r.t.Helper()
	keys := r.keys(open, admin, east)
	parameters, err := keys.GetParametersForImport(r.t.Context(), &kms.GetParametersForImportInput{KeyId: &key, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048})
	if err != nil {
		r.t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(parameters.PublicKey)
	if err != nil {
		r.t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), plain, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	in := &kms.ImportKeyMaterialInput{KeyId: &key, ImportToken: parameters.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire}
	if !until.IsZero() {
		in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, &until
	}
	_, err = keys.ImportKeyMaterial(r.t.Context(), in)
	return err
}

func (r *testbed) metadata(key string) *types.KeyMetadata {
	r.t.Helper()
	out, err := r.keys(open, admin, east).DescribeKey(r.t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.KeyMetadata
}

// KMS developer guide, "Importing key material" and "Delete imported key material".
func TestImportedMaterialExpiresAndComesBack(t *testing.T) {
	r := newTestbed(t)
	sm, key := r.secrets(open, admin, east), r.key(open, east, external)
	if got := r.metadata(key); got.KeyState != types.KeyStatePendingImport || got.Origin != types.OriginTypeExternal || got.ExpirationModel != "" {
		t.Errorf("before the import: %s, %s, %s", got.KeyState, got.Origin, got.ExpirationModel)
	}
	own := bytes.Repeat([]byte("k"), 32)
	until := r.clock().AddDate(0, 0, 30)
	if err := r.importMaterial(key, own, until); err != nil {
		t.Fatal(err)
	}
	if got := r.metadata(key); got.KeyState != types.KeyStateEnabled || got.ExpirationModel != types.ExpirationModelTypeKeyMaterialExpires || !got.ValidTo.Equal(until) {
		t.Errorf("imported: %s, %s, until %v", got.KeyState, got.ExpirationModel, got.ValidTo)
	}
	record := r.last("ImportKeyMaterial")["requestParameters"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"keyId": key, "expirationModel": "KEY_MATERIAL_EXPIRES", "validTo": "Oct 1, 2026, 12:00:00 PM"}, record); diff != "" {
		t.Errorf("recorded: %s", diff)
	}
	arn := r.create(sm, "prod/db", under(key))

	r.later(31 * 24 * time.Hour)
	r.Elapse()
	if got := r.metadata(key); got.KeyState != types.KeyStatePendingImport || got.ValidTo != nil || got.ExpirationModel != "" {
		t.Errorf("expired: %s, %s, until %v", got.KeyState, got.ExpirationModel, got.ValidTo)
	}
	event := r.last("DeleteExpiredKeyMaterial")
	if diff := cmp.Diff([]any{map[string]any{"accountId": open, "ARN": key, "type": "AWS::KMS::Key"}}, event["resources"]); diff != "" || event["eventType"] != "AwsServiceEvent" {
		t.Errorf("the event %s: %s", event["eventType"], diff)
	}
	if got := r.read(sm, arn); got != "[DecryptionFailure]" {
		t.Errorf("a value under a key without material: %s", got)
	}
	for name, call := range map[string]func(*string) error{
		"EnableKey": func(id *string) error {
			_, err := r.keys(open, admin, east).EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: id})
			return err
		},
		"DisableKey": func(id *string) error {
			_, err := r.keys(open, admin, east).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: id})
			return err
		},
	} {
		if err := call(&key); code(err) != "KMSInvalidStateException" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := r.importMaterial(key, bytes.Repeat([]byte("x"), 32), time.Time{}); code(err) != "IncorrectKeyMaterialException" {
		t.Errorf("other material: got %v", err)
	}
	if err := r.importMaterial(key, own, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := r.metadata(key); r.read(sm, arn) != "first" || got.ExpirationModel != types.ExpirationModelTypeKeyMaterialDoesNotExpire || got.ValidTo != nil {
		t.Errorf("with the same material again: %s, %s, until %v", r.read(sm, arn), got.ExpirationModel, got.ValidTo)
	}
	if _, err := r.keys(open, admin, east).DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(sm, arn); got != "[DecryptionFailure]" || r.metadata(key).KeyState != types.KeyStatePendingImport {
		t.Errorf("deleted: %s", got)
	}
}

func TestWhatCannotBeImported(t *testing.T) {
	r := newTestbed(t)
	plain := bytes.Repeat([]byte("k"), 32)
	for name, test := range map[string]struct {
		key   string
		plain []byte
		until time.Time
		want  string
	}{
		"material that has expired":  {r.key(open, east, external), plain, r.clock().Add(-time.Hour), "ValidationException"},
		"for more than a year":       {r.key(open, east, external), plain, r.clock().AddDate(2, 0, 0), "ValidationException"},
		"material that is too short": {r.key(open, east, external), plain[:16], time.Time{}, "IncorrectKeyMaterialException"},
	} {
		if err := r.importMaterial(test.key, test.plain, test.until); code(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	own := r.key(open, east)
	if _, err := r.keys(open, admin, east).DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &own}); code(err) != "UnsupportedOperationException" {
		t.Errorf("of a key of KMS's own: got %v", err)
	}
}

// KMS developer guide, "Disconnect a custom key store": its keys cannot be used.
func TestKeysInACustomKeyStoreThatIsDisconnected(t *testing.T) {
	r := newTestbed(t)
	sm, keys := r.secrets(open, admin, east), r.keys(open, admin, east)
	made, err := keys.CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{CustomKeyStoreName: aws.String("hsm"), CloudHsmClusterId: aws.String("cluster-1a23b4cdefg"),
		KeyStorePassword: aws.String("kmsPswd"), TrustAnchorCertificate: aws.String("certificate")})
	if err != nil {
		t.Fatal(err)
	}
	inStore := func(in *kms.CreateKeyInput) {
		in.Origin, in.CustomKeyStoreId = types.OriginTypeAwsCloudhsm, made.CustomKeyStoreId
	}
	_, err = keys.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeAwsCloudhsm, CustomKeyStoreId: made.CustomKeyStoreId})
	if code(err) != "CustomKeyStoreInvalidStateException" {
		t.Errorf("a key in a store that is not connected: %v", err)
	}
	if _, err := keys.ConnectCustomKeyStore(t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}); err != nil {
		t.Fatal(err)
	}
	key, dying := r.key(open, east, inStore), r.key(open, east, inStore)
	if _, err := keys.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &dying}); err != nil {
		t.Fatal(err)
	}
	arn := r.create(sm, "prod/db", under(key))
	if got := r.metadata(key); got.KeyState != types.KeyStateEnabled || *got.CustomKeyStoreId != *made.CustomKeyStoreId || r.read(sm, arn) != "first" {
		t.Errorf("connected: %s in %s", got.KeyState, *got.CustomKeyStoreId)
	}
	if _, err := keys.DisconnectCustomKeyStore(t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}); err != nil {
		t.Fatal(err)
	}
	if got := [3]string{string(r.metadata(key).KeyState), string(r.metadata(dying).KeyState), r.read(sm, arn)}; got != [3]string{"Unavailable", "PendingDeletion", "[DecryptionFailure]"} {
		t.Errorf("disconnected: %v", got)
	}
	stores, err := keys.DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{})
	if err != nil || len(stores.CustomKeyStores) != 1 || stores.CustomKeyStores[0].ConnectionState != types.ConnectionStateTypeDisconnected {
		t.Errorf("stores %v, %v", stores, err)
	}
	if _, err := keys.ConnectCustomKeyStore(t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}); err != nil || r.read(sm, arn) != "first" {
		t.Errorf("connected again: %v", err)
	}
}
