package trail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/trail"
)

// What an event leaves out, or leaves empty, is taken from where else it stands.
func TestWhatAnEventLeavesOutIsTakenFromElsewhere(t *testing.T) {
	const noon = "2026-06-02T12:00:00Z"
	for sentence, c := range map[string]struct {
		event string
		want  func(trail.Change) (got, want any)
	}{
		"an empty account is that of who called": {`{"eventName":"A","eventSource":"ec2.amazonaws.com","recipientAccountId":"","userIdentity":{"accountId":"111122223333"}}`,
			func(c trail.Change) (any, any) { return c.Account, "111122223333" }},
		"an event without a source of its own has that of the envelope": {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.secretsmanager","detail":{"eventName":"PutSecretValue"}}`,
			func(c trail.Change) (any, any) { return c.EventSource, "secretsmanager.amazonaws.com" }},
		"an event without a time of its own has that of the envelope": {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.kms","time":"` + noon + `","detail":{"eventName":"Encrypt"}}`,
			func(c trail.Change) (any, any) { return c.Time.Format(time.RFC3339), noon }},
		"a type of event alone is an envelope": {`{"detail-type":"Scheduled Event"}`,
			func(c trail.Change) (any, any) { return c.Reason, "not a CloudTrail event" }},
		"a source that is not AWS's": {`{"source":"com.example","detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"CreateSecret"}}`,
			func(c trail.Change) (any, any) { return c.Reason, "not from AWS" }},
		"a key of another service is none of KMS's": {`{"eventName":"Decrypt","eventSource":"kms.amazonaws.com","resources":[{"ARN":"arn:aws:payment-cryptography:eu-west-1:111122223333:key/p"},{"ARN":"arn:aws:kms:eu-west-1:111122223333:key/k"}]}`,
			func(c trail.Change) (any, any) { return c.Key.ID, "arn:aws:kms:eu-west-1:111122223333:key/k" }},
		"what reads is said to read":       {`{"eventName":"A","eventSource":"ec2.amazonaws.com","readOnly":true}`, func(c trail.Change) (any, any) { return c.ReadOnly, true }},
		"what changes is not said to":      {`{"eventName":"A","eventSource":"ec2.amazonaws.com","readOnly":false}`, func(c trail.Change) (any, any) { return c.ReadOnly, false }},
		"a flag that is a word is not set": {`{"eventName":"A","eventSource":"ec2.amazonaws.com","readOnly":"true"}`, func(c trail.Change) (any, any) { return c.ReadOnly, false }},
	} {
		t.Run(sentence, func(t *testing.T) {
			change, err := trail.Decode([]byte(c.event))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := c.want(change); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestADecryptIsEvidenceOfAReaderOnlyWhereAValueWasRead(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf"
	decrypt := func(context string) string {
		return `{"eventName":"Decrypt","eventSource":"kms.amazonaws.com","requestParameters":{"encryptionContext":{` + context + `}}}`
	}
	for sentence, c := range map[string]struct {
		event string
		read  bool
	}{
		"for a version of a secret":                   {decrypt(`"SecretARN":"` + secret + `","SecretVersionId":"v1"`), true},
		"when Secrets Manager only tries the key out": {decrypt(`"SecretARN":"` + secret + `","SecretVersionId":"RequestToValidateKeyAccess"`), false},
		"for something that is no secret":             {decrypt(`"aws:s3:arn":"arn:aws:s3:::bucket"`), false},
	} {
		change, err := trail.Decode([]byte(c.event))
		if err != nil || change.Read != c.read {
			t.Errorf("%s: read is %v (%v), want %v", sentence, change.Read, err, c.read)
		}
	}
}

func TestADecryptThatWasDeniedOutsideSecretsManagerSaysSo(t *testing.T) {
	change, err := trail.Decode([]byte(`{"eventName":"Decrypt","eventSource":"kms.amazonaws.com","errorCode":"AccessDenied"}`))
	if want := "failed with AccessDenied, but not through Secrets Manager"; err != nil || change.Reason != want {
		t.Errorf("reason %q (%v), want %q", change.Reason, err, want)
	}
}

func TestALongMessageIsCutAndAShorterOneIsWhole(t *testing.T) {
	for length, whole := range map[int]bool{239: true, 240: true, 241: false} {
		change, err := trail.Decode(fmt.Appendf(nil, `{"eventName":"CreateSecret","eventSource":"secretsmanager.amazonaws.com","errorCode":"AccessDenied","errorMessage":%q}`, strings.Repeat("x", length)))
		if err != nil || strings.Contains(change.Reason, "…") == whole {
			t.Errorf("%d bytes: %v %q", length, err, change.Reason)
		}
	}
}
