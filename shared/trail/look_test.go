package trail_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

func TestALookComesBackAsItWasSent(t *testing.T) {
	want := trail.Look{
		Secret: guard.SecretRef{Account: "111122223333", Region: "eu-central-1", ID: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a\"<b>-AbCdEf"},
		Cause:  guard.Cause{Actor: "arn:aws:iam::111122223333:role/x", Tool: "terraform", EventID: "e1"},
		Led:    guard.AliasEntry("arn:aws:kms:eu-central-1:111122223333:alias/shop"),
	}
	got, is, err := trail.ReadLook([]byte(want.Body()))
	if diff := cmp.Diff(want, got); diff != "" || !is || err != nil {
		t.Errorf("%v, %v\n%s", is, err, diff)
	}
}

func TestWhatIsNoLookIsLeftToWhoeverReadsEvents(t *testing.T) {
	for sentence, raw := range map[string]string{
		"an event of AWS that has its words": `{"source":"aws.kms","detail-type":"AWS API Call via CloudTrail","detail":{"userAgent":"Doublelock Look"}}`,
		"a look of another source":           `{"source":"somebody","detail-type":"Doublelock Look","detail":{"secret":"a","account":"1","region":"r"}}`,
		"its detail-type in another one's":   `{"source":"doublelock","detail-type":"Doublelock Look ","detail":{"secret":"a","account":"1","region":"r"}}`,
		"something that is no JSON":          `Doublelock Look`,
		"a task of the hub":                  `{"source":"doublelock","detail-type":"Doublelock Schedule","detail":{"task":"sweep"}}`,
		"another shape of the same detail":   `{"source":"doublelock","detail-type":"Doublelock Look","detail":[]}`,
	} {
		if _, is, err := trail.ReadLook([]byte(raw)); is || err != nil {
			t.Errorf("%s: %v, %v", sentence, is, err)
		}
	}
	for _, detail := range []string{`{"secret":"a"}`, `{"secret":"a","account":"1"}`, `{"secret":"a","region":"r"}`, `{"account":"1","region":"r"}`} {
		if _, is, err := trail.ReadLook([]byte(`{"source":"doublelock","detail-type":"Doublelock Look","detail":` + detail + `}`)); !is || err == nil {
			t.Errorf("a look at %s, which names no secret in a location: %v, %v", detail, is, err)
		}
	}
}

func TestAnAliasEventNamesTheAliasAndWhereItIs(t *testing.T) {
	const head = `{"eventSource":"kms.amazonaws.com","eventType":"AwsApiCall","awsRegion":"eu-central-1","recipientAccountId":"111122223333",`
	for sentence, tt := range map[string]struct{ raw, want string }{
		"CreateAlias":                             {head + `"eventName":"CreateAlias","requestParameters":{"aliasName":"alias/shop","targetKeyId":"k"}}`, "arn:aws:kms:eu-central-1:111122223333:alias/shop"},
		"UpdateAlias":                             {head + `"eventName":"UpdateAlias","requestParameters":{"aliasName":"alias/shop","targetKeyId":"k"}}`, "arn:aws:kms:eu-central-1:111122223333:alias/shop"},
		"DeleteAlias, which names no key":         {head + `"eventName":"DeleteAlias","requestParameters":{"aliasName":"alias/shop"}}`, "arn:aws:kms:eu-central-1:111122223333:alias/shop"},
		"by its resource alone":                   {head + `"eventName":"DeleteAlias","resources":[{"type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-central-1:111122223333:alias/shop"}]}`, "arn:aws:kms:eu-central-1:111122223333:alias/shop"},
		"another call under the name of an alias": {head + `"eventName":"DescribeKey","requestParameters":{"aliasName":"alias/shop"}}`, ""},
	} {
		if c, err := trail.Decode([]byte(tt.raw)); err != nil || c.Alias != tt.want {
			t.Errorf("%s: %q, %v; want %q", sentence, c.Alias, err, tt.want)
		}
	}
}
