package settings_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	jsonschema "github.com/google/jsonschema-go/jsonschema"

	"github.com/doublelock/doublelock/shared/settings"
)

var update = flag.Bool("update", false, "rewrite docs/doublelock.schema.json")

func TestCommittedSchemaIsCurrent(t *testing.T) {
	got, err := settings.Schema()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "doublelock.schema.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./shared/settings -update:\n%s", diff)
	}
}

// TestSchemaAgreesWithParse judges files by the schema alone, with a validator that is not ours.
func TestSchemaAgreesWithParse(t *testing.T) {
	raw, err := settings.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for file, valid := range map[string]bool{
		"sample.yaml": true, "minimal.yaml": true,
		"broken/unknown_key.yaml": false, "broken/account_id.yaml": false, "broken/unknown_region.yaml": false,
		"broken/mode.yaml": false, "broken/alias_prefix.yaml": false, "broken/truth_value.yaml": false,
		"broken/waived_control.yaml": false,
	} {
		text, err := os.ReadFile(filepath.Join(configs, file))
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := yaml.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(value); (err == nil) != valid {
			t.Errorf("%s: schema says %v", file, err)
		}
	}
}

func TestEveryFieldSaysWhatItMeans(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(in reflect.Type) {
		switch in.Kind() {
		case reflect.Slice, reflect.Map:
			walk(in.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[in] || in.PkgPath() != reflect.TypeFor[settings.Config]().PkgPath() {
			return
		}
		seen[in] = true
		for i := range in.NumField() {
			field := in.Field(i)
			if field.Tag.Get("yaml") == "" || field.Tag.Get("about") == "" {
				t.Errorf("%s.%s needs a yaml and an about tag", in.Name(), field.Name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[settings.Config]())
}
