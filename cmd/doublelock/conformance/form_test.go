package conformance_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/doublelock/doublelock/shared/conformance"
)

// The form asks for the report, and for nothing that the report says.
func TestTheFormAsksForNothingThatTheReportSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", ".github", "ISSUE_TEMPLATE", "conformance.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var form struct {
		Body []struct {
			ID         string `yaml:"id"`
			Attributes struct {
				Description string `yaml:"description"`
				Render      string `yaml:"render"`
			} `yaml:"attributes"`
		} `yaml:"body"`
	}
	if err := yaml.Unmarshal(text, &form); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for field := range reflect.TypeFor[conformance.Report]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		said[name] = true
	}
	asks := false
	for _, one := range form.Body {
		if said[one.ID] {
			t.Errorf("the form asks for %s, which the report says", one.ID)
		}
		asks = asks || one.ID == "report" && one.Attributes.Render == "json" && strings.Contains(one.Attributes.Description, "doublelock conformance --report conformance.json")
	}
	if !asks || !said["partition"] {
		t.Errorf("the form does not ask for the report, or that does not say the partition: %v", said)
	}
}
