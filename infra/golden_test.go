package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden templates")

// goldens are where the templates of a configuration are committed. The command line embeds those of the sample: the
// demo runs from them.
var goldens = map[string]string{
	"sample":     filepath.Join("..", "testdata", "templates"),
	"minimal":    filepath.Join("..", "testdata", "templates", "minimal"),
	"aws-us-gov": filepath.Join("..", "testdata", "templates", "aws-us-gov"), "aws-cn": filepath.Join("..", "testdata", "templates", "aws-cn"),
}

func TestTemplatesGolden(t *testing.T) {
	for config, folder := range goldens {
		templates, err := configurations[config]()
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		for name, tpl := range templates {
			t.Run(config+"/"+name, func(t *testing.T) {
				compareGolden(t, filepath.Join(folder, name+".template.json"), tpl)
			})
		}
	}
}

// With perimeter the organization's stack has one more policy; nothing else is deployed otherwise.
func TestThePerimeterGolden(t *testing.T) {
	config, err := configuration("sample")
	if err != nil {
		t.Fatal(err)
	}
	config.Rollout[0].Perimeter, config.Organization.Partners = true, []string{"777777777777"}
	with, err := synthesize(config, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, filepath.Join("..", "testdata", "templates", "perimeter", "org.template.json"), with["org"])
	without, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(without["member"].raw, with["member"].raw); diff != "" {
		t.Errorf("the member stack differs (-without +with):\n%s", diff)
	}
	var added []string
	for id := range with["org"].Resources {
		if _, there := without["org"].Resources[id]; !there {
			added = append(added, with["org"].Resources[id].Type+" "+with["org"].Resources[id].text("Name"))
		}
	}
	if diff := cmp.Diff([]string{"AWS::Organizations::Policy doublelock-perimeter"}, added); diff != "" {
		t.Errorf("the organization's stack has more (-want +got):\n%s", diff)
	}
}

// Where reads are forwarded, members have one more rule, and the hub a function with what belongs to it. Nothing else is deployed otherwise.
func TestForwardedReadsGolden(t *testing.T) {
	config, err := configuration("sample")
	if err != nil {
		t.Fatal(err)
	}
	config.Migration.ReaderLedger = "forwarded"
	with, err := synthesize(config, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	without, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	added := map[string][]string{}
	for stack, tpl := range with {
		compareGolden(t, filepath.Join("..", "testdata", "templates", "forwarded", stack+".template.json"), tpl)
		for id := range tpl.Resources {
			if _, there := without[stack].Resources[id]; !there {
				added[stack] = append(added[stack], tpl.Resources[id].Type)
			}
		}
		slices.Sort(added[stack])
	}
	want := map[string][]string{
		"member": {"AWS::Events::Rule"},
		"hub": {
			"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm",
			"AWS::Events::Rule", "AWS::Events::Rule", "AWS::IAM::Role", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Function", "AWS::Logs::LogGroup",
			"AWS::SQS::Queue", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::SQS::QueuePolicy",
		},
	}
	if diff := cmp.Diff(want, added); diff != "" {
		t.Errorf("the stacks have more (-want +got):\n%s", diff)
	}
}

func compareGolden(t *testing.T, path string, tpl template) {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(tpl.raw); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./infra -update", err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s (-want +got); if it is meant, run go test ./infra -update and read the diff:\n%s", path, diff)
	}
}
