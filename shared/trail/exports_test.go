package trail_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

const (
	exported = `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/app/run","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/svc/app","userName":"app"}}},"eventTime":"2026-05-04T07:01:00Z","eventSource":"secretsmanager.amazonaws.com","eventName":"CreateSecret","awsRegion":"eu-west-1","requestParameters":{"name":"shop/db","description":"a, b={c}"},"responseElements":{"arn":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"},"eventID":"e1","eventType":"AwsApiCall","recipientAccountId":"111122223333"}`
	// of the same event, as Athena prints it
	identityStruct = `{type=AssumedRole, principalid=null, arn=arn:aws:sts::111122223333:assumed-role/app/run, accountid=111122223333, sessioncontext={attributes=null, sessionissuer={type=Role, arn=arn:aws:iam::111122223333:role/svc/app, username=app}}}`
	response       = `{"arn":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"}`
	request        = `{"name":"shop/db","description":"a, b={c}"}`
)

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func inCSV(cells ...string) string {
	for i := range cells {
		cells[i] = `"` + strings.ReplaceAll(cells[i], `"`, `""`) + `"`
	}
	return strings.Join(cells, ",")
}

func envelope(record string) string {
	return `{"version":"0","id":"i","detail-type":"AWS API Call via CloudTrail","source":"aws.secretsmanager","account":"111122223333","time":"2026-05-04T07:01:00Z","region":"eu-west-1","resources":[],"detail":` + record + `}`
}

func subscription(messages ...string) string {
	events := make([]string, len(messages))
	for i, m := range messages {
		events[i] = fmt.Sprintf(`{"id":"%d","timestamp":1,"message":%s}`, i, quote(m))
	}
	return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`
}

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func utf16Text(s string, first, second int) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		pair := [2]byte{byte(unit), byte(unit >> 8)}
		out = append(out, pair[first], pair[second])
	}
	return string(out)
}

// exports are all shapes in which CloudTrail was seen exported, each with as many of the event above.
func exports(t testing.TB) map[string]struct {
	in     string
	events int
} {
	zip := func(s string) string { return string(zipped(t, s)) }
	sns := `{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":` + quote(envelope(exported)) + `}`
	ocsf := `{"class_uid":6003,"time":1777878060000,"metadata":{"uid":"e1","event_code":"AwsApiCall"},"api":{"operation":"CreateSecret","service":{"name":"secretsmanager.amazonaws.com"},"request":{"data":` + quote(request) + `},"response":{"data":` + quote(response) + `}},"actor":{"user":{"type":"AssumedRole","uid":"arn:aws:sts::111122223333:assumed-role/app/run","account":{"uid":"111122223333"}},"session":{"issuer":"arn:aws:iam::111122223333:role/svc/app"}},"cloud":{"region":"eu-west-1","account":{"uid":"111122223333"}}}`
	ecs := `{"@timestamp":"2026-05-04T07:01:00.000Z","event":{"action":"CreateSecret","provider":"secretsmanager.amazonaws.com","id":"e1"},"cloud":{"region":"eu-west-1","account":{"id":"111122223333"}},"user":{"name":"app"},"aws":{"cloudtrail":{"event_type":"AwsApiCall","user_identity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/app/run","session_context":{"session_issuer":{"arn":"arn:aws:iam::111122223333:role/svc/app"}}},"request_parameters":"{name=shop/db, description=a}","response_elements":"{arn=arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf}"}}}`
	lower := `{"eventtime":"2026-05-04T07:01:00Z","eventsource":"secretsmanager.amazonaws.com","eventname":"CreateSecret","awsregion":"eu-west-1","useridentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/app/run","accountid":"111122223333","sessioncontext":{"sessionissuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/svc/app"}}},"requestparameters":` + quote(request) + `,"responseelements":` + quote(response) + `,"eventid":"e1","eventtype":"AwsApiCall","recipientaccountid":"111122223333"}`
	header := []string{"eventversion", "useridentity", "eventtime", "eventsource", "eventname", "awsregion", "requestparameters", "responseelements", "eventid", "eventtype", "recipientaccountid"}
	cells := []string{"1.11", identityStruct, "2026-05-04T07:01:00Z", "secretsmanager.amazonaws.com", "CreateSecret", "eu-west-1", request, response, "e1", "AwsApiCall", "111122223333"}
	varChars := func(cells []string) string {
		var out []string
		for _, c := range cells {
			out = append(out, `{"VarCharValue":`+quote(c)+`}`)
		}
		return `{"Data":[` + strings.Join(out, ",") + `]}`
	}
	athena := inCSV(append([]string{}, header...)...) + "\n" + inCSV(append([]string{}, cells...)...)
	return map[string]struct {
		in     string
		events int
	}{
		"a log file, zipped twice":             {zip(zip(`{"Records":[` + exported + `]}`)), 1},
		"UTF-16 of Windows":                    {utf16Text("\ufeff"+`{"Records":[`+exported+`]}`, 0, 1), 1},
		"UTF-16 the other way round":           {utf16Text("\ufeff"+exported, 1, 0), 1},
		"UTF-16 without its mark":              {utf16Text(exported, 0, 1), 1},
		"lines of Windows":                     {exported + "\r\n" + exported + "\r\n", 2},
		"lookup-events":                        {`{"Events":[{"EventId":"e1","EventName":"CreateSecret","CloudTrailEvent":` + quote(exported) + `}],"NextToken":"x"}`, 1},
		"lookup-events with --query":           {`[` + quote(exported) + `,` + quote(exported) + `]`, 2},
		"lookup-events as text":                {exported + "\t" + exported + "\n", 2},
		"strings, one a line":                  {quote(exported) + "\n" + quote(exported), 2},
		"a subscription":                       {subscription(exported, exported), 2},
		"subscriptions of Firehose":            {subscription(exported) + subscription(exported, exported), 3},
		"a list of subscriptions":              {"[" + subscription(exported) + "," + subscription(exported) + "]", 2},
		"a subscription to Lambda":             {`{"awslogs":{"data":"` + inBase64(zip(subscription(exported))) + `"}}`, 1},
		"Kinesis to Lambda":                    {`{"Records":[{"kinesis":{"data":"` + inBase64(zip(subscription(exported))) + `"},"eventSource":"aws:kinesis","eventName":"aws:kinesis:record"}]}`, 1},
		"kinesis get-records":                  {`{"Records":[{"SequenceNumber":"1","Data":"` + inBase64(exported) + `","PartitionKey":"p"}],"NextShardIterator":"x"}`, 1},
		"Firehose to Lambda":                   {`{"invocationId":"i","records":[{"recordId":"1","data":"` + inBase64(envelope(exported)) + `"}]}`, 1},
		"filter-log-events":                    {`{"searchedLogStreams":[],"events":[{"logStreamName":"s","timestamp":1,"message":` + quote(exported) + `}]}`, 1},
		"an export of CloudWatch Logs":         {zip("2026-05-04T07:01:00.000Z " + exported + "\n2026-05-04T07:01:01.000Z " + exported + "\n"), 2},
		"Logs Insights":                        {`{"results":[[{"field":"@timestamp","value":"x"},{"field":"@message","value":` + quote(exported) + `}]],"status":"Complete"}`, 1},
		"Logs Insights as CSV":                 {inCSV("@timestamp", "@message") + "\r\n" + inCSV("x", exported) + "\r\n", 1},
		"Logs Insights as CSV of fields":       {"eventName,eventSource,eventTime,eventID,awsRegion,recipientAccountId,userIdentity.type,userIdentity.arn,userIdentity.sessionContext.sessionIssuer.arn,requestParameters.name,requestParameters.tags.0.key,responseElements.arn,resources.0.ARN\nCreateSecret,secretsmanager.amazonaws.com,2026-05-04T07:01:00Z,e1,eu-west-1,111122223333,AssumedRole,arn:aws:sts::111122223333:assumed-role/app/run,arn:aws:iam::111122223333:role/svc/app,shop/db,team,arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf,arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf\n", 1},
		"CloudTrail Lake, whole events":        {`{"eventData":` + quote(exported) + `}` + "\n" + `{"eventData":` + exported + `,"eventCategory":"Management"}`, 2},
		"CloudTrail Lake, columns":             {`{"QueryStatus":"FINISHED","QueryResultRows":[[{"eventName":"CreateSecret"},{"eventSource":"secretsmanager.amazonaws.com"},{"eventTime":"2026-05-04 07:01:00.000"},{"userIdentity":` + quote(identityStruct) + `},{"eventID":"e1"},{"eventType":"AwsApiCall"},{"requestParameters":"{name=shop/db, description=a, b={c}}"},{"responseElements":"{arn=arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf}"},{"awsRegion":"eu-west-1"},{"recipientAccountId":"111122223333"}]]}`, 1},
		"CSV of Athena":                        {athena, 1},
		"CSV of Athena, zipped, a blank line":  {zip(athena + "\n\n" + inCSV(append([]string{}, cells...)...)), 2},
		"a table with tabs":                    {"eventname\teventsource\teventtime\tuseridentity\teventid\trequestparameters\tresponseelements\tawsregion\trecipientaccountid\nCreateSecret\tsecretsmanager.amazonaws.com\t2026-05-04 07:01:00\t" + identityStruct + "\te1\t{name=shop/db}\t{arn=arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf}\teu-west-1\t111122223333", 1},
		"athena get-query-results":             {`{"ResultSet":{"Rows":[` + varChars(header) + "," + varChars(cells) + "," + varChars(cells) + `],"ResultSetMetadata":{}},"UpdateCount":0}`, 2},
		"rows in lower case":                   {lower + "\n" + lower, 2},
		"Security Lake":                        {ocsf + "\n" + ocsf, 2},
		"SNS in SQS":                           {`{"Messages":[{"MessageId":"1","Body":` + quote(sns) + `},{"MessageId":"2","Body":` + quote(envelope(exported)) + `},{"MessageId":"3","Body":` + quote(`{"Records":[`+exported+`,`+exported+`]}`) + `}]}`, 4},
		"SQS to Lambda":                        {`{"Records":[{"messageId":"1","body":` + quote(envelope(exported)) + `,"eventSource":"aws:sqs","awsRegion":"eu-west-1"}]}`, 1},
		"SNS to Lambda":                        {`{"Records":[{"EventSource":"aws:sns","Sns":` + sns + `}]}`, 1},
		"Splunk":                               {`{"preview":false,"result":{"_time":"x","_raw":` + quote(exported) + `}}` + "\n" + `{"preview":false,"result":{"eventName":"CreateSecret","eventSource":"x","_raw":` + quote(exported) + `}}`, 2},
		"Splunk's collector":                   {`{"time":1,"event":` + exported + `}{"event":` + quote(exported) + `}`, 2},
		"hits of Elastic":                      {`{"took":1,"hits":{"total":{"value":3},"hits":[{"_id":"1","_source":` + exported + `},{"_id":"2","_source":{"event":{"original":` + quote(exported) + `}}},{"_id":"3","_source":` + ecs + `}]},"timed_out":false}`, 3},
		"an envelope's list, written nicely":   {"[\n  " + envelope(exported) + ",\n  " + envelope(exported) + "\n]\n", 2},
		"members with dots in their names":     {`{"eventName":"CreateSecret","eventSource":"secretsmanager.amazonaws.com","eventTime":"2026-05-04T07:01:00Z","eventID":"e1","awsRegion":"eu-west-1","recipientAccountId":"111122223333","userIdentity.type":"AssumedRole","userIdentity.arn":"arn:aws:sts::111122223333:assumed-role/app/run","userIdentity.sessionContext.sessionIssuer.arn":"arn:aws:iam::111122223333:role/svc/app","requestParameters.name":"shop/db","responseElements.arn":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"}`, 1},
		"several carriers one after the other": {subscription(exported) + "\n" + `{"Events":[{"CloudTrailEvent":` + quote(exported) + `}]}` + "\n" + exported, 3},
		"two lists in one object":              {`{"Events":[{"CloudTrailEvent":` + quote(exported) + `}],"x":{"y":[1]},"Records":[` + exported + `]}`, 2},
	}
}

// asSlowlyAsMayBe gives an input byte by byte from where its shape is known on, if white space before it does not change that.
func asSlowlyAsMayBe(in string) io.Reader {
	if in == "" || strings.IndexByte("{[\"eh\n,", in[0]) < 0 || strings.HasPrefix(in, "{\x00") {
		return strings.NewReader(in)
	}
	return slowly(in)
}

// TestReadExports: whatever an event was exported in, it says the same.
func TestReadExports(t *testing.T) {
	want, err := trail.Decode([]byte(exported))
	if err != nil {
		t.Fatal(err)
	}
	secret := guard.SecretRef{ID: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf", Account: "111122223333", Region: "eu-west-1"}
	for sentence, test := range exports(t) {
		t.Run(sentence, func(t *testing.T) {
			for _, in := range []io.Reader{iotest.HalfReader(strings.NewReader(test.in)), bytes.NewReader(zipped(t, test.in)), asSlowlyAsMayBe(test.in)} {
				events := 0
				err := trail.Read(in, "in", func(r trail.Record) error {
					events++
					got := r.Change
					if got.Kind != want.Kind || got.Secret != secret || got.EventID != "e1" || !got.Time.Equal(want.Time) ||
						got.Actor.ARN != want.Actor.ARN || got.Actor.RoleARN != want.Actor.RoleARN || got.Account != want.Account || got.Region != want.Region || got.Request["name"] != "shop/db" {
						t.Errorf("read as %+v", got)
					}
					if again, err := trail.Decode(r.Raw); err != nil || again.Secret != secret {
						t.Errorf("its JSON is not the event: %v, %s", err, r.Raw)
					}
					return r.Err
				})
				if err != nil {
					t.Error(err)
				}
				if events != test.events {
					t.Errorf("%d events, want %d", events, test.events)
				}
			}
		})
	}
}

// TestReadPasses: what CloudTrail and its carriers write beside events is no event, and nothing broken.
func TestReadPasses(t *testing.T) {
	insight := `{"eventVersion":"1.10","eventType":"AwsCloudTrailInsight","insightDetails":{"state":"Start"},"eventCategory":"Insight"}`
	bucket := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"object":{"key":"AWSLogs/1/CloudTrail/x.json.gz"}}}]}`
	for sentence, test := range map[string]struct {
		in   string
		want []string
	}{
		"a digest":                       {`{"awsAccountId":"1","digestStartTime":"x","digestS3Bucket":"b","logFiles":[]}`, []string{"a digest of CloudTrail's log files"}},
		"an Insight beside an event":     {`{"Records":[` + insight + `,` + event("A") + `]}`, []string{"an Insight of CloudTrail", ""}},
		"an Insight from EventBridge":    {`{"detail-type":"AWS Insight via CloudTrail","source":"aws.cloudtrail","detail":` + insight + `}`, []string{"an Insight of CloudTrail"}},
		"a control message":              {`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}`, []string{"a control message of CloudWatch Logs"}},
		"a notification of S3":           {bucket, []string{"a notification that names log files in S3, which are to be named instead"}},
		"one in SQS":                     {`{"Messages":[{"Body":` + quote(bucket) + `}]}`, []string{"a notification that names log files in S3, which are to be named instead"}},
		"one of CloudTrail in SNS":       {`{"Type":"Notification","Message":` + quote(`{"s3Bucket":"b","s3ObjectKey":["k"]}`) + `}`, []string{"a notification that names log files in S3, which are to be named instead"}},
		"one of S3 through EventBridge":  {`{"detail-type":"Object Created","source":"aws.s3","detail":{"object":{"key":"k"}}}`, []string{"a notification that names log files in S3, which are to be named instead"}},
		"a confirmation of SNS":          {`{"Type":"SubscriptionConfirmation","Token":"x","SubscribeURL":"https://example.com"}`, []string{"a confirmation of a subscription"}},
		"a file of AWS Config":           {`{"fileVersion":"1.0","configurationItems":[{"resourceType":"x"}]}`, []string{"a file of AWS Config"}},
		"a manifest of Redshift":         {`{"entries":[{"url":"s3://b/k","mandatory":true}]}`, []string{"a list of the files of an export"}},
		"a signature of CloudTrail Lake": {`{"version":"1.0","files":[{"fileName":"result_1.csv.gz"}],"hashAlgorithm":"SHA-256"}`, []string{"a signature of query results"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got []string
			err := trail.Read(strings.NewReader(test.in), "in", func(r trail.Record) error {
				got = append(got, r.Passed)
				return r.Err
			})
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReadNames what is broken inside of a carrier: the file, the record, and the record in it.
func TestReadNamesWhatIsBrokenInACarrier(t *testing.T) {
	noEvent := func(record int) string {
		return fmt.Sprintf(`1#%d in:1: record %d: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`, record, record)
	}
	for sentence, test := range map[string]struct {
		in   string
		want []string
	}{
		"the second message":        {subscription(event("A"), `{"eventVersion":`, event("B")), []string{"1#1 A", "1#2 in:1: record 2: unexpected end of JSON", "1#3 B"}},
		"a record in a message":     {`{"Messages":[{"Body":` + quote(`{"Records":[`+event("A")+`,{"eventName" 1},`+event("B")+`]}`) + `}]}`, []string{"1#1 A", `1#1 in:1: record 1: record 2 in it: want ':', found '1'`, "1#1 B"}},
		"an event of lookup-events": {`{"Events":[{"CloudTrailEvent":"nonsense"},{"CloudTrailEvent":` + quote(event("A")) + `}]}`, []string{"1#1 in:1: record 1: want an event, found 'n'", "1#2 A"}},
		"a row of a table":          {"eventname,eventsource\n" + `A,ec2.amazonaws.com` + "\n\"B,ec2.amazonaws.com\nC,ec2.amazonaws.com", []string{"2#1 A", "3#2 in:3: record 2: a quoted part of the row does not end", "4#3 C"}},
		"a table of something else": {`{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"n"}]}]}}`, []string{`1#1 in:1: record 1: a table whose columns are none of CloudTrail's; select all of them, or "eventName" and "eventSource" at least`}},
		"rows without values": {`{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"eventname"},{"VarCharValue":"eventsource"}]},{"Data":[{},{}]},{"Data":[]},{"Data":[{"VarCharValue":"A"},{}]},{},{"Data":[{"VarCharValue":"B"},{"VarCharValue":"ec2.amazonaws.com"}]}]}}`,
			[]string{noEvent(2), noEvent(3), noEvent(4), noEvent(5), "1#6 B"}},
		"results of Lake without values": {`{"QueryResultRows":[[{"eventName":null},{"eventSource":null}],[],[{"eventName":"B"},{"eventSource":"ec2.amazonaws.com"}]]}`,
			[]string{noEvent(1), noEvent(2), "1#3 B"}},
		"carriers without an end": {strings.Repeat(`{"result":`, 20) + event("A") + strings.Repeat("}", 20), []string{"1 in:1: record 1: more than 8 carriers inside of one another"}},
		"a Parquet file":          {"PAR1\x15", []string{"0 in:0: is a Parquet file"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := readAll(t, strings.NewReader(test.in))
			if sentence == "a Parquet file" {
				if len(got) != 1 || !strings.Contains(got[0], "is a Parquet file; export it as JSON") {
					t.Errorf("got %q", got)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReadKeepsNoSecretValue of a row either.
func TestReadKeepsNoSecretValueOfARow(t *testing.T) {
	in := `{"eventname":"PutSecretValue","eventsource":"secretsmanager.amazonaws.com","requestparameters":"{\"secretId\":\"a\",\"secretString\":\"hunter2\"}","responseelements":"{secretstring=hunter2, arn=x}"}`
	err := trail.Read(strings.NewReader(in), "in", func(r trail.Record) error {
		if bytes.Contains(r.Raw, []byte("hunter2")) {
			t.Errorf("it is kept: %s", r.Raw)
		}
		return r.Err
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzReadExports: no carrier makes reading panic, go on without end, or yield what Decode would not.
func FuzzReadExports(f *testing.F) {
	for _, export := range exports(f) {
		f.Add([]byte(export.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		records := 0
		err := trail.Read(bytes.NewReader(in), "in", func(r trail.Record) error {
			if records++; records > 64*(len(in)+1) {
				return fmt.Errorf("more and more records")
			}
			if r.Err == nil && r.Passed == "" {
				if _, err := trail.Decode(r.Raw); err != nil {
					t.Errorf("yielded %s, which is no event: %v", r.Raw, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestTamper: whoever can keep calls from us, or an account out of the policies, is a reason to alarm.
func TestTamper(t *testing.T) {
	for _, test := range []struct {
		service, name, request, target string
		want                           trail.Kind
	}{
		{"cloudtrail", "UpdateTrail", `{"name":"org","isMultiRegionTrail":false}`, "org", trail.Tamper},
		{"cloudtrail", "PutEventSelectors", `{"trailName":"org"}`, "org", trail.Tamper},
		{"cloudtrail", "StopLogging", `{"name":"org"}`, "org", trail.Tamper},
		{"cloudtrail", "StopLogging", `null`, "", trail.Tamper},
		{"organizations", "LeaveOrganization", `null`, "111122223333", trail.Tamper},
		{"organizations", "RemoveAccountFromOrganization", `{"accountId":"444455556666"}`, "444455556666", trail.Tamper},
		{"organizations", "MoveAccount", `{"accountId":"444455556666","destinationParentId":"r-1"}`, "444455556666", trail.Tamper},
		{"organizations", "MoveAccount", `{"accountId":"444455556666","sourceParentId":"ou-ab12-prod"}`, "444455556666", trail.Tamper},
		{"organizations", "MoveAccount", `{"accountId":"444455556666","sourceParentId":"ou-ab12-prod","destinationParentId":"ou-ab12-dev"}`, "444455556666", trail.Tamper},
		{"organizations", "MoveAccount", `{"accountId":"444455556666","sourceParentId":"ou-ab12-prod","destinationParentId":"r-ab12"}`, "444455556666", trail.Tamper},
		{"organizations", "MoveAccount", `{"accountId":"444455556666","sourceParentId":"r-ab12","destinationParentId":"ou-ab12-prod"}`, "444455556666", trail.PolicyBinds}, // as accounts are vended: nobody is alarmed
		{"organizations", "CloseAccount", `{"accountId":"444455556666"}`, "444455556666", trail.Tamper},
		{"organizations", "DeleteOrganization", `null`, "111122223333", trail.Tamper},
		{"organizations", "DisableAWSServiceAccess", `{"servicePrincipal":"cloudtrail.amazonaws.com"}`, "cloudtrail.amazonaws.com", trail.Tamper},
		{"organizations", "DisableAWSServiceAccess", `{"servicePrincipal":"ram.amazonaws.com"}`, "ram.amazonaws.com", trail.Ignored},
		{"events", "PutRule", `{"name":"doublelock-key-changes","state":"DISABLED"}`, "doublelock-key-changes", trail.Tamper},
		{"events", "PutRule", `{"name":"doublelock-key-changes","eventPattern":"{}"}`, "doublelock-key-changes", trail.Tamper},
		{"events", "PutTargets", `{"rule":"doublelock-key-changes","targets":[{"id":"hub","arn":"arn:aws:sqs:eu-central-1:777788889999:q"}]}`, "doublelock-key-changes", trail.Tamper},
		{"events", "PutRule", `{"name":"theirs"}`, "theirs", trail.Ignored},
		{"events", "RemovePermission", `{"eventBusName":"doublelock","statementId":"Members"}`, "doublelock", trail.Tamper},
		{"events", "PutPermission", `{"eventBusName":"arn:aws:events:us-east-1:222222222222:event-bus/doublelock"}`, "arn:aws:events:us-east-1:222222222222:event-bus/doublelock", trail.Tamper},
		{"events", "DeleteEventBus", `{"name":"doublelock"}`, "doublelock", trail.Tamper},
		{"events", "UpdateEventBus", `{"name":"theirs"}`, "theirs", trail.Ignored},
		{"cloudtrail", "PutInsightSelectors", `{"trailName":"org"}`, "", trail.Ignored},
		{"cloudtrail", "DeleteEventDataStore", `{"eventDataStore":"x"}`, "", trail.Ignored},
	} {
		got, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"%s.amazonaws.com","eventName":%q,"requestParameters":%s,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`, test.service, test.name, test.request)))
		if err != nil || got.Kind != test.want || got.Target != test.target {
			t.Errorf("%s: %s on %q, %v", test.name, got.Kind, got.Target, err)
		}
		if moved := strings.Contains(test.request, `ou-ab12-prod","destinationParentId`); moved != strings.HasPrefix(got.Reason, "an account was moved from ou-ab12-prod to ") {
			t.Errorf("%s: %s: %s", test.name, test.request, got.Reason)
		}
	}
}

// A stack writes our rules when it is deployed. Whoever has another role, calls himself or switches a rule off does not deploy.
func TestOurOwnDeploymentIsNotTampering(t *testing.T) {
	const rule, bus = `"name":"doublelock-key-changes"`, `"eventBusName":"doublelock"`
	stackSets, cdk, admin := "role/stacksets-exec-0a1b", "role/cdk-hnb659fds-cfn-exec-role-222222222222-us-east-1", "role/admin"
	for sentence, test := range map[string]struct {
		name, request, role, invokedBy string
		want                           trail.Kind
	}{
		"StackSets write a rule":                  {"PutRule", rule, stackSets, "cloudformation.amazonaws.com", trail.Ignored},
		"StackSets write its targets":             {"PutTargets", `"rule":"doublelock-key-changes"`, stackSets, "cloudformation.amazonaws.com", trail.Ignored},
		"StackSets write a rule that is off":      {"PutRule", rule + `,"state":"DISABLED"`, stackSets, "cloudformation.amazonaws.com", trail.Tamper},
		"StackSets delete one":                    {"DeleteRule", rule, stackSets, "cloudformation.amazonaws.com", trail.Tamper},
		"somebody with their role":                {"PutRule", rule, stackSets, "", trail.Tamper},
		"a stack of somebody else":                {"PutRule", rule, admin, "cloudformation.amazonaws.com", trail.Tamper},
		"CDK, which the account decides":          {"PutRule", rule, cdk, "cloudformation.amazonaws.com", trail.Tamper},
		"CDK changes who may send to the hub":     {"PutPermission", bus, cdk, "cloudformation.amazonaws.com", trail.Tamper},
		"a path named like the role of StackSets": {"PutRule", rule, "role/x/stacksets-exec-0a1b", "cloudformation.amazonaws.com", trail.Tamper},
	} {
		got, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"events.amazonaws.com","eventName":%q,"requestParameters":{%s},"eventType":"AwsApiCall","recipientAccountId":"111122223333",
			"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/x/AWSCloudFormation","invokedBy":%q,"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:%s"}}}}`,
			test.name, test.request, test.invokedBy, test.role)))
		if err != nil || got.Kind != test.want || got.Rule != "doublelock-tamper-rules" {
			t.Errorf("%s: %s by %q (%s), %v", sentence, got.Kind, got.Rule, got.Reason, err)
		}
		if byCDK := sentence == "CDK, which the account decides"; got.DeployedByCDK() != byCDK || strings.Contains(got.Reason, "CDK") != byCDK {
			t.Errorf("%s: by CDK %v (%s)", sentence, got.DeployedByCDK(), got.Reason)
		}
	}
}

// A key whose replicas are not gone has no date of deletion yet; a call that does not say its time has none, either.
func TestWhenAKeyIsDeletedByTheCallThatSchedulesIt(t *testing.T) {
	at := func(date string) time.Time {
		t.Helper()
		when, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for sentence, test := range map[string]struct {
		request, response, eventTime string
		state                        guard.KeyState
		deleted                      time.Time
	}{
		"as asked":                   {`{"keyId":"1","pendingWindowInDays":7}`, `{"keyState":"PendingDeletion"}`, "2026-05-04T00:00:00Z", guard.KeyPendingDeletion, at("2026-05-11")},
		"when nothing was asked":     {`{"keyId":"1"}`, `null`, "2026-05-04T00:00:00Z", guard.KeyPendingDeletion, at("2026-06-03")},
		"when it has replicas":       {`{"keyId":"1","pendingWindowInDays":7}`, `{"keyState":"PendingReplicaDeletion"}`, "2026-05-04T00:00:00Z", guard.KeyPendingReplicaDeletion, time.Time{}},
		"when the time is not known": {`{"keyId":"1","pendingWindowInDays":7}`, `null`, "", guard.KeyPendingDeletion, time.Time{}},
	} {
		c, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":"ScheduleKeyDeletion","requestParameters":%s,"responseElements":%s,"eventTime":%q,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`, test.request, test.response, test.eventTime)))
		if state, deleted := c.Said(); err != nil || state != test.state || !deleted.Equal(test.deleted) {
			t.Errorf("%s: %s, %s, %v", sentence, state, deleted, err)
		}
	}
}
