package trail_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

// A query selects what it likes: a column that is not there says nothing, and one that is there and empty says that there is
// none. Source: CloudTrail User Guide, "CloudTrail record contents", errorCode and responseElements.
func TestAColumnThatAQueryDidNotSelectIsNotKnown(t *testing.T) {
	table := func(columns, cells string) string { return columns + "\n" + cells }
	lake := func(columns, cells string) string {
		var row []string
		values := strings.Split(cells, ",")
		for i, name := range strings.Split(columns, ",") {
			row = append(row, `{`+quote(name)+`:`+quote(values[i])+`}`)
		}
		return `{"QueryStatus":"FINISHED","QueryResultRows":[[` + strings.Join(row, ",") + `]]}`
	}
	const sm, kms = "secretsmanager.amazonaws.com", "kms.amazonaws.com"
	whole := `"eventversion":"1.11","useridentity":{"type":"AssumedRole"},"eventtime":"2026-05-04T07:01:00Z","awsregion":"eu-west-1","sourceipaddress":"x","eventid":"e","eventtype":"AwsApiCall"`
	for sentence, test := range map[string]struct {
		in   string
		want trail.Kind
		why  string
	}{
		"whether a secret was created":                    {table("eventname,eventsource,requestparameters", `CreateSecret,`+sm+`,{name=a}`), trail.Unknown, "no errorCode"},
		"the same in Lake":                                {lake("eventName,eventSource,requestParameters", `CreateSecret,`+sm+`,{name=a}`), trail.Unknown, "no errorCode"},
		"the same in lines of JSON":                       {`{"eventName":"CreateSecret","eventSource":"` + sm + `","requestParameters":"{name=a}"}`, trail.Unknown, "no errorCode"},
		"the same without a single object":                {`{"eventName":"CreateSecret","eventSource":"` + sm + `","awsRegion":"eu-west-1"}`, trail.Unknown, "no errorCode"},
		"whether a value was read":                        {table("eventname,eventsource,requestparameters", `GetSecretValue,`+sm+`,{secretId=a}`), trail.Unknown, "no errorCode"},
		"whether a trail was stopped":                     {table("eventname,eventsource,requestparameters", `StopLogging,cloudtrail.amazonaws.com,{name=a}`), trail.Unknown, "no errorCode"},
		"which key was disabled":                          {table("eventname,eventsource,errorcode", `DisableKey,`+kms+`,`), trail.Unknown, "which key"},
		"which secret was read":                           {table("eventname,eventsource,errorcode", `GetSecretValue,`+sm+`,`), trail.Unknown, "which secret"},
		"which rule was switched off":                     {table("eventname,eventsource,errorcode", `DisableRule,events.amazonaws.com,`), trail.Unknown, "which rule"},
		"whether a secret was decrypted":                  {table("eventname,eventsource,errorcode,resources", `Decrypt,`+kms+`,,"[{arn=arn:aws:kms:eu-west-1:111122223333:key/1, type=AWS::KMS::Key}]"`), trail.Unknown, "whether a secret was read"},
		"whether Secrets Manager was denied":              {table("eventname,eventsource,errorcode,requestparameters", `Decrypt,`+kms+`,AccessDenied,{keyId=1}`), trail.Unknown, "whether Secrets Manager called"},
		"whether a rotation was the service's":            {table("eventname,eventsource,errorcode", `RotationSucceeded,`+sm+`,`), trail.Unknown, "no eventType"},
		"an empty errorCode is none":                      {table("eventname,eventsource,errorcode,requestparameters", `CreateSecret,`+sm+`,,{name=a}`), trail.LookAtSecret, "created"},
		"an errorCode is one":                             {table("eventname,eventsource,errorcode,requestparameters", `CreateSecret,`+sm+`,AccessDenied,{name=a}`), trail.AttemptDenied, "denied"},
		"what failed changed nothing, whatever it was":    {table("eventname,eventsource,errorcode", `DisableKey,`+kms+`,AccessDenied`), trail.Ignored, "nothing changed"},
		"a response is no failure":                        {table("eventname,eventsource,requestparameters,responseelements", `CreateSecret,`+sm+`,{name=a},{arn=a}`), trail.LookAtSecret, "created"},
		"an empty response may be one":                    {table("eventname,eventsource,requestparameters,responseelements", `CreateSecret,`+sm+`,{name=a},null`), trail.Unknown, "no errorCode"},
		"what reads metadata does no more where it fails": {table("eventname,eventsource", `DescribeSecret,`+sm), trail.Ignored, "metadata"},
		"a whole record of which nulls were left out":     {`{"eventname":"CreateSecret","eventsource":"` + sm + `","requestparameters":"{name=a}",` + whole + `}`, trail.LookAtSecret, "created"},
		"a record as CloudTrail writes it":                {`{"eventVersion":"1.11","eventName":"CreateSecret","eventSource":"` + sm + `","requestParameters":{"name":"a"}}`, trail.LookAtSecret, "created"},
	} {
		events := 0
		err := trail.Read(strings.NewReader(test.in), "in", func(r trail.Record) error {
			events++
			c := r.Change
			if c.Kind != test.want || !strings.Contains(c.Reason, test.why) {
				t.Errorf("%s: %s, %s", sentence, c.Kind, c.Reason)
			}
			if c.MayRead != (strings.HasPrefix(sentence, "which secret was read") || strings.HasPrefix(sentence, "whether a value") || strings.HasPrefix(sentence, "whether a secret was d")) {
				t.Errorf("%s: may be a read: %v", sentence, c.MayRead)
			}
			if c.Kind == trail.Unknown && (c.Rule != "" || c.Read || len(c.Missing) == 0) {
				t.Errorf("%s: something is known of it: %+v", sentence, c)
			}
			return r.Err
		})
		if err != nil || events != 1 {
			t.Errorf("%s: %d events, %v", sentence, events, err)
		}
	}
}
