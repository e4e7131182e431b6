package trail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

// one reads an input with a single event in it.
func one(t *testing.T, in string) trail.Record {
	t.Helper()
	var found []trail.Record
	err := trail.Read(strings.NewReader(in), "in", func(r trail.Record) error {
		found = append(found, r)
		return r.Err
	})
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	if len(found) != 1 || found[0].Passed != "" {
		t.Fatalf("%s: read as %+v", in, found)
	}
	return found[0]
}

// slowly gives an input byte by byte. What finds out its shape looks at the first bytes at once; these are white space.
func slowly(in string) io.Reader {
	return iotest.OneByteReader(strings.NewReader(strings.Repeat(" ", 600) + in))
}

// A table has the members of a record as its columns. What it makes of an absent one, and columns that it has beside, are
// no members.
func TestARowIsTheRecordThatItWasMadeOf(t *testing.T) {
	const head = `"eventname":"CreateSecret","eventsource":"secretsmanager.amazonaws.com"`
	const want = `"eventName":"CreateSecret","eventSource":"secretsmanager.amazonaws.com"`
	for sentence, c := range map[string]struct{ row, record string }{
		"nothing more":                                {``, ``},
		"no error":                                    {`"errorcode":""`, ``},
		"no error, as a dash":                         {`"errorcode":"-"`, ``},
		"no error, as Athena prints it":               {`"errorcode":"null"`, ``},
		"an error":                                    {`"errorcode":"AccessDenied"`, `"errorCode":"AccessDenied"`},
		"a column whose name ends in Z":               {`"errorCodeZ":"x"`, ``},
		"a column whose name ends in z":               {`"errorcodez":"x"`, ``},
		"a column whose name ends in 0":               {`"errorcode0":"x"`, ``},
		"a column whose name ends in 5":               {`"errorcode5":"x"`, ``},
		"a column whose name ends in 9":               {`"errorcode9":"x"`, ``},
		"a number where a text should be":             {`"errorcode":5`, ``},
		"a read":                                      {`"readonly":"TRUE"`, `"readOnly":true`},
		"a read, as JSON":                             {`"readonly":true`, `"readOnly":true`},
		"a write":                                     {`"readonly":"false"`, `"readOnly":false`},
		"a write, as JSON":                            {`"readonly":false`, `"readOnly":false`},
		"columns of the identity":                     {`"useridentity_type":"AssumedRole","useridentity_arn":"a","useridentity_principalid":null,"useridentity_sessioncontext_sessionissuer_arn":"b"`, `"userIdentity":{"arn":"a","sessionContext":{"sessionIssuer":{"arn":"b","type":"Role"}},"type":"AssumedRole"}`},
		"columns that only have the names of members": {`"arn":"a","type":"b","useridentityother":"c"`, ``},
		"an identity, and columns of it":              {`"useridentity":"{arn=a}","useridentity_arn":"b"`, `"userIdentity":{"arn":"a"}`},
		"the user of the console":                     {`"username":"alice"`, `"userIdentity":{"userName":"alice"}`},
		"no user of the console":                      {`"username":"-"`, ``},
		"an empty user of the console":                {`"username":""`, ``},
		"the user of the console, and an identity":    {`"username":"alice","useridentity_arn":"a"`, `"userIdentity":{"arn":"a"}`},
		"the resource of the console":                 {`"resourcename":"shop/db"`, `"additionalEventData":{"secretId":"shop/db"}`},
		"the first of several":                        {`"resourcename":"shop/db, shop/db-AbCdEf"`, `"additionalEventData":{"secretId":"shop/db"}`},
		"no resource of the console":                  {`"resourcename":"-"`, ``},
		"an empty resource of the console":            {`"resourcename":""`, ``},
		"a resource beside the request that named it": {`"resourcename":"other","requestparameters":"{secretId=a}"`, `"requestParameters":{"secretId":"a"}`},
		"a request with nothing in a member":          {`"requestparameters":"{secretid=a, kmskeyid=null}"`, `"requestParameters":{"secretId":"a"}`},
		"a request with text behind it":               {`"requestparameters":"{secretId=a} b"`, ``},
		"a request in a string of JSON":               {`"requestparameters":"\"{secretId=a}\""`, `"requestParameters":{"secretId":"a"}`},
		"a request that does not end":                 {`"requestparameters":"{secretId=a"`, ``},
		"a request whose member has no name":          {`"requestparameters":"{=a}"`, ``},
		"a request whose member's name has a space":   {`"requestparameters":"{secret id=a}"`, ``},
		"a list":                                        {`"requestparameters":"{addReplicaRegions=[{region=eu-west-1}, {region=eu-west-2}], secretId=a}"`, `"requestParameters":{"addReplicaRegions":[{"region":"eu-west-1"},{"region":"eu-west-2"}],"secretId":"a"}`},
		"a list of words":                               {`"requestparameters":"{operations=[Decrypt, Encrypt, null], keyId=a}"`, `"requestParameters":{"keyId":"a","operations":["Decrypt","Encrypt",null]}`},
		"a list that does not end":                      {`"requestparameters":"{operations=[Decrypt, Encrypt"`, ``},
		"commas and brackets in a text":                 {`"requestparameters":"{description=see, a {b, c=d} e, secretId=x}"`, `"requestParameters":{"description":"see, a {b, c=d} e","secretId":"x"}`},
		"a sign in a text":                              {`"requestparameters":"{description=see, a b=c, secretId=x}"`, `"requestParameters":{"description":"see, a b=c","secretId":"x"}`},
		"a comma and one long word":                     {`"requestparameters":"{description=see,  ` + strings.Repeat("w", 70) + `, secretId=x}"`, `"requestParameters":{"description":"see,  ` + strings.Repeat("w", 70) + `","secretId":"x"}`},
		"as deep as it may be":                          {`"requestparameters":"` + strings.Repeat("{a=", 12) + "x" + strings.Repeat("}", 12) + `"`, `"requestParameters":` + strings.Repeat(`{"a":`, 12) + `"x"` + strings.Repeat("}", 12)},
		"deeper than it may be":                         {`"requestparameters":"` + strings.Repeat("{a=", 13) + "x" + strings.Repeat("}", 13) + `"`, `"requestParameters":` + strings.Repeat(`{"a":`, 12) + `"{a=x}"` + strings.Repeat("}", 12)},
		"lists deeper than they may be":                 {`"requestparameters":"{a=` + strings.Repeat("[", 12) + "x" + strings.Repeat("]", 12) + `}"`, `"requestParameters":{"a":` + strings.Repeat("[", 11) + `"[x]"` + strings.Repeat("]", 11) + "}"},
		"the longest name, first":                       {`"requestparameters":"{` + strings.Repeat("n", 64) + `=x}"`, `"requestParameters":{"` + strings.Repeat("n", 64) + `":"x"}`},
		"a longer name, first":                          {`"requestparameters":"{` + strings.Repeat("n", 65) + `=x}"`, ``},
		"the longest name, behind others":               {`"requestparameters":"{a=b, ` + strings.Repeat("n", 64) + `=x}"`, `"requestParameters":{"a":"b","` + strings.Repeat("n", 64) + `":"x"}`},
		"a longer name, behind others":                  {`"requestparameters":"{a=b, ` + strings.Repeat("n", 65) + `=x}"`, `"requestParameters":{"a":"b, ` + strings.Repeat("n", 65) + `=x"}`},
		"seconds":                                       {`"eventtime":1777878060`, `"eventTime":"2026-05-04T07:01:00Z"`},
		"milliseconds":                                  {`"eventtime":"1777878060000"`, `"eventTime":"2026-05-04T07:01:00Z"`},
		"the least number that is read as milliseconds": {`"eventtime":100000000000`, `"eventTime":"1973-03-03T09:46:40Z"`},
		"milliseconds behind any calendar":              {`"eventtime":100000000000000`, ``},
		"more of them":                                  {`"eventtime":1e15`, ``},
		"no time, as a number":                          {`"eventtime":0`, ``},
		"a time before all":                             {`"eventtime":-5`, ``},
		"a time of the console":                         {`"eventtime":"May 04, 2026, 09:01:00 (UTC+02:00)"`, `"eventTime":"2026-05-04T07:01:00Z"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			row, record := head, want
			if c.row != "" {
				row += "," + c.row
			}
			if c.record != "" {
				record += "," + c.record
			}
			if diff := cmp.Diff(decoded(t, "{"+record+"}"), decoded(t, string(one(t, "{"+row+"}").Raw))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheResourceOfTheConsoleIsAKeyWhereKMSWasCalled(t *testing.T) {
	r := one(t, "Event name,Event time,User name,Event source,Resource name\n"+`DisableKey,"May 04, 2026, 07:01:00 (UTC+00:00)",alice,kms.amazonaws.com,1234abcd-12ab-34cd-56ef-1234567890ab`)
	if r.Change.Key.ID != "1234abcd-12ab-34cd-56ef-1234567890ab" || r.Change.Actor.Name != "alice" || r.Change.Time.IsZero() {
		t.Errorf("read as %+v", r.Change)
	}
}

// Whatever else a struct of Athena may have, only these may be in the name of a member.
func TestTheNameOfAMemberHasLettersDigitsAndFewSigns(t *testing.T) {
	for b := byte('!'); b <= '~'; b++ {
		name := string(b)
		row := map[string]string{"eventname": "CreateSecret", "eventsource": "secretsmanager.amazonaws.com", "requestparameters": "{" + name + "=x, secretId=y}"}
		request := one(t, encoded(t, row)).Change.Request
		want := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.ContainsRune("_-:./", rune(b))
		switch got, found := request[name]; {
		case want && (got != "x" || request["secretId"] != "y" || len(request) != 2):
			t.Errorf("%q is not read as a name: %v", name, request)
		case !want && found:
			t.Errorf("%q is read as a name: %v", name, request)
		}
	}
}

func TestWhatStandsBesideASecretValueIsKept(t *testing.T) {
	want := map[string]any{}
	row := `{"eventname":"PutSecretValue","eventsource":"secretsmanager.amazonaws.com","requestparameters":"{\"secretString\":\"hunter2\"`
	for i := range 12 {
		want[fmt.Sprint("m", i)] = "x"
		row += fmt.Sprintf(`,\"m%d\":\"x\"`, i)
	}
	for range 20 { // the order of a map's members is another each time
		if diff := cmp.Diff(want, one(t, row+`}"}`).Change.Request); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// CloudWatch gives the members of a list columns of their own, by their numbers; a query selects as many as the longest list has.
func TestNumberedColumnsAreAList(t *testing.T) {
	const key, other = "arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:kms:eu-west-1:111122223333:key/2"
	for sentence, c := range map[string]struct{ columns, cells, request, key string }{
		"resources":                           {"resources.0.ARN,resources.0.type", key + ",AWS::KMS::Key", `null`, key},
		"the second alone":                    {"resources.1.ARN", key, `null`, key},
		"the first is not there":              {"resources.0.ARN,resources.1.ARN", "," + key, `null`, key},
		"the first is null":                   {"resources.0.ARN,resources.1.ARN", "null," + key, `null`, key},
		"none is":                             {"resources.0.ARN,resources.1.ARN", ",-", `null`, ""},
		"by their numbers, not as texts":      {"resources.10.ARN,resources.9.ARN", other + "," + key, `null`, key},
		"members of objects":                  {"requestParameters.tags.1.key,requestParameters.tags.0.value,requestParameters.tags.0.key", "b,x,a", `{"tags":[{"key":"a","value":"x"},{"key":"b"}]}`, ""},
		"an element that the row has not":     {"requestParameters.tags.0.key,requestParameters.tags.1.key,requestParameters.tags.1.value", "a,-,null", `{"tags":[{"key":"a"}]}`, ""},
		"texts":                               {"requestParameters.secretIdList.0,requestParameters.secretIdList.1", "a,b", `{"secretIdList":["a","b"]}`, ""},
		"texts of which the row has one":      {"requestParameters.secretIdList.0,requestParameters.secretIdList.1", "a,-", `{"secretIdList":["a"]}`, ""},
		"lists in lists":                      {"requestParameters.filters.0.values.0,requestParameters.filters.0.values.1,requestParameters.filters.1.values.0", "a,b,-", `{"filters":[{"values":["a","b"]}]}`, ""},
		"a name that is no number of a list":  {"requestParameters.a.00,requestParameters.b.-1,requestParameters.c.0,requestParameters.c.x", "1,2,3,4", `{"a":{"00":"1"},"b":{"-1":"2"},"c":{"0":"3","x":"4"}}`, ""},
		"the names in an encryption context":  {"requestParameters.encryptionContext.0,requestParameters.constraints.encryptionContextSubset.1", "a,b", `{"constraints":{"encryptionContextSubset":{"1":"b"}},"encryptionContext":{"0":"a"}}`, ""},
		"beside a column of the whole member": {"requestParameters.tags,requestParameters.tags.0.key", "x,a", `{"tags":[{"key":"a"}]}`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			table := "eventName,eventSource,awsRegion,recipientAccountId," + c.columns + "\nScheduleKeyDeletion,kms.amazonaws.com,eu-west-1,111122223333," + c.cells
			var members []string
			cells := strings.Split(c.cells, ",")
			for i, name := range strings.Split(c.columns, ",") {
				members = append(members, quote(name)+":"+quote(cells[i]))
			}
			rows := `{"eventName":"ScheduleKeyDeletion","eventSource":"kms.amazonaws.com","awsRegion":"eu-west-1","recipientAccountId":"111122223333",` + strings.Join(members, ",") + `}`
			for _, in := range []string{table, rows} {
				for range 10 { // the order of a map's members is another each time
					r := one(t, in)
					if got := encoded(t, r.Details().Request); got != c.request || r.Change.Key.ID != c.key {
						t.Fatalf("of %s: request %s, key %q", in, got, r.Change.Key.ID)
					}
				}
			}
		})
	}
}

// One member that is a text makes a record a row: some exports print all objects as texts, and an event may have one alone.
func TestOneObjectThatIsATextMakesARecordARow(t *testing.T) {
	const head = `{"eventName":"CreateSecret","eventSource":"secretsmanager.amazonaws.com","awsRegion":"eu-west-1","recipientAccountId":"111122223333",`
	for sentence, c := range map[string]struct {
		in   string
		want func(trail.Change) (got, want any)
	}{
		"userIdentity":      {head + `"userIdentity":"{type=IAMUser, arn=arn:aws:iam::111122223333:user/alice}"}`, func(c trail.Change) (any, any) { return c.Actor.ARN, "arn:aws:iam::111122223333:user/alice" }},
		"requestParameters": {head + `"requestParameters":"{name=shop/db}"}`, func(c trail.Change) (any, any) { return c.Request["name"], "shop/db" }},
		"responseElements": {head + `"responseElements":"{arn=arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf}"}`, func(c trail.Change) (any, any) {
			return c.Secret.ID, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"
		}},
	} {
		if got, want := c.want(one(t, c.in).Change); got != want {
			t.Errorf("%s: %v, want %v", sentence, got, want)
		}
	}
}

// OCSF and ECS have no place for much of an event, and other events as well.
func TestOtherSchemasSayWhatTheEventSaid(t *testing.T) {
	const ocsf = `{"class_uid":"6003","api":{"operation":"Decrypt","service":{"name":"kms.amazonaws.com"}},`
	const ecs = `{"event":{"action":"CreateSecret","provider":"secretsmanager.amazonaws.com"},`
	for sentence, c := range map[string]struct {
		in   string
		want func(trail.Change) (got, want any)
	}{
		"a request by dotted names": {ocsf + `"unmapped":{"requestParameters.keyId":"k","requestParameters.encryptionContext.SecretARN":"s","eventVersion":"1"}}`,
			func(c trail.Change) (any, any) {
				return encoded(t, c.Request), `{"encryptionContext":{"SecretARN":"s"},"keyId":"k"}`
			}},
		"a request as a whole": {ocsf + `"unmapped":{"requestParameters":{"keyId":"k"},"requestParameters.keyId":"other"}}`,
			func(c trail.Change) (any, any) { return c.Request["keyId"], "k" }},
		"no request": {ocsf + `"unmapped":{"eventVersion":"1"}}`,
			func(c trail.Change) (any, any) { return c.Request == nil, true }},
		"a resource": {ocsf + `"resources":[{"uid":"arn:aws:kms:eu-west-1:111122223333:key/k","type":"AWS::KMS::Key"}]}`,
			func(c trail.Change) (any, any) { return c.Key.ID, "arn:aws:kms:eu-west-1:111122223333:key/k" }},
		"an error": {ecs + `"aws":{"cloudtrail":{"error_code":"AccessDenied","error_message":"no"}}}`,
			func(c trail.Change) (any, any) { return c.ErrorCode + ": " + c.ErrorMessage, "AccessDenied: no" }},
		"the user's name": {ecs + `"user":{"name":"alice"},"aws":{"cloudtrail":{"user_identity":{"type":"IAMUser"}}}}`,
			func(c trail.Change) (any, any) { return c.Actor.Name, "alice" }},
		"the time of the event, whatever else has one": {ecs + `"@timestamp":"2026-05-04T07:01:00.000Z","aws":{"cloudtrail":{"event_time":"2020-01-01T00:00:00Z"}}}`,
			func(c trail.Change) (any, any) { return c.Time.Year(), 2026 }},
		"the original event, where it is kept": {`{"event":{"action":"X","provider":"y","original":` + quote(exported) + `},"aws":{"cloudtrail":{}}}`,
			func(c trail.Change) (any, any) { return c.EventName, "CreateSecret" }},
		"what is there, where the original is empty": {`{"event":{"action":"CreateSecret","provider":"secretsmanager.amazonaws.com","original":""},"aws":{"cloudtrail":{}}}`,
			func(c trail.Change) (any, any) { return c.EventName, "CreateSecret" }},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got, want := c.want(one(t, c.in).Change); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	noEvent := `1 in:1: record 1: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`
	for sentence, in := range map[string]string{
		"OCSF of another class":                 `{"class_uid":3002,"api":{"operation":"CreateSecret","service":{"name":"secretsmanager.amazonaws.com"}}}`,
		"OCSF without a call":                   `{"class_uid":6003,"api":{"service":{"name":"secretsmanager.amazonaws.com"}}}`,
		"ECS without who was called":            `{"event":{"action":"CreateSecret"},"aws":{"cloudtrail":{}}}`,
		"ECS without a call":                    `{"event":{"provider":"secretsmanager.amazonaws.com"},"aws":{"cloudtrail":{}}}`,
		"ECS of something else":                 ecs + `"aws":{"elb":{}}}`,
		"a list of files that names none":       `{"entries":[]}`,
		"a list of files whose elements do not": `{"entries":[{"id":1}]}`,
	} {
		if diff := cmp.Diff([]string{noEvent}, readAll(t, strings.NewReader(in))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// TestReadShapes: what one thing too many, or too few, makes of an input.
func TestReadShapes(t *testing.T) {
	a, b := event("A"), event("B")
	broken := `1 in:1: record 1: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`
	wide := "eventname,eventsource," + strings.Repeat("x", 1000) + "\n"
	header := func(length int) string {
		const begin = "eventname,eventsource,"
		return begin + strings.Repeat("x", length-len(begin)) + "\nA,ec2.amazonaws.com"
	}
	for sentence, test := range map[string]struct {
		in   string
		want []string
	}{
		"as many carriers as may be":            {strings.Repeat(`{"result":`, 8) + a + strings.Repeat("}", 8), []string{"1 A"}},
		"one more":                              {strings.Repeat(`{"result":`, 9) + a + strings.Repeat("}", 9), []string{"1 in:1: record 1: more than 8 carriers inside of one another"}},
		"a row with fewer cells than columns":   {"eventname,eventsource,errorcode\nA,ec2.amazonaws.com", []string{"2#1 A"}},
		"a row with more":                       {"eventname,eventsource\nA,ec2.amazonaws.com,x", []string{"2#1 A"}},
		"a table whose header comes slowly":     {wide + "A,ec2.amazonaws.com\nB,ec2.amazonaws.com", []string{"2#1 A", "3#2 B"}},
		"the longest header of a table":         {header(64 << 10), []string{"2#1 A"}},
		"a longer one":                          {header(64<<10 + 1), []string{"1 in:1: want an event, found 'e'"}},
		"a header behind an opening bracket":    {"[eventname,eventsource\n" + a, []string{"1#1 in:1: record 1: want a value, found 'e'", "1#2 in:1: record 2: want a value, found 'e'", "2#3 A", "2 in:2: unexpected end of JSON"}},
		"a header behind an opening brace":      {"{eventname,eventsource\n" + a, []string{"1 in:1: record 1: want a member name, found 'e'", "2 A"}},
		"a table behind an event":               {a + "\neventname,eventsource\n" + b, []string{"1 A", "2 in:2: want an event, found 'e'", "3 B"}},
		"a table in a message":                  {`{"Body":"eventname,eventsource\nA,ec2.amazonaws.com"}`, []string{"1 in:1: record 1: want an event, found 'e'"}},
		"data whose base64 is broken":           {`{"Data":"` + inBase64(a) + `!"}`, []string{"1 in:1: record 1: want an event, found 'e'"}},
		"a member of an event behind records":   {`{"Records":[` + a + `],"detail":{"x":1},"Events":[` + b + `]}`, []string{"1#1 A", "1#1 B"}},
		"a control message behind records":      {`{"Records":[` + a + `],"messageType":"CONTROL_MESSAGE"}` + "\n" + b, []string{"1#1 A", "2 B"}},
		"a group with the name of a control":    {`{"messageType":"DATA_MESSAGE","logGroup":"CONTROL_MESSAGE","logEvents":[{"message":` + quote(a) + `}]}`, []string{"1#1 A"}},
		"records one level down in anything":    {`{"x":{"Records":[` + a + `]}}`, []string{broken}},
		"hits that are a number":                {`{"hits":5,"Records":[` + a + `]}`, []string{"1#1 A"}},
		"a line with a brace in it":             {"hello {world}\n" + a, []string{"1 in:1: want an event, found 'h'", "2 A"}},
		"a broken event behind a time":          {"x " + a + "\nx {\"eventName\" 1}\nx " + b, []string{"1 A", "2 in:2: record 2: want ':', found '1'", "3 B"}},
		"more behind an event behind a time":    {"x " + a + " more\nx " + b, []string{"1 A", "2 B"}},
		"a notice of S3 that is of no file":     {`{"version":"0","detail-type":"Object Deleted","source":"aws.s3","detail":{"object":{"key":"k"}}}`, []string{"1 "}},
		"a notice of a file that is not S3's":   {`{"version":"0","detail-type":"Object Created","source":"com.example","detail":{"object":{"key":"k"}}}`, []string{"1 "}},
		"eventVersion far in a broken element":  {`[{"eventName" "X","eventVersion":"1"],` + b + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 B"}},
		"a record as its window begins":         {`[{"eventName" "X"]` + strings.Repeat(" ", 240) + "{" + strings.Repeat(" ", 250) + a[1:] + `,` + b + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 A", "1#3 B"}},
		"one byte that opens an event":          {`{`, []string{"1 in:1: record 1: unexpected end of JSON"}},
		"one byte of a text":                    {`x`, []string{"1 in:1: want an event, found 'x'"}},
		"bytes that are no text":                {"\x00\x00\x00", []string{`1 in:1: want an event, found '\x00'`}},
		"one byte that is no text":              {"\x00", []string{`1 in:1: want an event, found '\x00'`}},
		"an event that is a number among texts": {`5`, []string{"1 in:1: want an event, found '5'"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(test.want, readAll(t, strings.NewReader(test.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, readAll(t, slowly(test.in))); diff != "" && len(test.in) < 1<<14 {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMarkBeforeAnExportIsNoPartOfIt(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	for sentence, test := range map[string]struct {
		in   string
		want []string
	}{
		"of a log file": {`{"Records":[` + event("A") + `]}`, []string{"1#1 A"}},
		"of a table":    {"eventname,eventsource\nA,ec2.amazonaws.com", []string{"2#1 A"}},
	} {
		if diff := cmp.Diff(test.want, readAll(t, strings.NewReader(mark+test.in))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// TestReadUTF16 by the first character alone, whatever it is.
func TestReadUTF16(t *testing.T) {
	for _, in := range []string{"[" + event("A") + "]", quote(event("A")), "eventname,eventsource\nA,ec2.amazonaws.com", "@timestamp,@message\nx," + `"{""eventName"":""A""}"`, "2026-05-04T07:01:00.000Z " + event("A")} {
		want := readAll(t, strings.NewReader(in))
		for _, first := range []int{0, 1} {
			if diff := cmp.Diff(want, readAll(t, strings.NewReader(utf16Text(in, first, 1-first)))); diff != "" {
				t.Errorf("%s, byte %d first (-want +got):\n%s", in, first, diff)
			}
		}
	}
}

func TestATarArchiveIsNamed(t *testing.T) {
	tar := strings.Repeat("f", 257) + "ustar" + strings.Repeat("\x00", 250)
	for sentence, in := range map[string]string{"as it is": tar, "zipped": string(zipped(t, tar)), "up to its sign": tar[:257+len("ustar")]} {
		got := readAll(t, strings.NewReader(in))
		if len(got) != 1 || !strings.Contains(got[0], "is a tar archive") {
			t.Errorf("%s: %q", sentence, got)
		}
	}
}

// Who reads many files asks which of them are none of CloudTrail's.
func TestAFileThatIsNoExportSaysSo(t *testing.T) {
	for in, want := range map[string]bool{"": true, "hello": true, event("A") + "\nhello": false, "x " + event("A") + "\nhello": false, `{"eventName" 1}`: false} {
		var last error
		if err := trail.Read(strings.NewReader(in), "in", func(r trail.Record) error {
			last = r.Err
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if last == nil || errors.Is(last, trail.ErrForeign) != want {
			t.Errorf("%q: %v is foreign: want %v", in, last, want)
		}
	}
}

func TestAReaderThatPausesIsReadToItsEnd(t *testing.T) {
	in := strings.Repeat(event("A")+"\n", 500)
	if got := readAll(t, &stutter{Reader: strings.NewReader(in)}); len(got) != 500 || got[499] != "500 A" {
		t.Errorf("%d events of 500, the last is %q", len(got), got[len(got)-1])
	}
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
