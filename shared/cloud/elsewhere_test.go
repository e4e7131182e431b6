package cloud_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

// The SDK drops what it does not know; what AWS says of copies in other accounts is read all the same.
func TestCopiesInOtherAccountsAreRead(t *testing.T) {
	const copied = "arn:aws:secretsmanager:eu-central-1:" + keyHome + ":secret:copy/db-AbCdEf"
	listed := []object{{"ReplicaSecretARN": copied, "ReplicationStatus": "InSync"}}
	own := guard.Key{ARN: keyARN, ID: "k", Account: member, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	central := guard.Key{ARN: centralARN, ID: "k", Account: keyHome, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	for name, test := range map[string]struct {
		says  any // CrossAccountReplicas; nil is left out
		fake  func(*fakeAWS)
		want  guard.Elsewhere
		calls int // of DescribeSecret
	}{
		"none is listed": {nil, nil, guard.Elsewhere{Listing: guard.Listed}, 1},
		"one is listed, and its key is read there": {listed, nil,
			guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: copied, Account: keyHome, Region: region, Status: "InSync", Key: central,
				Listing: guard.Listed, Versions: []guard.Version{{ID: "v1", Keys: []guard.Key{own}}}}}}, 2},
		"one is listed in an account that we may not enter": {listed, func(f *fakeAWS) { f.closeAccount(keyHome) },
			guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: copied, Account: keyHome, Region: region, Status: "InSync"}}}, 1},
		"one that failed": {[]object{{"ReplicaSecretARN": copied, "ReplicationStatus": "Failed", "StatusMessage": "no access"}}, func(f *fakeAWS) { f.closeAccount(keyHome) },
			guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: copied, Account: keyHome, Region: region, Status: "Failed", StatusMessage: "no access"}}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			secret := plainSecret()
			if test.says != nil {
				secret["CrossAccountReplicas"] = test.says
			}
			f := describing(secret, []object{{"VersionId": "v1", "KmsKeyIds": []string{keyARN}}})
			f.on["DescribeSecret"] = func(a asked) answer {
				if a.in["SecretId"] == copied {
					return answer{body: object{"ARN": copied, "KmsKeyId": centralARN}}
				}
				return answer{body: secret}
			}
			if test.fake != nil {
				test.fake(f)
			}
			got, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Elsewhere); diff != "" {
				t.Error(diff)
			}
			if n := len(f.made("DescribeSecret")); n != test.calls {
				t.Errorf("asked %d times, want %d", n, test.calls)
			}
		})
	}
}

// A copy is shown how its replication from the other account stands.
func TestHowTheReplicationToACopyStandsIsReadInItsOwnAccount(t *testing.T) {
	const primary = "arn:aws:secretsmanager:eu-central-1:" + keyHome + ":secret:db-AbCdEf"
	secret := plainSecret()
	secret["CrossAccountPrimary"] = object{"PrimarySecretARN": primary, "ReplicationStatus": "Failed", "StatusMessage": "no access"}
	got, err := secrets.New(describing(secret, []object{{"VersionId": "v1", "KmsKeyIds": []string{keyARN}}}).open(t, nil)).Describe(t.Context(), ref())
	if err != nil || got.CopyOf != primary || got.CopyStatus != "Failed" || got.CopyMessage != "no access" {
		t.Errorf("a copy of %q, %s: %s, %v", got.CopyOf, got.CopyStatus, got.CopyMessage, err)
	}
}

func TestAnAnswerOnCopiesThatCannotBeReadIsAnError(t *testing.T) {
	secret := plainSecret()
	secret["CrossAccountReplicas"] = "many"
	if _, err := secrets.New(describing(secret, []object{{"VersionId": "v1"}}).open(t, nil)).Describe(t.Context(), ref()); err == nil {
		t.Error("no error")
	}
}

func TestWhenAKeyDiesAndWhenItsMaterialExpiresAreRead(t *testing.T) {
	dies, expires := time.Date(2026, 12, 4, 12, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFake()
	f.on["DescribeKey"] = func(asked) answer {
		return answer{body: object{"KeyMetadata": object{"Arn": keyARN, "KeyId": "k", "KeyManager": "CUSTOMER", "KeyState": "PendingDeletion", "Origin": "EXTERNAL",
			"DeletionDate": dies.Unix(), "ValidTo": expires.Unix()}}}
	}
	got, err := secrets.NewKeys(f.open(t, nil)).Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: keyARN})
	if err != nil || !got.DeletionDate.Equal(dies) || !got.ValidTo.Equal(expires) || got.Origin != "EXTERNAL" {
		t.Errorf("key %+v, %v", got, err)
	}
}

// call makes a call to Secrets Manager that the SDK does not know, signed by the people of an account.
func (w *world) call(t testing.TB, account, operation string, in object) (object, error) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.endpoint, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	c, sum := w.admin(t, account), sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, request, hex.EncodeToString(sum[:]), "secretsmanager", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %.200s: %w", operation, answer.Status, text, err)
	}
	var out object
	return out, json.Unmarshal(text, &out)
}

func copiedToAnotherAccount(t *testing.T, w *world) {
	owner, other := w.account(t), w.account(t)
	key := createKey(t, w, owner, region, "")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + owner + `:root","arn:aws:iam::` + other + `:root"]},"Action":"kms:*","Resource":"*"}]}`
	made, err := w.kms(t, other, region).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	primary := create(t, w, owner, "shared", key)
	w.expect(t, copiesAreListed, func(t testing.TB) {
		replica, err := w.call(t, other, "CreateSecret", object{"Name": "copy", "KmsKeyId": made.KeyMetadata.Arn, "CrossAccountPrimaryARN": primary, "ClientRequestToken": strings.Repeat("c", 32)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.call(t, owner, "AssociateCrossAccountReplica", object{"SecretId": primary, "CrossAccountReplicaARN": replica["ARN"]}); err != nil {
			t.Fatal(err)
		}
		s := describe(t, w, owner, primary)
		if len(s.Elsewhere.Copies) != 1 || s.Elsewhere.Listing != guard.Listed {
			t.Fatalf("copies %+v", s.Elsewhere)
		}
		if one := s.Elsewhere.Copies[0]; one.ARN != replica["ARN"] || one.Account != other || one.Status != "InSync" || one.Key.ARN != *made.KeyMetadata.Arn {
			t.Errorf("copy %+v", one)
		}
	})
}
