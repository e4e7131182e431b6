package cloud_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

// What decides which keys open each copy of a value.
func TestContractCopies(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a re-key leaves labels of the owner's own":                 ownLabelsStay,
		"an alias that moves takes new versions along alone":        aliasMoves,
		"a replica's key is changed in its own Region":              replicaRekeyed,
		"a replica that is promoted keeps its value":                replicaPromoted,
		"a replication that fails says why, and can be tried again": replicationFails,
		"what a replica has is read after its replication failed":   failedReplicaIsRead,
		"a secret is made with its replicas":                        madeWithReplicas,
		"a managed external secret is rotated by a role":            externalSecret,
		"imported key material says when it expires":                materialExpires,
		"a key is in the custom key store that it was made in":      inCustomKeyStore,
		"a copy in another account is listed, with its key":         copiedToAnotherAccount,
	})
}

// opens are the keys of the versions that our reading finds, by label.
func opens(s guard.Secret) map[string][]string {
	found := map[string][]string{}
	for _, v := range s.Versions {
		for _, label := range v.Stages {
			for _, k := range v.Keys {
				found[label] = append(found[label], k.ARN)
			}
			slices.Sort(found[label])
		}
	}
	return found
}

// sorted is a list of keys as opens has it.
func sorted(keys ...string) []string { return slices.Sorted(slices.Values(keys)) }

func ownLabelsStay(t *testing.T, w *world) {
	account := w.account(t)
	older, newer := createKey(t, w, account, region, ""), createKey(t, w, account, region, "")
	create(t, w, account, "labelled", older)
	in := &secretsmanager.PutSecretValueInput{SecretId: aws.String("labelled"), SecretString: aws.String("kept"), VersionStages: []string{"last-year"}}
	if _, err := w.secrets(t, account).PutSecretValue(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := secrets.New(w.cloud(t, nil)).Rekey(changing(t), at(account, "labelled"), newer); err != nil {
		t.Fatal(err)
	}
	w.expect(t, versionsListKeys, func(t testing.TB) {
		if diff := cmp.Diff(map[string][]string{"AWSCURRENT": sorted(older, newer), "last-year": {older}}, opens(describe(t, w, account, "labelled"))); diff != "" {
			t.Error(diff)
		}
	})
}

func aliasMoves(t *testing.T, w *world) {
	account := w.account(t)
	first, second := createKey(t, w, account, region, "alias/moves"), createKey(t, w, account, region, "")
	create(t, w, account, "aliased", "alias/moves")
	if _, err := w.kms(t, account, region).UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String("alias/moves"), TargetKeyId: &second}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.secrets(t, account).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("aliased"), SecretString: aws.String("new")}); err != nil {
		t.Fatal(err)
	}
	s := describe(t, w, account, "aliased")
	if s.KeyID != "alias/moves" || s.Key.ARN != second {
		t.Errorf("the secret names %q, which is %s: want alias/moves, which is %s", s.KeyID, s.Key.ARN, second)
	}
	w.expect(t, versionsListKeys, func(t testing.TB) {
		if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {second}, "AWSPREVIOUS": {first}}, opens(s)); diff != "" {
			t.Error(diff)
		}
	})
}

// spread is a secret with a replica in the other Region, under a key of that Region; "" is the AWS managed one.
func spread(t testing.TB, w *world, account, name, farKey string) {
	t.Helper()
	create(t, w, account, name, "")
	if err := secrets.New(w.cloud(t, nil)).AddReplica(changing(t), at(account, name), far, farKey); err != nil {
		t.Fatal(err)
	}
}

func (w *world) farSecrets(t testing.TB, account string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.config(t, account, far))
}

func replicaRekeyed(t *testing.T, w *world) {
	account := w.account(t)
	key := createKey(t, w, account, far, "")
	spread(t, w, account, "spread", "")
	w.expect(t, replicaKeyChanges, func(t testing.TB) {
		if _, err := w.farSecrets(t, account).UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("spread"), KmsKeyId: &key}); err != nil {
			t.Fatal(err)
		}
		if s := describe(t, w, account, "spread"); s.Replicas[0].Key.ARN != key || s.Key.Manager != guard.ManagerAWS {
			t.Errorf("the replica is under %+v, the primary under %+v", s.Replicas[0].Key, s.Key)
		}
	})
}

func replicaPromoted(t *testing.T, w *world) {
	account := w.account(t)
	spread(t, w, account, "spread", createKey(t, w, account, far, ""))
	w.expect(t, replicaIsPromoted, func(t testing.TB) {
		people := w.farSecrets(t, account)
		if _, err := people.StopReplicationToReplica(t.Context(), &secretsmanager.StopReplicationToReplicaInput{SecretId: aws.String("spread")}); err != nil {
			t.Fatal(err)
		}
		if s := describe(t, w, account, "spread"); len(s.Replicas) != 0 {
			t.Errorf("the primary still has %+v", s.Replicas)
		}
		read, err := people.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("spread")})
		if err != nil || aws.ToString(read.SecretString) != "not a secret" {
			t.Errorf("its value there: %v", err)
		}
		alone, err := people.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("spread")})
		if err != nil || aws.ToString(alone.PrimaryRegion) != "" {
			t.Errorf("it is a replica still: %v, %v", aws.ToString(alone.PrimaryRegion), err)
		}
	})
}

func replicationFails(t *testing.T, w *world) {
	account := w.account(t)
	if _, err := w.farSecrets(t, account).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("taken"), SecretString: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	create(t, w, account, "taken", "")
	w.expect(t, replicationsFail, func(t testing.TB) {
		if err := secrets.New(w.cloud(t, nil)).AddReplica(changing(t), at(account, "taken"), far, ""); err != nil {
			t.Fatal(err)
		}
		s := describe(t, w, account, "taken")
		if len(s.Replicas) != 1 || s.Replicas[0].Status != "Failed" || s.Replicas[0].StatusMessage == "" {
			t.Fatalf("replicas %+v", s.Replicas)
		}
		if r := s.Replicas[0]; r.Listing != guard.Listed || len(r.Versions) > 0 {
			t.Errorf("a replica that never came about, where another secret has the name, is said to be %q, with %+v", r.Listing, r.Versions)
		}
		again := &secretsmanager.ReplicateSecretToRegionsInput{SecretId: aws.String("taken"), ForceOverwriteReplicaSecret: true, AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String(far)}}}
		if _, err := w.secrets(t, account).ReplicateSecretToRegions(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if s := describe(t, w, account, "taken"); len(s.Replicas) != 1 || s.Replicas[0].Status != "InSync" {
			t.Errorf("tried again: %s of %d: %s", s.Replicas[0].Status, len(s.Replicas), s.Replicas[0].StatusMessage)
		}
	})
}

// What came before the failure is there, under the keys that it had.
func failedReplicaIsRead(t *testing.T, w *world) {
	account := w.account(t)
	key := createKey(t, w, account, far, "")
	spread(t, w, account, "stuck", key)
	w.expect(t, replicationsFail, func(t testing.TB) {
		if _, err := w.kms(t, account, far).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.secrets(t, account).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("stuck"), SecretString: aws.String("new")}); err != nil {
			t.Fatal(err)
		}
		r := describe(t, w, account, "stuck").Replicas[0]
		if r.Status != "Failed" || r.Listing != guard.Listed {
			t.Fatalf("it is %s, and its versions are %q: %+v", r.Status, r.Listing, r.Versions)
		}
		if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {key}}, opens(guard.Secret{Versions: r.Versions})); diff != "" {
			t.Error(diff)
		}
	})
}

func madeWithReplicas(t *testing.T, w *world) {
	account := w.account(t)
	w.create(t, account, &secretsmanager.CreateSecretInput{Name: aws.String("spread-at-birth"), SecretString: aws.String("not a secret"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String(far)}}})
	w.expect(t, replicatesWhenMade, func(t testing.TB) {
		if s := describe(t, w, account, "spread-at-birth"); len(s.Replicas) != 1 || s.Replicas[0].Region != far {
			t.Errorf("replicas %+v", s.Replicas)
		}
		if _, err := w.farSecrets(t, account).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("spread-at-birth")}); err != nil {
			t.Errorf("the replica: %v", err)
		}
	})
}

func externalSecret(t *testing.T, w *world) {
	account := w.account(t)
	role := "arn:aws:iam::" + account + ":role/rotates-external"
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	made := &iam.CreateRoleInput{RoleName: aws.String("rotates-external"), AssumeRolePolicyDocument: &trust}
	if _, err := iam.NewFromConfig(w.config(t, account, region)).CreateRole(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	w.expect(t, externalIsTyped, func(t testing.TB) {
		people := w.secrets(t, account)
		in := &secretsmanager.CreateSecretInput{Name: aws.String("crm"), SecretString: aws.String("x"), Type: aws.String("SalesforceClientSecret")}
		if _, err := people.CreateSecret(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if _, err := people.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: in.Name, ExternalSecretRotationRoleArn: &role}); err != nil {
			t.Fatal(err)
		}
		out, err := people.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: in.Name})
		if err != nil || aws.ToString(out.Type) != *in.Type || aws.ToString(out.ExternalSecretRotationRoleArn) != role {
			t.Errorf("type %q, role %q, %v", aws.ToString(out.Type), aws.ToString(out.ExternalSecretRotationRoleArn), err)
		}
		listed, err := people.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
		if err != nil || aws.ToString(listed.SecretList[0].Type) != *in.Type {
			t.Errorf("listed %+v, %v", listed, err)
		}
	})
}

func materialExpires(t *testing.T, w *world) {
	account := w.account(t)
	people := w.kms(t, account, region)
	made, err := people.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	if err != nil {
		t.Fatal(err)
	}
	if made.KeyMetadata.Origin != kmstypes.OriginTypeExternal {
		t.Errorf("origin %s", made.KeyMetadata.Origin)
	}
	id := made.KeyMetadata.KeyId
	w.expect(t, materialIsImported, func(t testing.TB) {
		in := importMaterial(t, people, made.KeyMetadata)
		out, err := people.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: id})
		if err != nil || out.KeyMetadata.KeyState != kmstypes.KeyStateEnabled || out.KeyMetadata.ExpirationModel != in.ExpirationModel || !aws.ToTime(out.KeyMetadata.ValidTo).Equal(*in.ValidTo) {
			t.Errorf("key %+v, %v", out.KeyMetadata, err)
		}
	})
}

// importMaterial gives a key material that expires in two days.
func importMaterial(t testing.TB, people *kms.Client, key *kmstypes.KeyMetadata) *kms.ImportKeyMaterialInput {
	t.Helper()
	given, err := people.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: key.KeyId, WrappingAlgorithm: kmstypes.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: kmstypes.WrappingKeySpecRsa2048})
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(given.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), bytes.Repeat([]byte("k"), 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	if key.CreationDate != nil { // by the double's clock
		until = key.CreationDate.Add(48 * time.Hour).UTC().Truncate(time.Second)
	}
	in := &kms.ImportKeyMaterialInput{KeyId: key.KeyId, ImportToken: given.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: kmstypes.ExpirationModelTypeKeyMaterialExpires, ValidTo: &until}
	if _, err := people.ImportKeyMaterial(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
}

func inCustomKeyStore(t *testing.T, w *world) {
	account := w.account(t)
	people := w.kms(t, account, region)
	w.expect(t, customStoresAreMade, func(t testing.TB) {
		made, err := people.CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{CustomKeyStoreName: aws.String("hsm"), CloudHsmClusterId: aws.String("cluster-1a23b4cdefg"),
			KeyStorePassword: aws.String("kmsPswd"), TrustAnchorCertificate: aws.String("certificate")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := people.ConnectCustomKeyStore(t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}); err != nil {
			t.Fatal(err)
		}
		key, err := people.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: kmstypes.OriginTypeAwsCloudhsm, CustomKeyStoreId: made.CustomKeyStoreId})
		if err != nil || aws.ToString(key.KeyMetadata.CustomKeyStoreId) != *made.CustomKeyStoreId {
			t.Fatalf("key %+v, %v", key, err)
		}
		if _, err := people.DisconnectCustomKeyStore(t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId}); err != nil {
			t.Fatal(err)
		}
		got, err := secrets.NewKeys(w.cloud(t, nil)).Describe(t.Context(), guard.KeyRef{Account: account, Region: region, ID: *key.KeyMetadata.Arn})
		if err != nil || got.State != guard.KeyUnavailable {
			t.Errorf("disconnected: %+v, %v", got, err)
		}
	})
}
