package trail_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	ocsf := func(api, rest string) string {
		return `{"class_uid":6003,"time":1790000000000,"metadata":{"uid":"e","event_code":"AwsApiCall"},"cloud":{"region":"eu-west-1"},"actor":{"user":{"uid":"x"}},"api":{"operation":"DisableRule","service":{"name":"events.amazonaws.com"}` + api + `}` + rest + `}`
	}
	ecs := func(outcome, rest string) string {
		return `{"@timestamp":"2026-09-20T10:00:00Z","event":{"provider":"events.amazonaws.com","action":"DisableRule"` + outcome + `},"aws":{"cloudtrail":{"event_version":"1.08"` + rest + `}}}`
	}
	for sentence, test := range map[string]struct {
		in   string
		want trail.Kind
		why  string
	}{
		"whether a secret was created":                      {table("eventname,eventsource,requestparameters", `CreateSecret,`+sm+`,{name=a}`), trail.Unknown, "no errorCode"},
		"the same in Lake":                                  {lake("eventName,eventSource,requestParameters", `CreateSecret,`+sm+`,{name=a}`), trail.Unknown, "no errorCode"},
		"the same in lines of JSON":                         {`{"eventName":"CreateSecret","eventSource":"` + sm + `","requestParameters":"{name=a}"}`, trail.Unknown, "no errorCode"},
		"the same without a single object":                  {`{"eventName":"CreateSecret","eventSource":"` + sm + `","awsRegion":"eu-west-1"}`, trail.Unknown, "no errorCode"},
		"whether a value was read":                          {table("eventname,eventsource,requestparameters", `GetSecretValue,`+sm+`,{secretId=a}`), trail.Unknown, "no errorCode"},
		"whether a trail was stopped":                       {table("eventname,eventsource,requestparameters", `StopLogging,cloudtrail.amazonaws.com,{name=a}`), trail.Unknown, "no errorCode"},
		"which key was disabled":                            {table("eventname,eventsource,errorcode", `DisableKey,`+kms+`,`), trail.Unknown, "which key"},
		"which secret was read":                             {table("eventname,eventsource,errorcode", `GetSecretValue,`+sm+`,`), trail.Unknown, "which secret"},
		"which rule was switched off":                       {table("eventname,eventsource,errorcode", `DisableRule,events.amazonaws.com,`), trail.Unknown, "which rule"},
		"whether our deployment wrote a rule":               {table("eventname,eventsource,errorcode,requestparameters", `PutRule,events.amazonaws.com,,{name=doublelock-x}`), trail.Unknown, "whether our own deployment"},
		"whether a secret was decrypted":                    {table("eventname,eventsource,errorcode,resources", `Decrypt,`+kms+`,,"[{arn=arn:aws:kms:eu-west-1:111122223333:key/1, type=AWS::KMS::Key}]"`), trail.Unknown, "whether a secret was read"},
		"whether Secrets Manager was denied":                {table("eventname,eventsource,errorcode,requestparameters", `Decrypt,`+kms+`,AccessDenied,{keyId=1}`), trail.Unknown, "whether Secrets Manager called"},
		"whether a rotation was the service's":              {table("eventname,eventsource,errorcode", `RotationSucceeded,`+sm+`,`), trail.Unknown, "no eventType"},
		"an empty errorCode is none":                        {table("eventname,eventsource,errorcode,requestparameters", `CreateSecret,`+sm+`,,{name=a}`), trail.LookAtSecret, "created"},
		"an errorCode is one":                               {table("eventname,eventsource,errorcode,requestparameters", `CreateSecret,`+sm+`,AccessDenied,{name=a}`), trail.AttemptDenied, "denied"},
		"what failed changed nothing, whatever it was":      {table("eventname,eventsource,errorcode", `DisableKey,`+kms+`,AccessDenied`), trail.Ignored, "nothing changed"},
		"a response is no failure":                          {table("eventname,eventsource,requestparameters,responseelements", `CreateSecret,`+sm+`,{name=a},{arn=a}`), trail.LookAtSecret, "created"},
		"an empty response may be one":                      {table("eventname,eventsource,requestparameters,responseelements", `CreateSecret,`+sm+`,{name=a},null`), trail.Unknown, "no errorCode"},
		"a row that is cut short does not say if it failed": {table("eventname,eventsource,requestparameters,errorcode", `CreateSecret,`+sm+`,{name=a}`), trail.Unknown, "no errorCode"},
		"nor which rule it is about":                        {table("eventname,eventsource,errorcode,requestparameters", `DisableRule,events.amazonaws.com,`), trail.Unknown, "which rule"},
		"nor does OCSF without the request":                 {ocsf(``, `,"status":"Success"`), trail.Unknown, "which rule"},
		"nor with other members that it has no name for":    {ocsf(``, `,"status":"Success","unmapped":{"eventType":"AwsApiCall"}`), trail.Unknown, "which rule"},
		"OCSF that has it does":                             {ocsf(`,"request":{"data":"{\"name\":\"doublelock-x\"}"}`, `,"status":"Success"`), trail.Tamper, "switched off"},
		"OCSF does not say that it succeeded":               {ocsf(`,"request":{"data":"{\"name\":\"doublelock-x\"}"}`, ``), trail.Unknown, "no errorCode"},
		"it says that it failed, and not why":               {ocsf(`,"request":{"data":"{\"name\":\"doublelock-x\"}"}`, `,"status":"Failure"`), trail.Unknown, "no errorCode"},
		"nor does ECS without the request":                  {ecs(`,"outcome":"success"`, ``), trail.Unknown, "which rule"},
		"ECS that has it does":                              {ecs(`,"outcome":"success"`, `,"request_parameters":"{name=doublelock-x}"`), trail.Tamper, "switched off"},
		"ECS does not say that it succeeded":                {ecs(``, `,"request_parameters":"{name=doublelock-x}"`), trail.Unknown, "no errorCode"},
		"what reads metadata does no more where it fails":   {table("eventname,eventsource", `DescribeSecret,`+sm), trail.Ignored, "metadata"},
		"a whole record of which nulls were left out":       {`{"eventname":"CreateSecret","eventsource":"` + sm + `","requestparameters":"{name=a}",` + whole + `}`, trail.LookAtSecret, "created"},
		"a record as CloudTrail writes it":                  {`{"eventVersion":"1.11","eventName":"CreateSecret","eventSource":"` + sm + `","requestParameters":{"name":"a"}}`, trail.LookAtSecret, "created"},
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

// What an export has says something in whichever shape it has it: a column, parts of an object as columns, or a member of a record.
func TestWhatAnExportHasIsNotMissing(t *testing.T) {
	const call = `"eventName":"GetSecretValue","eventSource":"secretsmanager.amazonaws.com"`
	const columns = "awsRegion errorCode eventTime eventType requestParameters resources responseElements sourceIPAddress userAgent userIdentity userIdentity.invokedBy vpcEndpointId"
	without := func(all string, names ...string) string {
		for _, name := range names {
			all = strings.Replace(" "+all+" ", " "+name+" ", " ", 1)
			all = strings.TrimSpace(all)
		}
		return all
	}
	for sentence, test := range map[string]struct{ in, missing string }{
		"a column":                             {`{` + call + `,"userAgent":"x"}`, without(columns, "userAgent")},
		"the Region by its other name":         {`{` + call + `,"region":"eu-west-1"}`, without(columns, "awsRegion")},
		"parts of the request are not all":     {`{` + call + `,"requestParameters.secretId":"a"}`, columns},
		"some resources are not all":           {`{` + call + `,"resources.0.ARN":"a"}`, columns},
		"some of them in a whole record":       {`{` + call + `,"resources.0.ARN":"a","eventVersion":"1","userIdentity":"{arn=a}","eventTime":"2026-05-04T07:01:00Z","awsRegion":"eu-west-1","sourceIPAddress":"x","eventID":"e","eventType":"AwsApiCall"}`, "resources"},
		"parts of it in a whole record":        {`{` + call + `,"requestParameters.secretId":"a","eventVersion":"1","userIdentity":"{arn=a}","eventTime":"2026-05-04T07:01:00Z","awsRegion":"eu-west-1","sourceIPAddress":"x","eventID":"e","eventType":"AwsApiCall"}`, "requestParameters"},
		"tags that are no objects":             {`{` + call + `,"requestParameters":"{\"secretId\":\"a\",\"tags\":\"a b\"}"}`, columns},
		"a tag that is none":                   {`{` + call + `,"requestParameters":"{\"secretId\":\"a\",\"tags\":[\"a b\"]}"}`, columns},
		"tags as a text of JSON":               {`{` + call + `,"requestParameters":"{\"secretId\":\"a\",\"tags\":\"[]\"}"}`, without(columns, "requestParameters")},
		"a member, as an object":               {`{` + call + `,"userIdentity":{}}`, without(columns, "userAgent", "userIdentity", "userIdentity.invokedBy", "vpcEndpointId")},
		"a member, as a list":                  {`{` + call + `,"resources":[]}`, without(columns, "userAgent", "resources", "vpcEndpointId")},
		"an envelope":                          {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.secretsmanager","detail":{"eventVersion":"1.11",` + call + `}}`, ""},
		"the response":                         {`{` + call + `,"responseElements":"{\"a\":1}"}`, without(columns, "errorCode", "responseElements")},
		"a response with nothing in it":        {`{` + call + `,"responseElements":"{}"}`, without(columns, "responseElements")},
		"parts of a response":                  {`{` + call + `,"responseElements.arn":"a"}`, without(columns, "errorCode", "responseElements")},
		"parts of none":                        {`{` + call + `,"responseElements.arn":""}`, without(columns, "responseElements")},
		"parts of none, as null":               {`{` + call + `,"responseElements.arn":"null"}`, without(columns, "responseElements")},
		"parts of none, as a dash":             {`{` + call + `,"responseElements.arn":"-"}`, without(columns, "responseElements")},
		"an object that is no response":        {`{` + call + `,"additionalEventData":"{\"a\":1}"}`, columns},
		"an object with text behind it":        {`{` + call + `,"requestParameters":"{secretId=a} b"}`, columns},
		"a dash in place of an object":         {`{` + call + `,"requestParameters":"-"}`, without(columns, "requestParameters")},
		"nothing in place of an object":        {`{` + call + `,"requestParameters":""}`, without(columns, "requestParameters")},
		"null in place of an object":           {`{` + call + `,"requestParameters":"null"}`, without(columns, "requestParameters")},
		"a null of JSON in place of an object": {`{` + call + `,"requestParameters":null}`, without(columns, "requestParameters")},
	} {
		if diff := cmp.Diff(test.missing, strings.Join(slices.Sorted(slices.Values(one(t, test.in).Change.Missing)), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// A row of a table may have eventVersion, too: objects that are texts, or columns with a dot, make it one.
func TestARowWithAVersionIsNoRecord(t *testing.T) {
	const call = `"eventVersion":"1.11","eventName":"CreateSecret","eventSource":"secretsmanager.amazonaws.com"`
	for sentence, in := range map[string]string{
		"the request is a text":    call + `,"requestParameters":"{\"name\":\"a\"}"`,
		"the response is a text":   call + `,"requestParameters":{"name":"a"},"responseElements":"{\"arn\":\"a\"}"`,
		"the identity is a text":   call + `,"requestParameters":{"name":"a"},"userIdentity":"{\"arn\":\"arn:aws:iam::111122223333:user/a\"}"`,
		"parts are columns":        call + `,"requestParameters.name":"a"`,
		"the record is one of two": call + `,"_raw":"{\"eventVersion\":\"1.11\",\"eventName\":\"CreateSecret\",\"eventSource\":\"secretsmanager.amazonaws.com\",\"requestParameters\":{\"name\":\"a\"}}"`,
	} {
		c := one(t, "{"+in+"}").Change
		identity, response := strings.Contains(sentence, "identity"), strings.Contains(sentence, "response")
		if c.Secret.ID != "a" || identity && c.Actor.ARN != "arn:aws:iam::111122223333:user/a" || response && c.Lacks("errorCode") {
			t.Errorf("%s: %+v", sentence, c)
		}
	}
}

// That a value was read is known, and by whom is not: that is no evidence against anybody, and none that nobody reads.
func TestAReadByNobodyKnownMayBeAnybodys(t *testing.T) {
	const call = `"eventname":"GetSecretValue","eventsource":"secretsmanager.amazonaws.com","errorcode":"","requestparameters":"{secretId=a}","responseelements":"null"`
	for sentence, test := range map[string]struct {
		in   string
		read bool
		may  bool
	}{
		"nobody is named":               {call, true, true},
		"somebody is":                   {call + `,"useridentity":"{arn=arn:aws:iam::111122223333:user/a}"`, true, false},
		"it was refused":                {strings.Replace(call, `"errorcode":""`, `"errorcode":"AccessDenied"`, 1), false, false},
		"it is no read, nobody's named": {strings.Replace(call, "GetSecretValue", "CreateSecret", 1), false, false},
	} {
		if c := one(t, "{"+test.in+"}").Change; c.Read != test.read || c.MayRead != test.may || c.Kind == trail.Unknown {
			t.Errorf("%s: %+v", sentence, c)
		}
	}
}
