package cloud_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
)

// A look costs a call for the secret, one for each page of its versions, there and in each Region where it is in sync, whatever key
// the replica names, and one for each key that is not remembered. Where a replication failed it asks what is there, too.
func TestALookMakesNoMoreCallsThanItsKeysNeed(t *testing.T) {
	managed, failed := object{"Region": "eu-west-3", "Status": "InSync"}, object{"Region": far, "Status": "Failed", "KmsKeyId": farARN}
	for name, test := range map[string]struct {
		replicas []object
		looks    int // of DescribeSecret, by two looks
		lists    int // of ListSecretVersionIds
		keys     int // of DescribeKey
	}{
		"no replica": {nil, 2, 4, 1},
		"one that failed, and one under the AWS managed key": {[]object{managed, failed}, 4, 6, 3},
		"one that is in sync under a customer managed key":   {[]object{{"Region": far, "Status": "InSync", "KmsKeyId": farARN}}, 2, 6, 2},
		"two of those, and one under the AWS managed key":    {[]object{managed, {"Region": far, "Status": "InSync", "KmsKeyId": farARN}, {"Region": "eu-west-3", "Status": "InSync", "KmsKeyId": farARN}}, 2, 10, 3},
	} {
		t.Run(name, func(t *testing.T) { twoLooks(t, test.replicas, test.looks, test.lists, test.keys) })
	}
}

const farARN = "arn:aws:kms:eu-west-1:111122223333:key/far"

func twoLooks(t *testing.T, replicas []object, described, lists, keys int) {
	t.Helper()
	f := describing(object{"ARN": secretARN, "Name": "app/db", "KmsKeyId": keyARN, "ReplicationStatus": replicas},
		[]object{
			{"VersionId": "v1", "VersionStages": []string{"AWSCURRENT"}, "KmsKeyIds": []string{keyARN, "DefaultEncryptionKey"}},
			{"VersionId": "v0", "VersionStages": []string{"AWSPREVIOUS"}, "KmsKeyIds": []string{keyARN}},
		})
	looks := secrets.New(f.open(t, nil))
	for range 2 {
		if _, err := looks.Describe(t.Context(), ref()); err != nil {
			t.Fatal(err)
		}
	}
	for operation, want := range map[string]int{"DescribeSecret": described, "ListSecretVersionIds": lists, "DescribeKey": keys} {
		if got := len(f.made(operation)); got != want {
			t.Errorf("%s was asked %d times by two looks, want %d", operation, got, want)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		switch c.operation {
		case "DescribeSecret", "ListSecretVersionIds", "DescribeKey", "AssumeRole", "GetCallerIdentity":
		default:
			t.Errorf("a look asks %s", c.operation)
		}
	}
}
