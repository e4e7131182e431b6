package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
	"github.com/doublelock/doublelock/testdata/config"
)

// jsii is one node process and no goroutine may share it: tests here never run in parallel, and every app is built
// once and read by all.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer jsii.Close()
		return m.Run()
	}())
}

// template is a CloudFormation template as it was synthesized.
type template struct {
	raw       map[string]any
	Resources map[string]resource
}

type resource struct {
	Type       string
	Properties map[string]any
	Condition  string
}

// stacks are the three templates of a configuration.
type stacks map[string]template

var (
	sample  = sync.OnceValues(func() (stacks, error) { return build("sample") })
	minimal = sync.OnceValues(func() (stacks, error) { return build("minimal") })
	govern  = sync.OnceValues(func() (stacks, error) { return build("aws-us-gov") })
	china   = sync.OnceValues(func() (stacks, error) { return build("aws-cn") })
)

// configurations are what every invariant must hold for. The whole one has every option.
var configurations = map[string]func() (stacks, error){"sample": sample, "minimal": minimal, "whole": whole, "aws-us-gov": govern, "aws-cn": china}

func build(name string) (stacks, error) {
	config, err := configuration(name)
	if err != nil {
		return nil, err
	}
	return synthesize(config, io.Discard)
}

func configuration(name string) (settings.Config, error) {
	if slices.Contains(config.Partitions(), arn.Partition(name)) {
		return sampleIn(arn.Partition(name))
	}
	return settings.Load(filepath.Join("..", "testdata", "config", name+".yaml"))
}

// sampleIn is the sample in another partition.
func sampleIn(partition arn.Partition) (settings.Config, error) {
	sample, err := config.In(partition)
	if err != nil {
		return settings.Config{}, err
	}
	return settings.Parse("sample in "+string(partition), sample.Text)
}

var whole = sync.OnceValues(func() (stacks, error) {
	in, done, err := wholeInput()
	if err != nil {
		return nil, err
	}
	defer done()
	return synthesizeInput(in, io.Discard)
})

func wholeInput() (Input, func(), error) {
	config, err := configuration("sample")
	if err != nil {
		return Input{}, nil, err
	}
	config.Operations = settings.Operations{
		Email: "platform@example.com", SlackChannel: "C0000000001", SlackAPI: true,
		Roles:     []string{"arn:aws:iam::222222222222:role/SecurityOperator"},
		Operators: []string{"arn:aws:iam::222222222222:role/SecurityOperator"},
	}
	config.Regions.RestrictReplicas, config.Keys.MultiRegion = true, true
	config.Migration.ReaderLedger = "forwarded"
	config.Keys.Tags = map[string]string{"owner": "security-team", "data-sensitivity": "high"}
	for i := range config.Rollout {
		config.Rollout[i].SCP, config.Rollout[i].BacklogMigrated = true, i == 0
		config.Rollout[i].DenyDefaultKey, config.Rollout[i].Perimeter = true, true
	}
	config.Organization.Partners = []string{"777777777777"}
	folder, err := os.MkdirTemp("", "doublelock-infra")
	if err != nil {
		return Input{}, nil, err
	}
	in, err := input(config, folder)
	return in, func() { _ = os.RemoveAll(folder) }, err
}

// synthesize builds the app of a configuration with stub binaries and reads its templates.
func synthesize(config settings.Config, w io.Writer) (stacks, error) {
	folder, err := os.MkdirTemp("", "doublelock-infra")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	in, err := input(config, folder)
	if err != nil {
		return nil, err
	}
	return synthesizeInput(in, w)
}

func synthesizeInput(in Input, w io.Writer) (stacks, error) {
	folder, err := os.MkdirTemp("", "doublelock-out")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(folder), AnalyticsReporting: jsii.Bool(false)})
	if err := Build(app, in, w); err != nil {
		return nil, err
	}
	assembly := app.Synth(nil)
	member, err := memberTemplate(in)
	if err != nil {
		return nil, err
	}
	out := stacks{}
	for name, body := range map[string]any{
		"org": assembly.GetStackByName(jsii.String("doublelock-org")).Template(),
		"hub": assembly.GetStackByName(jsii.String("doublelock-hub")).Template(), "member": json.RawMessage(member),
	} {
		if out[name], err = parse(body); err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
	}
	return out, nil
}

// input is the app's input with a stub for every binary, so that asset hashes do not depend on the compiler.
func input(config settings.Config, dist string) (Input, error) {
	for _, w := range workers {
		folder := filepath.Join(dist, w.Name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return Input{}, err
		}
		if err := os.WriteFile(filepath.Join(folder, "bootstrap"), []byte("stub of "+w.Name+"\n"), 0o755); err != nil {
			return Input{}, err
		}
	}
	context, err := cdkContext("..")
	if err != nil {
		return Input{}, err
	}
	return Input{Channels: channels.All(), Config: config, Rules: trail.RulesWith(config.Migration.Forwards()), Dist: dist, Context: context}, nil
}

func parse(body any) (template, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return template{}, err
	}
	var t template
	if err := json.Unmarshal(raw, &t); err != nil {
		return template{}, err
	}
	return t, json.Unmarshal(raw, &t.raw)
}

// each runs a test on every template of every configuration.
func each(t *testing.T, test func(t *testing.T, tpl template)) {
	for config, load := range configurations {
		templates, err := load()
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		for name, tpl := range templates {
			t.Run(config+"/"+name, func(t *testing.T) { test(t, tpl) })
		}
	}
}

// of lists the resources of a type by logical id.
func (t template) of(kind string) map[string]resource {
	found := map[string]resource{}
	for id, r := range t.Resources {
		if r.Type == kind {
			found[id] = r
		}
	}
	return found
}

// at walks into properties by a path of names.
func (r resource) at(path ...string) any {
	var v any = r.Properties
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (r resource) text(path ...string) string {
	s, _ := r.at(path...).(string)
	return s
}

// statement is one statement of a policy in a template, and where it stands.
type statement struct {
	Where         string
	Effect        string
	Action        []string
	Resource      []string
	NotResource   []string
	Principal     any
	Condition     map[string]map[string]any
	ConditionText string
}

// statements lists every policy statement anywhere in a resource.
func statements(where string, v any) []statement {
	switch v := v.(type) {
	case []any:
		var all []statement
		for _, item := range v {
			all = append(all, statements(where, item)...)
		}
		return all
	case map[string]any:
		if _, ok := v["Effect"].(string); ok {
			return []statement{statementOf(where, v)}
		}
		var all []statement
		for _, item := range v {
			all = append(all, statements(where, item)...)
		}
		return all
	}
	return nil
}

func statementOf(where string, m map[string]any) statement {
	s := statement{
		Where: where + "/" + fmt.Sprint(m["Sid"]), Effect: m["Effect"].(string), Principal: m["Principal"],
		Action: texts(m["Action"]), Resource: texts(m["Resource"]), NotResource: texts(m["NotResource"]),
		Condition: map[string]map[string]any{}, ConditionText: text(m["Condition"]),
	}
	if condition, ok := m["Condition"].(map[string]any); ok {
		for operator, keys := range condition {
			s.Condition[operator], _ = keys.(map[string]any)
		}
	}
	return s
}

// texts reads a string or a list; what is not a string (a reference) is its JSON.
func texts(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, texts(item)...)
		}
		return out
	}
	return []string{text(v)}
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// roleStatements lists what the roles of a template may do, without who may take them.
func (t template) roleStatements() []statement {
	var all []statement
	for id, r := range t.of("AWS::IAM::Role") {
		all = append(all, statements(id, r.at("Policies"))...)
	}
	return all
}

func has(list []string, match func(string) bool) bool {
	for _, s := range list {
		if match(s) {
			return true
		}
	}
	return false
}

func prefixed(prefixes ...string) func(string) bool {
	return func(s string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(s, p) {
				return true
			}
		}
		return false
	}
}
