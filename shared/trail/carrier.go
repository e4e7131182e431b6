package trail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxCarriers bounds how many carriers may be inside of one another: a message of SQS with one of SNS with an event is two.
const maxCarriers = 8

// What is passed over: files and messages that CloudTrail and its carriers write and that hold no events.
const (
	passedDigest    = "a digest of CloudTrail's log files"
	passedInsight   = "an Insight of CloudTrail"
	passedControl   = "a control message of CloudWatch Logs"
	passedFileNames = "a notification that names log files in S3, which are to be named instead"
	passedConfirm   = "a confirmation of a subscription"
	passedSignature = "a signature of query results"
	passedManifest  = "a list of the files of an export"
	passedConfig    = "a file of AWS Config"
)

// controlMessage is the messageType with which CloudWatch Logs tries a destination out.
const controlMessage = "CONTROL_MESSAGE"

// unwrap reads a JSON value that is no event by itself: what carries one, or is one in another shape. Whatever is in it is
// yielded at the place of the value.
//
// Nothing there is a Record with the error why.
func (s *stream) unwrap(raw []byte, index int, why error) error {
	if s.depth >= maxCarriers {
		return s.broken(index, fmt.Errorf("more than %d carriers inside of one another", maxCarriers))
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return s.broken(index, err)
	}
	switch v := value.(type) {
	case string:
		return s.carried(v, index)
	case []any:
		return s.unwrapList(v, index)
	case map[string]any:
		return s.unwrapObject(v, index, why)
	}
	return s.broken(index, why)
}

// unwrapList reads a row of query results: Logs Insights has a list of {"field", "value"}, CloudTrail Lake a list of objects
// with one member each. Any other list is one of carriers.
func (s *stream) unwrapList(list []any, index int) error {
	merged := map[string]any{}
	for _, element := range list {
		object, is := element.(map[string]any)
		if name, named := object["field"].(string); is && named && len(object) <= 2 {
			merged[name] = object["value"]
			continue
		}
		if len(object) != 1 {
			return s.rewrapped(list, index)
		}
		for name, value := range object {
			merged[name] = value
		}
	}
	if len(merged) == 0 {
		return s.broken(index, errNoEvent)
	}
	return s.unwrapObject(merged, index, errNoEvent)
}

func (s *stream) unwrapObject(o map[string]any, index int, why error) error {
	if s.inRows {
		if cells, is := o["Data"].([]any); is {
			return s.resultRow(cells, index)
		}
	}
	if what := passedOver(o); what != "" {
		return s.passed(index, what)
	}
	if whole, found := inside(o, originals); found {
		return s.rewrapped(whole, index)
	}
	for _, read := range []func(map[string]any) row{fromOCSF, fromECS} {
		if r := read(o); r != nil {
			return s.rowRead(r, index, r.lacking())
		}
	}
	if r := fromColumns(o); r != nil {
		return s.rowRead(r, index, missing(o, s.columns))
	}
	if inner, found := inside(o, holders); found {
		return s.rewrapped(inner, index)
	}
	for _, name := range lists {
		if _, is := o[name].([]any); is {
			return s.rewrapped(o, index)
		}
	}
	return s.broken(index, why)
}

// resultRow reads a row of Athena's get-query-results; the first has the names of the columns. A cell that is null is an empty
// object there.
func (s *stream) resultRow(cells []any, index int) error {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i], _ = at(cell, "VarCharValue").(string)
	}
	if s.header == nil {
		if !eventColumns(texts) {
			return s.broken(index, errColumns)
		}
		s.header = texts
		return nil
	}
	return s.tableRow(texts, index)
}

var errColumns = errors.New(`a table whose columns are none of CloudTrail's; select all of them, or "eventName" and "eventSource" at least`)

// namesColumns reports whether a row has the names of the columns that every table of events has: an event that is called so is none.
func namesColumns(cells []string) bool {
	named := func(name string) bool {
		return slices.ContainsFunc(cells, func(cell string) bool { return plainName(cell) == name })
	}
	return named("eventname") && named("eventsource")
}

// eventColumns reports whether a header is that of a table of events, or of what carries them.
func eventColumns(header []string) bool {
	o := map[string]any{}
	for _, name := range header {
		o[strings.TrimSpace(name)] = "x"
	}
	_, whole := inside(o, originals)
	_, message := o["@message"]
	return whole || message || fromColumns(o) != nil
}

// tableRow reads a row. Where results of several queries stand one after the other, a header may follow again, of the same columns or
// of others.
func (s *stream) tableRow(cells []string, index int) error {
	if slices.Equal(cells, s.header) || namesColumns(cells) {
		s.header = cells
		return nil
	}
	o := map[string]any{}
	s.columns = s.header[:min(len(s.header), len(cells))]
	for i, name := range s.columns {
		if cells[i] != "" {
			o[strings.TrimSpace(name)] = cells[i]
		}
	}
	return s.unwrapObject(o, index, errNoEvent)
}

// rewrapped reads a value that was inside of another as if it were a file.
func (s *stream) rewrapped(value any, index int) error {
	if text, is := value.(string); is {
		return s.carried(text, index)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return s.broken(index, err) // cannot be: it was read from JSON
	}
	return s.nested(bytes.NewReader(raw), index)
}

// passedOver says what an object is that holds no events, "" for any other.
func passedOver(o map[string]any) string {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, is := o[name]; !is {
				return false
			}
		}
		return true
	}
	switch {
	case has("digestStartTime", "digestS3Bucket"), has("digestStartTime", "logFiles"):
		return passedDigest
	case has("insightDetails"), o["eventCategory"] == "Insight", o["eventType"] == "AwsCloudTrailInsight":
		return passedInsight
	case o["messageType"] == controlMessage:
		return passedControl
	case o["eventSource"] == "aws:s3", has("s3Bucket", "s3ObjectKey"), o["Event"] == "s3:TestEvent":
		return passedFileNames
	case at(o, "detail", "insightDetails") != nil:
		return passedInsight
	case o["Type"] == "SubscriptionConfirmation", o["Type"] == "UnsubscribeConfirmation":
		return passedConfirm
	case has("files", "hashAlgorithm"):
		return passedSignature
	case has("configurationItems"), has("configSnapshotId"), has("configurationItem", "messageType"):
		return passedConfig
	}
	return passedList(o)
}

// passedList finds manifests of Firehose, Redshift and DynamoDB's kind: a list of files.
func passedList(o map[string]any) string {
	for _, name := range []string{"entries", "manifestFiles"} {
		if listed, is := o[name].([]any); is && len(listed) > 0 && at(listed[0], "url") != nil {
			return passedManifest
		}
	}
	return ""
}

// originals are the members that hold an event as CloudTrail wrote it, and holders those that carry anything, by the names
// that those who send them use. The first that is there counts.
var (
	originals = []string{
		"eventData", "eventdata", "eventJson", "eventjson", // CloudTrail Lake
		"CloudTrailEvent", "cloudtrailevent", // lookup-events
		"_raw", "original", "raw_data", // Splunk, Elastic, OCSF
	}
	holders = []string{
		"Sns", "Message", "Body", "body", // SNS, SQS
		"awslogs", "kinesis", "data", "Data", // CloudWatch Logs to Lambda, Kinesis, Firehose
		"message", "@message", // CloudWatch Logs, Elastic
		"_source", "result", "event", // Elastic, Splunk
	}
)

// inside is what an object carries in one of some members.
func inside(o map[string]any, names []string) (any, bool) {
	for _, name := range names {
		switch v := o[name].(type) {
		case string:
			if v != "" {
				return v, true
			}
		case map[string]any, []any:
			return v, true
		}
	}
	if event, is := o["event"].(map[string]any); is { // Elastic's event.original
		if text, is := event["original"].(string); is && text != "" {
			return text, true
		}
	}
	return nil, false
}

// fromColumns reads a row of a table of events.
func fromColumns(o map[string]any) row {
	if source, _ := o["eventSource"].(string); strings.HasPrefix(source, "aws:") {
		return nil // a record for a Lambda function
	}
	r := make(row, len(o))
	for name, value := range o {
		if before, rest, dotted := strings.Cut(name, "."); dotted && structs[plainName(before)] != "" {
			object, is := r[plainName(before)].(map[string]any)
			if !is {
				object = map[string]any{}
				r[plainName(before)] = object
			}
			put(object, strings.Split(rest, "."), value)
			continue
		}
		if plain := plainName(name); r[plain] == nil {
			r[plain] = value
		}
	}
	if !r.isEvent() {
		return nil
	}
	for name := range structs {
		if r[name] != nil {
			r[name] = unflattened(r[name])
		}
	}
	return r
}

// rowRead yields the event of a row, which was exported without some members of its record.
func (s *stream) rowRead(r row, index int, missing []string) error {
	missing = append(missing, r.unreadable()...)
	raw := r.record()
	change, err := Decode(raw)
	if err != nil {
		return s.broken(index, errors.Unwrap(err))
	}
	change.doubt(missing)
	return s.yield(Record{Name: s.name, Line: s.line, Index: index, Change: change, Raw: raw})
}

// carried reads a text that was inside of a value: JSON, or anything in base64, also zipped.
func (s *stream) carried(text string, index int) error {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return s.broken(index, errEmpty)
	}
	if decoded, err := base64.StdEncoding.DecodeString(trimmed); err == nil && (decoded[0] == 0x1f || decoded[0] == '{' || decoded[0] == '[') {
		return s.nested(bytes.NewReader(decoded), index)
	}
	return s.nested(strings.NewReader(text), index)
}

// nested reads what is inside of a value as an input of its own, and yields it as being at the place of the value.
func (s *stream) nested(in io.Reader, index int) error {
	text, err := plainText(in)
	if err != nil {
		return s.broken(index, err)
	}
	inner := &stream{name: s.name, src: text, line: 1, depth: s.depth + 1}
	inner.yield = func(r Record) error {
		var found *Error
		if errors.As(r.Err, &found) {
			reason := found.Err.Error()
			if r.Index > 0 {
				reason = fmt.Sprintf("record %d in it: %s", r.Index, reason)
			}
			return s.broken(index, errors.New(reason))
		}
		r.Line, r.Index = s.line, index
		return s.yield(r)
	}
	return inner.run()
}

// passed yields that what is here holds no events.
func (s *stream) passed(index int, what string) error {
	return s.yield(Record{Name: s.name, Line: s.line, Index: index, Passed: what})
}
