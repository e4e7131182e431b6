package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

type leaf struct {
	ID   string `json:"id"`
	Text string `json:"text,omitempty"`
}

func (l leaf) Identity() string { return l.ID }

type anonymous struct {
	Text string `json:"text"`
}

type tree struct {
	Name   string             `json:"name"`
	At     time.Time          `json:"at,omitzero"`
	Below  *tree              `json:"below,omitempty"`
	Lease  leaf               `json:"lease,omitzero"`
	Leaves []leaf             `json:"leaves,omitempty"`
	By     map[string]leaf    `json:"by,omitempty"`
	Texts  map[string]string  `json:"texts,omitempty"`
	Lists  map[string][]*leaf `json:"lists,omitempty"`
	Bare   []anonymous        `json:"bare,omitempty"`
	Hidden int                `json:"-"`
}

func TestMerge(t *testing.T) {
	for name, row := range map[string]struct{ stored, change, want string }{
		"nothing was stored":                            {``, `{"name":"a"}`, `{"name":"a"}`},
		"all is known":                                  {`{"name":"a"}`, `{"name":"b"}`, `{"name":"b"}`},
		"a field of a newer version":                    {`{"name":"a","x":{"y":[1,2]}}`, `{"name":"b"}`, `{"name":"b","x":{"y":[1,2]}}`},
		"one that this type has under another name":     {`{"name":"a","Hidden":7}`, `{"name":"b"}`, `{"name":"b","Hidden":7}`},
		"a known name in another case is no new field":  {`{"NAME":"a"}`, `{"name":"b"}`, `{"name":"b"}`},
		"a field that was emptied is gone":              {`{"name":"a","texts":{"x":"y"}}`, `{"name":"a"}`, `{"name":"a"}`},
		"in a pointer's target":                         {`{"name":"a","below":{"name":"b","x":1}}`, `{"name":"a","below":{"name":"c"}}`, `{"name":"a","below":{"name":"c","x":1}}`},
		"with a pointer that was taken away":            {`{"name":"a","below":{"name":"b","x":1}}`, `{"name":"a"}`, `{"name":"a"}`},
		"in a struct that is zero and not written":      {`{"name":"a","lease":{"id":"w","fence":7}}`, `{"name":"a"}`, `{"name":"a","lease":{"fence":7}}`},
		"in elements that changed places":               {`{"name":"a","leaves":[{"id":"1","x":1},{"id":"2","x":2}]}`, `{"name":"a","leaves":[{"id":"2","text":"t"},{"id":"3"},{"id":"1"}]}`, `{"name":"a","leaves":[{"id":"2","text":"t","x":2},{"id":"3"},{"id":"1","x":1}]}`},
		"in an element that is gone":                    {`{"name":"a","leaves":[{"id":"1","x":1}]}`, `{"name":"a","leaves":[{"id":"2"}]}`, `{"name":"a","leaves":[{"id":"2"}]}`},
		"in elements of one identity, in their order":   {`{"name":"a","leaves":[{"id":"1","x":1},{"id":"1","x":2}]}`, `{"name":"a","leaves":[{"id":"1"},{"id":"1"},{"id":"1"}]}`, `{"name":"a","leaves":[{"id":"1","x":1},{"id":"1","x":2},{"id":"1"}]}`},
		"in a map's values":                             {`{"name":"a","by":{"k":{"id":"1","x":1},"l":{"id":"2"}}}`, `{"name":"a","by":{"k":{"id":"9"}}}`, `{"name":"a","by":{"k":{"id":"9","x":1}}}`},
		"in a map's lists of pointers":                  {`{"name":"a","lists":{"k":[{"id":"1","x":1}]}}`, `{"name":"a","lists":{"k":[{"id":"1"}]}}`, `{"name":"a","lists":{"k":[{"id":"1","x":1}]}}`},
		"a map of texts is what it is":                  {`{"name":"a","texts":{"x":"y","z":"z"}}`, `{"name":"a","texts":{"x":"n"}}`, `{"name":"a","texts":{"x":"n"}}`},
		"elements that say not which they are":          {`{"name":"a","bare":[{"text":"1","x":1}]}`, `{"name":"a","bare":[{"text":"1"}]}`, `{"name":"a","bare":[{"text":"1"}]}`},
		"null is nothing":                               {`{"name":"a","below":null,"leaves":null,"by":null}`, `{"name":"a","below":{"name":"b"}}`, `{"name":"a","below":{"name":"b"}}`},
		"a number that no float holds":                  {`{"name":"a","x":18446744073709551615}`, `{"name":"a"}`, `{"name":"a","x":18446744073709551615}`},
		"text that JSON for the web writes differently": {`{"name":"a","x":"<&>"}`, `{"name":"a"}`, `{"name":"a","x":"<&>"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var v tree
			if err := json.Unmarshal([]byte(row.change), &v); err != nil {
				t.Fatal(err)
			}
			got, err := store.Merge([]byte(row.stored), v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, row.want), plain(t, string(got))); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

func plain(t *testing.T, raw string) string {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &object); err != nil {
		t.Fatal(err)
	}
	for name, inner := range object {
		if inner[0] == '{' {
			object[name] = json.RawMessage(plain(t, string(inner)))
		}
	}
	sorted, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}

func TestFieldsOfANewerVersionSurviveAtEveryDepth(t *testing.T) {
	stored := `{"name":"a","below":{"name":"b","below":{"name":"c","leaves":[{"id":"1"},{"id":"2"}]}},"lease":{"id":"w"},
		"leaves":[{"id":"1"},{"id":"2"}],"by":{"k":{"id":"1"}},"lists":{"k":[{"id":"1"},{"id":"2"}]},"texts":{"x":"y"}}`
	for seed := range uint64(300) {
		storetest.KeepsWhatItDoesNotKnow(t, []byte(stored), seed, func(v *tree) {
			v.Name, v.Below.Below.Name, v.Lease = "z", "z", leaf{}
			v.Leaves = append([]leaf{{ID: "0"}}, v.Leaves...)
			v.Texts = nil
		})
	}
}

// Whatever is stored: where it can be read at all, a write says what was decided, and a second write adds nothing.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"name":"a","x":1,"leaves":[{"id":"1","x":1}]}`), []byte(`{"name":"b","leaves":[{"id":"1"}]}`))
	f.Add([]byte(`{"below":{"y":{}},"lease":{"fence":1}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, stored, change []byte) {
		var was, v, again tree
		if json.Unmarshal(stored, &was) != nil || json.Unmarshal(change, &v) != nil {
			t.Skip()
		}
		merged, err := store.Merge(stored, v)
		if err != nil {
			t.Fatalf("merge %s: %v", stored, err)
		}
		if err := json.Unmarshal(merged, &again); err != nil {
			t.Fatal(err)
		}
		want, errWant := json.Marshal(v)
		got, errGot := json.Marshal(again)
		if errWant != nil || errGot != nil || string(want) != string(got) {
			t.Fatalf("wrote %s, reads %s", want, got)
		}
		twice, err := store.Merge(merged, again)
		if err != nil || plain(t, string(twice)) != plain(t, string(merged)) {
			t.Fatalf("written again: %s, was %s (%v)", twice, merged, err)
		}
	})
}
