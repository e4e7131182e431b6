package trail_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

// readAll lists what Read yields: "line[#index] EventName" or "line[#index] error".
func readAll(t testing.TB, r io.Reader) []string {
	t.Helper()
	var out []string
	err := trail.Read(r, "in", func(record trail.Record) error {
		where := fmt.Sprint(record.Line)
		if record.Index > 0 {
			where += fmt.Sprint("#", record.Index)
		}
		out = append(out, where+" "+reported(t, record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func reported(t testing.TB, record trail.Record) string {
	if record.Err != nil {
		return record.Err.Error()
	}
	if !json.Valid(record.Raw) {
		t.Errorf("raw is not the record: %s", record.Raw)
	}
	return record.Change.EventName
}

// event is a bare record as CloudTrail begins it.
func event(name string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","eventName":%q,"eventSource":"ec2.amazonaws.com"}`, name)
}

// plain is a bare record that does not begin as CloudTrail's do.
func plain(name string) string {
	return fmt.Sprintf(`{"eventName":%q,"eventSource":"ec2.amazonaws.com","userIdentity":{}}`, name)
}

func TestReadCarriers(t *testing.T) {
	envelope := fmt.Sprintf(`{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","detail":%s}`, event("B"))
	tests := map[string]struct {
		in   string
		want []string
	}{
		"one record":                          {event("A"), []string{"1 A"}},
		"one envelope":                        {envelope, []string{"1 B"}},
		"a log file":                          {`{"Records":[` + event("A") + "," + event("B") + `]}`, []string{"1#1 A", "1#2 B"}},
		"a log file, written nicely":          {"{\n \"Records\" : [\n  " + event("A") + " ,\n  " + event("B") + "\n ]\n}\n", []string{"3#1 A", "4#2 B"}},
		"a log file without events":           {`{"Records":[]}`, nil},
		"records, one a line":                 {event("A") + "\n" + event("B") + "\n", []string{"1 A", "2 B"}},
		"envelopes and records, blank lines":  {"\n" + envelope + "\r\n\r\n" + event("A"), []string{"2 B", "4 A"}},
		"records without anything in between": {event("A") + event("B"), []string{"1 A", "1 B"}},
		"log files, one a line":               {`{"Records":[` + event("A") + "]}\n" + `{"Records":[` + event("B") + `]}`, []string{"1#1 A", "2#1 B"}},
		"a list":                              {"[" + event("A") + ",\n" + envelope + "]", []string{"1#1 A", "2#2 B"}},
		"an event over several lines":         {"{\n\"eventName\":\n\"A\", \"eventSource\": \"ec2.amazonaws.com\", \"userIdentity\": {}\n}\n" + event("B"), []string{"1 A", "5 B"}},
		"a byte order mark":                   {"\xef\xbb\xbf" + event("A"), []string{"1 A"}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(test.want, readAll(t, strings.NewReader(test.in))); diff != "" {
				t.Errorf("plain (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, readAll(t, bytes.NewReader(zipped(t, test.in)))); diff != "" {
				t.Errorf("gzip (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, readAll(t, asSlowlyAsMayBe(test.in))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadBroken(t *testing.T) {
	a, b, c := event("A"), event("B"), event("C")
	half := `{"eventVersion":"1.11","eventName":"X",`
	tests := map[string]struct {
		in   string
		want []string
	}{
		"an empty file":                                             {"", []string{"1 in:1: is empty: it holds no events"}},
		"only white space":                                          {"\n\n", []string{"3 in:3: is empty: it holds no events"}},
		"a text":                                                    {"hello\nworld\n" + a, []string{"1 in:1: want an event, found 'h'", "3 A"}},
		"a line of something else":                                  {a + "\nhello\n" + b, []string{"1 A", "2 in:2: want an event, found 'h'", "3 B"}},
		"a line cut in a string":                                    {a + "\n{\"eventVersion\":\"1.1\n" + b, []string{"1 A", `2 in:2: record 2: a string is not closed before '\n'`, "3 B"}},
		"a line cut behind a comma":                                 {a + "\n" + half + "\n" + b + "\n" + c, []string{"1 A", "2 in:2: record 2: want a member name, found '{' (on line 3)", "3 B", "4 C"}},
		"a line cut behind a colon":                                 {"{\"eventName\":\n" + b + "\n" + c, []string{"1 in:1: record 1: want ',' or '}', found '{' (on line 3)", "2 B", "3 C"}},
		"a line without its last bracket":                           {strings.TrimSuffix(a, "}") + "\n" + b, []string{"1 in:1: record 1: want ',' or '}', found '{' (on line 2)", "2 B"}},
		"a line with a bracket too many":                            {a + "}\n" + b, []string{"1 A", "1 in:1: want an event, found '}'", "2 B"}},
		"a file cut off":                                            {a + "\n" + half, []string{"1 A", "2 in:2: record 2: unexpected end of JSON"}},
		"an object that is no event":                                {a + "\n{\"hello\":1}\n" + b, []string{"1 A", `2 in:2: record 2: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`, "3 B"}},
		"a written-nicely event broken":                             {"{\n  \"eventName\" \"A\"\n}\n" + b, []string{"1 in:1: record 1: want ':', found '\"' (on line 2)", "4 B"}},
		"Records that are no list":                                  {`{"Records":{}}`, []string{`1 in:1: record 1: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`}},
		"a record that is no object":                                {`{"Records":[` + a + `,5,` + b + `]}`, []string{"1#1 A", `1#2 in:1: record 2: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`, "1#3 B"}},
		"a broken record among good ones":                           {`{"Records":[` + a + `,{"eventName" "X"},` + b + `]}`, []string{"1#1 A", `1#2 in:1: record 2: want ':', found '"'`, "1#3 B"}},
		"a record without its last bracket":                         {`{"Records":[` + a + `,` + half + `"x":{},` + b + `,` + c + `]}`, []string{"1#1 A", "1#2 in:1: record 2: want a member name, found '{'", "1#3 B", "1#4 C"}},
		"a record cut in a string":                                  {`{"Records":[` + "\n" + a + ",\n{\"eventVersion\":\"1.1\n" + b + "]}", []string{"2#1 A", `3#2 in:3: record 2: a string is not closed before '\n'`, "4#3 B"}},
		"a broken record and nothing more":                          {`{"Records":[` + a + `,{"eventName"]}`, []string{"1#1 A", "1#2 in:1: record 2: want ':', found ']'", "1 in:1: no further record could be found in this file"}},
		"a log file cut off":                                        {`{"Records":[` + a + `,` + half, []string{"1#1 A", "1#2 in:1: record 2: unexpected end of JSON", "1 in:1: no further record could be found in this file"}},
		"a log file cut off between records":                        {`{"Records":[` + a, []string{"1#1 A", "1 in:1: unexpected end of JSON"}},
		"a log file cut off before the end":                         {`{"Records":[` + a + `]`, []string{"1#1 A", "1 in:1: unexpected end of JSON"}},
		"a log file with more behind records":                       {`{"Records":[` + a + `],"x":1}` + "\n" + b, []string{"1#1 A", "2 B"}},
		"a log file with no member behind records":                  {`{"Records":[` + a + `],5}` + "\n" + b, []string{"1#1 A", "1 in:1: want a member name, found '5'", "2 B"}},
		"a log file with a word behind records":                     {`{"Records":[` + a + `]5}` + "\n" + b, []string{"1#1 A", "1 in:1: want '}' after the records, found '5'", "2 B"}},
		"records without a comma":                                   {`{"Records":[` + a + b + "]}\n" + c, []string{"1#1 A", "1 in:1: want ',' or ']' after record 1, found '{'", "2 C"}},
		"a comma before the first record":                           {`[,` + a + `]`, []string{`1#1 in:1: record 1: want a value, found ','`, "1#2 A"}},
		"a broken element, and elements that begin otherwise":       {`[{"eventName" "X","a":{"b":["}]",{}]}},` + plain("B") + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 B"}},
		"a broken element with an escaped quote":                    {`[{"eventName" "X\"}","a":"\\"},` + plain("B") + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 B"}},
		"a broken element at the end of a list":                     {`[` + plain("A") + `,{"eventName" "X"}]` + "\n" + plain("B"), []string{"1#1 A", `1#2 in:1: record 2: want ':', found '"'`, "2 B"}},
		"a broken element with another behind it that has no comma": {`[{"eventName" "X"} ` + plain("B") + `,` + event("C") + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 C"}},
		"a broken element whose brackets do not match":              {`[{"eventName" "X"],` + plain("B") + `,` + event("C") + `]`, []string{`1#1 in:1: record 1: want ':', found '"'`, "1#2 C"}},
		"a broken element that is nested deeper than any":           {`[` + strings.Repeat("[", 129) + strings.Repeat("]", 129) + `,` + plain("B") + `,` + event("C") + `]`, []string{"1#1 in:1: record 1: nested deeper than 128", "1#2 C"}},
		"a broken element that is nested as deep as it may be":      {`[` + strings.Repeat("[", 127) + `{"a" 1}` + strings.Repeat("]", 127) + `,` + plain("B") + `]`, []string{"1#1 in:1: record 1: want ':', found '1'", "1#2 B"}},
		"a word for an element, and elements that begin otherwise":  {`[nope,` + plain("B") + `]`, []string{`1#1 in:1: record 1: want null, found 'o'`, "1#2 B"}},
		"a comma before the end of a list":                          {`[` + plain("A") + `,]` + "\n" + plain("B"), []string{"1#1 A", "1#2 in:1: record 2: want a value, found ']'", "2 B"}},
		"a comma before the first element, which begins otherwise":  {`[,` + plain("B") + `]`, []string{"1#1 in:1: record 1: want a value, found ','", "1#2 B"}},
		"a word for the only element":                               {`[nope]` + "\n" + plain("B"), []string{`1#1 in:1: record 1: want null, found 'o'`, "2 B"}},
		"an object with a list that is no Records":                  {`{"Items":[` + a + `]}`, []string{`1 in:1: record 1: neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`}},
		"a word for a record":                                       {`[nope,` + a + `]`, []string{`1#1 in:1: record 1: want null, found 'o'`, "1#2 A"}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(test.want, readAll(t, strings.NewReader(test.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, readAll(t, asSlowlyAsMayBe(test.in))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadBrokenInput(t *testing.T) {
	whole := zipped(t, strings.Repeat(event("A")+"\n", 2000))
	tests := map[string]struct {
		in    io.Reader
		first string
		last  string
	}{
		"a gzip file cut off":         {bytes.NewReader(whole[:len(whole)-20]), "1 A", "unexpected EOF"},
		"a gzip file with a bad sum":  {bytes.NewReader(append(bytes.Clone(whole[:len(whole)-8]), 1, 2, 3, 4, 5, 6, 7, 8)), "1 A", "gzip: invalid checksum"},
		"a gzip file with a bad head": {strings.NewReader("\x1f\x8b\x00garbage that is none"), "1 in:1: open gzip: gzip: invalid header", "gzip: invalid header"},
		"a disk that fails":           {io.MultiReader(strings.NewReader(event("A")), iotest.ErrReader(errors.New("disk on fire"))), "1 A", "in:1: cut off: disk on fire"},
		"a disk that fails in a list": {io.MultiReader(strings.NewReader("["+event("A")), iotest.ErrReader(errors.New("disk on fire"))), "1#1 A", "in:1: cut off: disk on fire"},
		"a disk that fails in events": {io.MultiReader(strings.NewReader(event("A")+`{"eventNa`), iotest.ErrReader(errors.New("disk on fire"))), "1 A", "in:1: record 2: cut off: disk on fire"},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got := readAll(t, test.in)
			if len(got) == 0 || got[0] != test.first || !strings.HasSuffix(got[len(got)-1], test.last) {
				t.Errorf("got %d: %q … %q", len(got), got[:1], got[len(got)-1:])
			}
			if n := strings.Count(strings.Join(got, "\n"), test.last); n != 1 {
				t.Errorf("reported %d times", n)
			}
		})
	}
}

func TestReadEndsWhenYieldDoes(t *testing.T) {
	stop := errors.New("enough")
	for sentence, in := range map[string]string{
		"lines":    event("A") + "\n" + event("B"),
		"records":  `{"Records":[` + event("A") + "," + event("B") + "]}",
		"breakage": "hello\n" + event("B"),
	} {
		t.Run(sentence, func(t *testing.T) {
			calls := 0
			err := trail.Read(strings.NewReader(in), "in", func(trail.Record) error {
				calls++
				return stop
			})
			if !errors.Is(err, stop) || calls != 1 {
				t.Errorf("%d calls, error %v", calls, err)
			}
		})
	}
}

func TestReadErrorSays(t *testing.T) {
	err := trail.Read(strings.NewReader("[\n7]"), "trail/x.json", func(record trail.Record) error { return record.Err })
	var reported *trail.Error
	if !errors.As(err, &reported) {
		t.Fatalf("error %v", err)
	}
	if reported.Name != "trail/x.json" || reported.Line != 2 || reported.Index != 1 || reported.Unwrap() == nil {
		t.Errorf("got %+v", reported)
	}
}

// TestReadSameInEveryCarrier reads each of our events as envelope, record, log file and line.
func TestReadSameInEveryCarrier(t *testing.T) {
	for _, name := range eventNames(t) {
		raw := readEvent(t, name)
		var event struct {
			DetailType string          `json:"detail-type"`
			Detail     json.RawMessage `json:"detail"`
		}
		if err := json.Unmarshal(raw, &event); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(event.DetailType, "via CloudTrail") || name == "put-secret-value-trimmed" {
			continue // nothing but an envelope carries these
		}
		want, err := trail.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, event.Detail); err != nil {
			t.Fatal(err)
		}
		for carrier, in := range map[string]string{
			"envelope":      string(raw),
			"record":        string(event.Detail),
			"line":          line.String() + "\n",
			"log file":      `{"Records":[` + line.String() + `]}`,
			"zipped":        string(zipped(t, `{"Records":[`+line.String()+`]}`)),
			"nice log file": "{\n\t\"Records\": [\n" + string(event.Detail) + "]}",
		} {
			t.Run(name+" as "+carrier, func(t *testing.T) {
				err := trail.Read(strings.NewReader(in), "in", func(record trail.Record) error {
					if diff := cmp.Diff(want, record.Change); diff != "" {
						t.Errorf("(-envelope +%s):\n%s", carrier, diff)
					}
					return record.Err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestReadLongRecords: an event may be larger than any buffer, but not larger than events are.
func TestReadLongRecords(t *testing.T) {
	long := fmt.Sprintf(`{"eventName":"Long","eventSource":"ec2.amazonaws.com","userIdentity":{},"x":%q}`, strings.Repeat("x", 1<<20))
	tooLong := fmt.Sprintf(`{"eventName":"TooLong","x":%q}`, strings.Repeat("x", 4<<20))
	in := long + "\n" + tooLong + "\n" + event("A")
	want := []string{"1 Long", "2 in:2: record 2: longer than 4194304 bytes", "3 A"}
	if diff := cmp.Diff(want, readAll(t, strings.NewReader(in))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	want = []string{"1#1 Long", "2#2 in:2: record 2: longer than 4194304 bytes", "3#3 A"}
	in = `{"Records":[` + long + ",\n" + tooLong + ",\n" + event("A") + "]}"
	if diff := cmp.Diff(want, readAll(t, strings.NewReader(in))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestReadInConstantMemory streams far more than it may keep.
func TestReadInConstantMemory(t *testing.T) {
	const events = 10_000
	for sentence, source := range map[string]*generator{
		"lines":      {line: readLine(t, "create-secret-default-key") + "\n", left: events},
		"a log file": {head: `{"Records":[`, line: readLine(t, "create-secret-default-key"), between: ",", tail: "]}", left: events},
	} {
		t.Run(sentence, func(t *testing.T) {
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			n, peak := 0, uint64(0)
			err := trail.Read(source, "generated", func(record trail.Record) error {
				if n++; n%2_000 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapAlloc)
				}
				return record.Err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n != events {
				t.Errorf("%d events of %d", n, events)
			}
			if grown := int64(peak) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("%d bytes are held while reading %d", grown, int64(events)*int64(len(source.line)))
			}
		})
	}
}

// generator is an input of many events that are never in memory together.
type generator struct {
	head, line, between, tail string
	left                      int
	pending, behind           string
	begun, ended              bool
}

func (g *generator) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if g.pending == "" && !g.refill() {
			break
		}
		copied := copy(p[n:], g.pending)
		g.pending = g.pending[copied:]
		n += copied
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (g *generator) refill() bool {
	switch {
	case g.behind != "":
		g.pending, g.behind = g.behind, ""
	case !g.begun:
		g.begun = true
		g.pending = g.head + g.line
		g.left--
	case g.left > 0 && g.between == "":
		g.pending = g.line
		g.left--
	case g.left > 0:
		g.pending, g.behind = g.between, g.line
		g.left--
	case !g.ended:
		g.ended = true
		g.pending = g.tail
	}
	return g.pending != ""
}

func readLine(t testing.TB, name string) string {
	t.Helper()
	var line bytes.Buffer
	if err := json.Compact(&line, readEvent(t, name)); err != nil {
		t.Fatal(err)
	}
	return line.String()
}

func zipped(t testing.TB, s string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// stutter reads nothing every other time, as an io.Reader may.
type stutter struct {
	io.Reader
	turn int
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.turn++; s.turn%2 == 1 {
		return 0, nil
	}
	return s.Reader.Read(p[:min(len(p), 8)])
}

func TestReadGoesOnWhereNothingWasReadYet(t *testing.T) {
	in := event("A") + "\n" + event("B")
	if diff := cmp.Diff([]string{"1 A", "2 B"}, readAll(t, &stutter{Reader: strings.NewReader(in)})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
