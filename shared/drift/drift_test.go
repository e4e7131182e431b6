package drift_test

import (
	"compress/gzip"
	"go/importer"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/drift"
)

const vault = `{"operations":{"OpenBox":{"input":{"shape":"OpenBoxRequest"},"output":{"shape":"OpenBoxResponse"},"errors":[{"shape":"Locked"}]},"Ping":{}},
"shapes":{"OpenBoxRequest":{"type":"structure","members":{"Box":{"shape":"Name"}}},
"OpenBoxResponse":{"type":"structure","members":{"Lids":{"shape":"LidList","documentation":"needs <code>vault:Lid</code> on arn:aws:vault:x"},"Tags":{"shape":"TagMap"}}},
"LidList":{"type":"list","member":{"shape":"Lid"}},"TagMap":{"type":"map","key":{"shape":"Name"},"value":{"shape":"Name"}},
"Lid":{"type":"structure","members":{"State":{"shape":"LidState"},"Inner":{"shape":"Lid"}}},
"LidState":{"type":"string","enum":["Open","Shut"]},"Name":{"type":"string"},"Locked":{"type":"structure","exception":true}}}`

func TestBotocoreIsReadAsItPacksItsModels(t *testing.T) {
	data := t.TempDir()
	for version, text := range map[string]string{"2014-11-01": `{"operations":{"Old":{}}}`, "2026-01-01": vault} {
		folder := filepath.Join(data, "vault", version)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(folder, "service-2.json.gz"))
		if err != nil {
			t.Fatal(err)
		}
		packed := gzip.NewWriter(file)
		if _, err := packed.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := packed.Close(); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := drift.FromBotocore("vault", data)
	if err != nil {
		t.Fatal(err)
	}
	want := drift.Model{Source: drift.Botocore, Service: "vault", Enums: map[string][]string{"LidState": {"Open", "Shut"}}, Errors: []string{"Locked"},
		Mentions: []string{"vault:Lid"},
		Calls: map[string]drift.Call{"Ping": {}, "OpenBox": {Errors: []string{"Locked"}, Request: []drift.Field{{Path: "Box", Owner: "OpenBoxRequest"}},
			Response: []drift.Field{{Path: "Lids", Owner: "OpenBoxResponse"}, {Path: "Lids.Inner", Owner: "Lid"}, {Path: "Lids.State", Owner: "Lid", Enum: "LidState"},
				{Path: "Tags", Owner: "OpenBoxResponse"}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := drift.FromBotocore("missing", data); err == nil {
		t.Error("a service that botocore does not have is read without an error")
	}
}

func TestTheReferenceGivesActionsTheKeysOfTheirResources(t *testing.T) {
	data := t.TempDir()
	for part, text := range map[string]string{
		"actions": `{"openbox":{"name":"OpenBox","accessLevel":"Read","conditionKeys":["vault:Lid"],"resourceTypes":[{"name":"Box","conditionKeys":["vault:Room"]}]},
			"bend":{"name":"Bend","accessLevel":"Write","conditionKeys":[],"resourceTypes":[]}}`,
		"resourceTypes": `{"box":{"key":"Box","conditionKeys":["vault:Colour","vault:Lid"]}}`,
		"conditionKeys": `{"vault:lid":{"key":"vault:Lid","type":"String"}}`,
	} {
		if err := os.MkdirAll(filepath.Join(data, part), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, part, "vault.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := drift.FromReference("vault", data)
	if err != nil {
		t.Fatal(err)
	}
	want := drift.Model{Source: drift.Reference, Service: "vault", Keys: map[string]string{"vault:Lid": "String"},
		Calls: map[string]drift.Call{"OpenBox": {Reads: true, Keys: []string{"vault:Colour", "vault:Lid", "vault:Room"}}, "Bend": {Keys: []string{}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := drift.FromReference("missing", data); err == nil {
		t.Error("a service that the reference does not have is read without an error")
	}
}

func TestAPackageWithoutAClientIsNoService(t *testing.T) {
	if _, err := drift.FromSDK("strings", stringsPackage(t), stringsPackage(t)); err == nil {
		t.Error("package strings is read as a service")
	}
}

func stringsPackage(t *testing.T) *types.Package {
	t.Helper()
	p, err := importer.Default().Import("strings")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The list of what is left alone does not rot: each of its rows has a reason, and something to leave alone.
func TestARowThatLeavesNothingAloneIsReported(t *testing.T) {
	facts := []drift.Fact{
		{Kind: drift.Calls, Name: "vault:OpenBox", Known: true},
		{Kind: drift.Calls, Name: "vault:Bend", Sources: []drift.Source{drift.SDK, drift.Botocore}},
		{Kind: drift.Values, Name: "vault:LidState=Shut", Sources: []drift.Source{drift.SDK}},
	}
	row := func(why string, names ...string) drift.Row { return drift.Row{Why: why, Names: names} }
	shut := row("it cannot be opened", "vault:LidState=Shut")
	for name, tt := range map[string]struct {
		calls, values []drift.Row
		want          []string // the beginnings of the problems
	}{
		"all is known or listed":          {[]drift.Row{row("it bends", "vault:Bend")}, []drift.Row{shut}, nil},
		"listed in other letters":         {[]drift.Row{row("it bends", "vault:bend")}, []drift.Row{shut}, nil},
		"listed by its beginning":         {[]drift.Row{row("all but opening", "vault:*")}, []drift.Row{shut}, nil},
		"not listed":                      {nil, []drift.Row{shut}, []string{"calls: vault:Bend (in aws-sdk-go-v2, botocore): if its event can change"}},
		"listed under another heading":    {nil, []drift.Row{shut, row("it bends", "vault:Bend")}, []string{"calls: vault:Bend (in", "values: vault:Bend is listed, and is not there"}},
		"gone":                            {[]drift.Row{row("x", "vault:Bend", "vault:Smash")}, []drift.Row{shut}, []string{"calls: vault:Smash is listed, and is not there (any more)"}},
		"gone with all that begin so":     {[]drift.Row{row("x", "vault:Bend", "vault:Smash*")}, []drift.Row{shut}, []string{"calls: vault:Smash* is listed, and is not there (any more)"}},
		"known by now":                    {[]drift.Row{row("x", "vault:Bend", "vault:OpenBox")}, []drift.Row{shut}, []string{"calls: vault:OpenBox is listed, and the code knows it"}},
		"known by now, under a beginning": {[]drift.Row{row("x", "vault:Bend"), row("x", "vault:Op*")}, []drift.Row{shut}, []string{"calls: vault:Op* is listed, and is not there"}},
		"listed twice":                    {[]drift.Row{row("x", "vault:Bend"), row("y", "vault:Bend")}, []drift.Row{shut}, []string{"calls: vault:Bend is listed twice"}},
		"without a reason":                {[]drift.Row{row(" ", "vault:Bend")}, []drift.Row{shut}, []string{"calls: vault:Bend: the row gives no reason"}},
	} {
		t.Run(name, func(t *testing.T) {
			problems := drift.Compare(facts, map[drift.Kind][]drift.Row{drift.Calls: tt.calls, drift.Values: tt.values})
			if !slices.EqualFunc(problems, tt.want, strings.HasPrefix) {
				t.Errorf("want %q, got %q", tt.want, problems)
			}
		})
	}
	if problems := drift.Compare(nil, map[drift.Kind][]drift.Row{"callz": nil}); len(problems) != 1 || !strings.Contains(problems[0], "no such heading") {
		t.Errorf("a heading with a slip of the pen: %q", problems)
	}
}
