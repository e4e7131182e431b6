package trail_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

func seeds(f *testing.F) {
	for _, name := range eventNames(f) {
		f.Add(readEvent(f, name))
	}
	f.Add([]byte(`{"Records":[{"eventVersion":"1.11","eventName":"A"},{"eventVersion"`))
	f.Add([]byte("{\"eventName\":\"A\"}\n{\"eventName\"\n{\"eventName\":\"B\"}"))
	f.Add([]byte(`{"eventName":"\ud800\u0041\/","eventSource":"kms.amazonaws.com","requestParameters":{"a":[-0.5e+7,1e999,null,{"b":[]}]}}`))
	f.Add([]byte("{\"eventName\":\"\xff\"}"))
}

func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := trail.Decode(raw)
		if err == nil && !json.Valid(raw) {
			t.Fatalf("what encoding/json refuses was read: %s", raw)
		}
		if err != nil {
			return
		}
		if got.Kind == "" || got.Reason == "" {
			t.Errorf("no kind or no reason: %+v", got)
		}
		if got.Kind != trail.Ignored && got.Rule == "" {
			t.Errorf("%s without a rule: %+v", got.Kind, got)
		}
		if got.Kind == trail.LookAtSecret && got.Secret.ID == "" || got.Kind == trail.LookAtKey && got.Key.ID == "" {
			t.Errorf("nowhere to look: %+v", got)
		}
		again, err := trail.Decode(raw)
		if err != nil || again.Kind != got.Kind || again.Resource() != got.Resource() || again.EventID != got.EventID {
			t.Errorf("read twice, read differently: %+v, %+v, %v", got, again, err)
		}
	})
}

// FuzzRead: whatever comes, reading ends, names what it cannot read, and reads what encoding/json would.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		records, last := 0, 0
		err := trail.Read(bytes.NewReader(in), "in", func(record trail.Record) error {
			if records++; records > len(in)+1 {
				return errors.New("more records than bytes")
			}
			if record.Line < last || record.Line > bytes.Count(in, []byte("\n"))+1 && !bytes.HasPrefix(in, []byte("\x1f\x8b")) {
				t.Errorf("line %d after line %d", record.Line, last)
			}
			last = record.Line
			var reported *trail.Error
			if record.Err != nil {
				if !errors.As(record.Err, &reported) || !strings.HasPrefix(record.Err.Error(), "in:") {
					t.Errorf("error %v does not tell where", record.Err)
				}
				return nil
			}
			if !json.Valid(record.Raw) {
				t.Errorf("what encoding/json refuses was read: %s", record.Raw)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if records == 0 && !emptyLog(in) {
			t.Errorf("nothing was said about %q", in)
		}
	})
}

// Athena gives rows without values for what lies beside log files under a table's location, and any cell of a row may be null.
func TestAnExportIsReadToItsEndWhateverIsMissingInIt(t *testing.T) {
	for sentence, export := range exports(t) {
		if !json.Valid([]byte(export.in)) {
			continue
		}
		for at := 0; ; at++ {
			in, found := without(t, export.in, at)
			if !found {
				break
			}
			said := 0
			err := trail.Read(bytes.NewReader(in), "in", func(trail.Record) error {
				said++
				return nil
			})
			if err != nil || said == 0 && !emptyLog(in) {
				t.Errorf("%s: %d said, %v: %s", sentence, said, err, in)
			}
		}
	}
}

// without is a JSON text in which the value at a place, counted by threes, is null, {} or []; false behind the last one.
func without(t *testing.T, text string, at int) ([]byte, bool) {
	t.Helper()
	var whole any
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	left, found := at/3, false
	var change func(any) any
	change = func(v any) any {
		if left--; left < 0 && !found {
			found = true
			return []any{nil, map[string]any{}, []any{}}[at%3]
		}
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				v[name] = change(v[name])
			}
		case []any:
			for i := range v {
				v[i] = change(v[i])
			}
		}
		return v
	}
	raw, err := json.Marshal(change(whole))
	if err != nil {
		t.Fatal(err)
	}
	return raw, found
}

// emptyLog reports whether the input is JSON that holds no events: log files and lists without any.
func emptyLog(in []byte) bool {
	in = bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))
	decoder := json.NewDecoder(bytes.NewReader(in))
	for values := 0; ; values++ {
		var value any
		if err := decoder.Decode(&value); err != nil {
			return values > 0 && err.Error() == "EOF"
		}
	}
}
