package trail_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/trail"
)

// A record whose members are missing or of another type than CloudTrail's is named with its place, or not known; what stands beside it
// is read. Source: CloudTrail User Guide, "CloudTrail record contents": what is not optional is in every record; types as in its examples.
func TestARecordThatIsNotAsCloudTrailWritesIt(t *testing.T) {
	const head = `"eventVersion":"1.11","userIdentity":{"type":"Root"},"eventID":"e","eventTime":"2026-05-04T07:01:00Z","awsRegion":"eu-west-1","sourceIPAddress":"x","eventType":"AwsApiCall","recipientAccountId":"111122223333",`
	sm, kms, events := `"eventSource":"secretsmanager.amazonaws.com",`, `"eventSource":"kms.amazonaws.com",`, `"eventSource":"events.amazonaws.com",`
	const read = `"eventName":"GetSecretValue","requestParameters":{"secretId":"a"},`
	without := func(member string) string {
		from := strings.Index(head, `"`+member+`"`)
		_, after, _ := strings.Cut(head[from:], ",")
		return head[:from] + after
	}
	for sentence, test := range map[string]struct{ record, want string }{
		"as it writes it":              {head + sm + read + `"errorCode":"AccessDenied"`, "denied_read"},
		"no service":                   {head + `"eventName":"StopLogging"`, `in:1: record 1: no event as CloudTrail writes them: it has no "eventSource", which says what service was called`},
		"an empty service":             {head + `"eventName":"StopLogging","eventSource":""`, `in:1: record 1: no event as CloudTrail writes them: it has no "eventSource", which says what service was called`},
		"a service that is a number":   {head + `"eventName":"StopLogging","eventSource":5`, "in:1: record 1: no event as CloudTrail writes them: eventSource is a number"},
		"a service that is a list":     {head + `"eventName":"StopLogging","eventSource":["cloudtrail.amazonaws.com"]`, "in:1: record 1: no event as CloudTrail writes them: eventSource is a list"},
		"an error that is a number":    {head + sm + read + `"errorCode":403`, "in:1: record 1: no event as CloudTrail writes them: errorCode is a number"},
		"an error that is an object":   {head + sm + read + `"errorCode":{"code":"AccessDenied"}`, "in:1: record 1: no event as CloudTrail writes them: errorCode is an object"},
		"an error that is true":        {head + sm + read + `"errorCode":true`, "in:1: record 1: no event as CloudTrail writes them: errorCode is a truth value"},
		"an error that is null":        {head + sm + read + `"errorCode":null`, "ignored"},
		"a time that is a number":      {head + sm + read + `"eventTime":1780000000`, "in:1: record 1: no event as CloudTrail writes them: eventTime is a number"},
		"an account that is a number":  {head + sm + read + `"recipientAccountId":111122223333`, "in:1: record 1: no event as CloudTrail writes them: recipientAccountId is a number"},
		"an identity that is a list":   {head + sm + read + `"userIdentity":[]`, "in:1: record 1: no event as CloudTrail writes them: userIdentity is a list"},
		"a request that is a number":   {head + sm + `"eventName":"GetSecretValue","requestParameters":7`, "in:1: record 1: no event as CloudTrail writes them: requestParameters is a number"},
		"a response that is a number":  {head + sm + read + `"responseElements":7`, "in:1: record 1: no event as CloudTrail writes them: responseElements is a number"},
		"resources that are an object": {head + sm + read + `"resources":{}`, "in:1: record 1: no event as CloudTrail writes them: resources is an object"},
		"no identity, and KMS denied":  {without("userIdentity") + kms + `"eventName":"Decrypt","errorCode":"AccessDenied","requestParameters":{}`, "unknown, whether Secrets Manager called"},
		"a null for an identity":       {head + `"userIdentity":null,` + kms + `"eventName":"Decrypt","errorCode":"AccessDenied","requestParameters":{}`, "unknown, whether Secrets Manager called"},
		"a word for an identity":       {head + `"userIdentity":"x",` + kms + `"eventName":"Decrypt","errorCode":"AccessDenied","requestParameters":{}`, "unknown, whether Secrets Manager called"},
		"no type":                      {without("eventType") + sm + `"eventName":"RotationSucceeded","requestParameters":{"secretId":"a"}`, "unknown, whether the service did this by itself"},
		"no request":                   {head + events + `"eventName":"DisableRule"`, "unknown, which rule it is about"},
		"a request that is null":       {head + events + `"eventName":"DisableRule","requestParameters":null`, "unknown, which rule it is about"},
		"one that CloudTrail left out": {head + events + `"eventName":"DisableRule","requestParameters":{"omitted":true}`, "unknown, which rule it is about"},
		"a word for a request":         {head + events + `"eventName":"DisableRule","requestParameters":"x"`, "unknown, which rule it is about"},
		"a record that somebody cut":   {without("eventVersion") + sm + read + `"x":{}`, "unknown, whether the call succeeded"},
		"one that was, with an answer": {without("eventVersion") + sm + `"eventName":"CreateSecret","requestParameters":{"name":"a"},"responseElements":{"arn":"a"}`, "look_at_secret"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got []string
			err := trail.Read(strings.NewReader(fmt.Sprintf(`{"Records":[{%s},{%s"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com","requestParameters":{"name":"t"}}]}`, test.record, head)), "in", func(r trail.Record) error {
				said := string(r.Change.Kind)
				if _, which, unknown := strings.Cut(r.Change.Reason, ", which says "); unknown {
					said += ", " + which
				}
				if r.Err != nil {
					said = r.Err.Error()
				}
				got = append(got, said)
				return nil
			})
			if diff := cmp.Diff([]string{test.want, "tamper"}, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Results that were put one behind the other have their header again, of the same columns or of others: that line is no event.
func TestAHeaderThatFollowsAgain(t *testing.T) {
	const stop, by = "StopLogging,cloudtrail.amazonaws.com,,{name=t}\n", "eventname,eventsource,errorcode,requestparameters\n"
	for sentence, in := range map[string]string{
		"the same":             by + stop + by + stop,
		"with its mark":        by + stop + "\ufeff" + by + stop,
		"in quotes":            by + stop + "\"eventname\",\"eventsource\",\"errorcode\",\"requestparameters\"\n" + stop,
		"other columns":        by + stop + "eventSource,eventName,requestParameters,errorCode\ncloudtrail.amazonaws.com,StopLogging,{name=t},\n",
		"a cell is called so":  "eventname,eventsource,errorcode,requestparameters,useragent\n" + strings.Repeat("StopLogging,cloudtrail.amazonaws.com,,{name=t},eventName\n", 2),
		"twice and at the end": by + by + stop + stop + by,
		"of Logs Insights":     "@timestamp,@message\n1,\"{\"\"eventVersion\"\":\"\"1\"\",\"\"eventName\"\":\"\"StopLogging\"\",\"\"eventSource\"\":\"\"cloudtrail.amazonaws.com\"\"}\"\n@timestamp,@message\n1,\"{\"\"eventVersion\"\":\"\"1\"\",\"\"eventName\"\":\"\"StopLogging\"\",\"\"eventSource\"\":\"\"cloudtrail.amazonaws.com\"\"}\"\n",
	} {
		var got []trail.Kind
		err := trail.Read(strings.NewReader(in), "in", func(r trail.Record) error {
			got = append(got, r.Change.Kind)
			return r.Err
		})
		if diff := cmp.Diff([]trail.Kind{trail.Tamper, trail.Tamper}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", sentence, err, diff)
		}
	}
}
