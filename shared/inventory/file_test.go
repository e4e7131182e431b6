package inventory_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
)

func TestLoadRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"nothing":                     {``, "load snapshot: line 1: unexpected end of JSON input"},
		"no JSON":                     {"{\n\"version\": 1,\n x}", "load snapshot: line 3: invalid character 'x'"},
		"another version":             {`{"version": 2}`, "version 2 of the format, want 1: take a new one"},
		"no version":                  {`{"accounts": []}`, `no "version"`},
		"an unknown field":            {`{"version": 1, "colour": "red"}`, `unknown field "colour"`},
		"an unknown field of a fact":  {`{"version": 1, "secrets": [{"facts": {"arn": "a", "value": "x"}}]}`, `unknown field "value"`},
		"a wrong kind of value":       {"{\"version\": 1,\n\"accounts\": {}}", "load snapshot: line 2: json: cannot unmarshal object"},
		"two documents":               {`{"version": 1} {"version": 1}`, "load snapshot: line 1: invalid character '{' after top-level value"},
		"an account twice":            {`{"version": 1, "accounts": [{"id": "1"}, {"id": "1"}]}`, "account 1 appears twice"},
		"a principal of no kind":      {`{"version": 1, "principals": [{"arn": "a", "kind": "robot"}]}`, `principal a: kind "robot"`},
		"a secret without an ARN":     {`{"version": 1, "secrets": [{"facts": {"arn": ""}}]}`, "a secret without an ARN or id"},
		"a policy that is not there":  {`{"version": 1, "accounts": [{"id": "1", "scps": [{"target": "r", "policies": ["p-1"]}]}]}`, "account 1: policy p-1 at r is not among the controls"},
		"the same key twice":          {`{"version": 1, "keys": [{"facts": {"arn": "k", "id": ""}}, {"facts": {"arn": "k", "id": ""}}]}`, "key k appears twice"},
		"a time that is none":         {`{"version": 1, "takenAt": "yesterday"}`, "yesterday"},
		"a version that is no number": {`{"version": "1"}`, "cannot unmarshal string"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inventory.Load(strings.NewReader(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestMergeTakesTheFirstAndSorts(t *testing.T) {
	early, late := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	a := inventory.Snapshot{TakenAt: late, Accounts: []inventory.Account{{ID: "2", Name: "first"}}, Managed: map[string]string{"x": "1"}}
	b := inventory.Snapshot{TakenAt: early, Organization: inventory.Organization{ID: "o-1"}, Accounts: []inventory.Account{{ID: "2", Name: "second"}, {ID: "1"}},
		Managed: map[string]string{"x": "2", "y": "3"}, Unread: []inventory.Unread{{Part: inventory.PartKeys, Account: "1", Why: "w"}}}
	want := inventory.Snapshot{Version: inventory.Version, TakenAt: early, Organization: inventory.Organization{ID: "o-1"},
		Accounts: []inventory.Account{{ID: "1"}, {ID: "2", Name: "first"}}, Controls: map[string]inventory.Policy{}, Managed: map[string]string{"x": "1", "y": "3"},
		Unread: b.Unread}
	if diff := cmp.Diff(want, inventory.Merge(a, b)); diff != "" {
		t.Error(diff)
	}
}

// What loads can be saved, loads again as the same, and can be asked without a panic.
func FuzzLoad(f *testing.F) {
	seed, err := os.ReadFile(filepath.Join("..", "..", "testdata", "inventory", "acme.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"version": 1, "accounts": [{"id": "111122223333"}]}`))
	f.Add([]byte(`{"version": 1, "secrets": [{"facts": {"arn": "a", "versions": [{"id": "v", "stages": ["AWSCURRENT"]}]}, "policy": "{"}], "principals": [{"arn": "arn:aws:iam::1:role/r", "kind": "role"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := inventory.Load(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var saved bytes.Buffer
		if err := inventory.Save(&saved, s); err != nil {
			t.Fatal(err)
		}
		text := saved.String()
		again, err := inventory.Load(&saved)
		if err != nil {
			t.Fatalf("what was saved does not load: %v\n%s", err, text)
		}
		var twice bytes.Buffer
		if err := inventory.Save(&twice, again); err != nil {
			t.Fatal(err)
		}
		if text != twice.String() {
			t.Errorf("saved twice, not the same:\n%s", cmp.Diff(text, twice.String()))
		}
		access := inventory.Prepare(s)
		for i := range s.Secrets {
			_, _, _ = access.Readers(s.Secrets[i].Facts.ARN) // any answer or error, but an answer
		}
	})
}
