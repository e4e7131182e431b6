package keyreview_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/trail"
)

// What was recorded is a use of the key that the record names, of both where it names two.
func TestUsesOfARecord(t *testing.T) {
	const (
		one   = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		two   = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
		alice = "arn:aws:iam::111122223333:user/Alice"
	)
	resources := func(arns ...string) string {
		text := ""
		for i, a := range arns {
			if i > 0 {
				text += ","
			}
			text += `{"type":"AWS::KMS::Key","ARN":"` + a + `"}`
		}
		return "[" + text + "]"
	}
	use := func(key, action string) keyreview.Use {
		return keyreview.Use{Key: key, Principal: alice, Action: action}
	}
	for name, test := range map[string]struct {
		event, request, resources, more string
		want                            []keyreview.Use
	}{
		"Decrypt":                          {"Decrypt", `{}`, resources(one), "", []keyreview.Use{use(one, "kms:Decrypt")}},
		"Decrypt, by the key's id alone":   {"Decrypt", `{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}`, "[]", "", []keyreview.Use{use(one, "kms:Decrypt")}},
		"Decrypt, by an alias alone":       {"Decrypt", `{"keyId":"alias/app"}`, "[]", "", nil},
		"DescribeKey gets at nothing":      {"DescribeKey", `{}`, resources(one), "", nil},
		"Decrypt that failed":              {"Decrypt", `{}`, resources(one), `,"errorCode":"AccessDenied"`, nil},
		"ReEncrypt that failed":            {"ReEncrypt", `{}`, resources(one, two), `,"errorCode":"AccessDenied"`, nil},
		"ReEncrypt from one to another":    {"ReEncrypt", `{"destinationKeyId":"0987dcba-09fe-87dc-65ba-ab0987654321"}`, resources(one, two), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt to an alias":            {"ReEncrypt", `{"destinationKeyId":"alias/app"}`, resources(one, two), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt under one key":          {"ReEncrypt", `{"sourceKeyId":"` + one + `","destinationKeyId":"` + one + `"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(one, "kms:ReEncryptTo")}},
		"ReEncrypt, the owner of a source": {"ReEncrypt", `{"destinationKeyId":"arn:aws:kms:eu-west-1:444455556666:key/other"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom")}},
		"ReEncrypt, the owner of a destination": {"ReEncrypt", `{"sourceKeyId":"arn:aws:kms:eu-west-1:444455556666:key/other","destinationKeyId":"` + two + `"}`, resources(two), "",
			[]keyreview.Use{use(two, "kms:ReEncryptTo")}},
		"ReEncrypt, one side, to an alias":   {"ReEncrypt", `{"destinationKeyId":"alias/app"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(one, "kms:ReEncryptTo")}},
		"ReEncrypt without resources":        {"ReEncrypt", `{"sourceKeyId":"` + one + `","destinationKeyId":"` + two + `"}`, "[]", "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt that says nothing at all": {"ReEncrypt", `{}`, "[]", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
				`"userIdentity":{"type":"IAMUser","arn":%q,"accountId":"111122223333","userName":"Alice"},"requestParameters":%s,"resources":%s%s}`, test.event, alice, test.request, test.resources, test.more)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, keyreview.UsesOf(c)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}
