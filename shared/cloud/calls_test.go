package cloud_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
)

// A look costs a call for the secret, one for each page of its versions, and one for each key that is not remembered.
func TestALookMakesNoMoreCallsThanItsKeysNeed(t *testing.T) {
	f := describing(object{"ARN": secretARN, "Name": "app/db", "KmsKeyId": keyARN, "ReplicationStatus": []object{{"Region": "eu-west-1", "Status": "InSync"}, {"Region": "eu-west-2", "Status": "Failed"}}},
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
	for operation, want := range map[string]int{"DescribeSecret": 2, "ListSecretVersionIds": 4, "DescribeKey": 1} {
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
