package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/doublelock/doublelock/shared/conformance"
)

func readForm(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", ".github", "ISSUE_TEMPLATE", "conformance.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// attributes are what GitHub takes of each kind of element that the form uses, those that it must have first (GitHub Docs, "Syntax for
// GitHub's form schema").
var attributes = map[string]struct {
	required int
	names    []string
}{
	"markdown":   {1, []string{"value"}},
	"textarea":   {1, []string{"label", "description", "placeholder", "value", "render"}},
	"checkboxes": {2, []string{"label", "options", "description"}},
}

// flawsOf are why GitHub would refuse a form (GitHub Docs, "Syntax for issue forms" and "Common validation errors when creating
// issue forms").
func flawsOf(text string) []string {
	var flaws []string
	flaw := func(format string, args ...any) { flaws = append(flaws, fmt.Sprintf(format, args...)) }
	fields := func(where string, of any, required int, names ...string) map[string]any {
		m, ok := of.(map[string]any)
		if !ok {
			flaw("%s has no keys", where)
		}
		for name := range m {
			if !slices.Contains(names, name) {
				flaw("%s: %s is not permitted", where, name)
			}
		}
		for _, name := range names[:required] {
			if m[name] == nil {
				flaw("%s: %s is missing", where, name)
			}
		}
		return m
	}
	texts := func(where string, of map[string]any, names ...string) {
		for _, name := range names {
			if value, given := of[name]; given {
				if s, ok := value.(string); !ok || strings.TrimSpace(s) == "" {
					flaw("%s: %s is no text", where, name)
				}
			}
		}
	}
	unique := map[string]map[any]bool{"id": {}, "label": {}}
	once := func(where, what string, value any) {
		if unique[what][value] {
			flaw("%s: a second %s %v", where, what, value)
		}
		unique[what][value] = true
	}

	var form any
	if err := yaml.Unmarshal([]byte(text), &form); err != nil {
		return []string{err.Error()}
	}
	top := fields("form", form, 3, "name", "description", "body", "title", "labels", "assignees", "projects", "type")
	texts("form", top, "name", "description", "title", "type")
	body, _ := top["body"].([]any)
	asks := false
	for n, one := range body {
		where := fmt.Sprintf("body[%d]", n)
		element := fields(where, one, 2, "type", "attributes", "id", "validations")
		kind, _ := element["type"].(string)
		takes, known := attributes[kind]
		if !known {
			flaw("%s: %q is no type of those that are checked here", where, kind)
			continue
		}
		of := fields(where, element["attributes"], takes.required, takes.names...)
		texts(where, of, "label", "description", "placeholder", "value", "render")
		if kind == "markdown" {
			fields(where, element, 2, "type", "attributes")
			continue
		}
		asks = true
		if id, ok := element["id"].(string); !ok || !regexp.MustCompile(`^[\w-]+$`).MatchString(id) {
			flaw("%s: no id of letters, digits, - and _", where)
		}
		once(where, "id", element["id"])
		once(where, "label", of["label"])
		if strings.Contains(strings.ToLower(fmt.Sprint(of["label"])), "password") {
			flaw("%s: the label has a forbidden word", where)
		}
		required := []any{element["validations"]}
		options, _ := of["options"].([]any)
		for _, option := range options {
			o := fields(where, option, 1, "label", "required")
			texts(where, o, "label")
			once(where, "label", o["label"])
			required = append(required, map[string]any{"required": o["required"]})
		}
		for _, r := range required {
			if r == nil {
				continue
			}
			if v := fields(where, r, 0, "required")["required"]; v != nil && v != true && v != false {
				flaw("%s: required is neither true nor false", where)
			}
		}
	}
	if !asks {
		flaw("the form asks for nothing")
	}
	return flaws
}

// Nobody here can ask GitHub, which leaves a form that breaks its rules out without a word to whoever would send a report.
func TestTheFormIsOneThatGitHubShows(t *testing.T) {
	form := readForm(t)
	if flaws := flawsOf(form); flaws != nil {
		t.Errorf("GitHub would not show the form:\n%s", strings.Join(flaws, "\n"))
	}
	for old, broken := range map[string]struct{ with, want string }{ // what is found of a form that is broken so
		"name: A conformance report":      {"", "form: name is missing"},
		"description: What AWS":           {"about: What AWS", "form: about is not permitted"},
		`title: "Conformance report"`:     {"title: true", "form: title is no text"},
		"- type: markdown":                {"- type: text", `body[0]: "text" is no type`},
		"      value: |":                  {"      text: |", "body[0]: value is missing"},
		"id: remarks":                     {"id: report", "a second id report"},
		"id: masked":                      {"id: it is masked", "no id of letters"},
		"label: Checked":                  {"label: The report", "a second label The report"},
		"label: The report holds":         {"text: The report holds", "label is missing"},
		"render: json":                    {"render: [json]", "render is no text"},
		"      required: true\n  - type:": {"      required: always\n  - type:", "required is neither true nor false"},
		"    validations:":                {"    validation:", "validation is not permitted"},
		"      label: The report\n":       {"      label: The password\n", "forbidden word"},
		"body:":                           {"body: []\nrest:", "the form asks for nothing"},
		"labels: [":                       {"labels: [[", ""}, // not YAML any more
	} {
		text := strings.Replace(form, old, broken.with, 1)
		if flaws := strings.Join(flawsOf(text), "\n"); text == form || flaws == "" || !strings.Contains(flaws, broken.want) {
			t.Errorf("%q in place of %q: %q, want %q", broken.with, old, flaws, broken.want)
		}
	}
}

// The command that the form prints writes the file that it asks for.
func TestTheFormPrintsTheCommandThatWritesTheReport(t *testing.T) {
	printed := regexp.MustCompile("The JSON file that `doublelock conformance ([^`]+)` wrote").FindStringSubmatch(readForm(t))
	if printed == nil {
		t.Fatal("the form names no command")
	}
	t.Chdir(t.TempDir())
	if _, stderr, code := run(t, append(strings.Fields(printed[1]), "--against", "localaws", "--question", "kms.trailing-days")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	checkFits(t, "conformance.json", 1)
}

// checkFits asserts that a report is whole, and can be sent in: it is pasted as it is, and of an issue GitHub takes 65,536 characters.
func checkFits(t *testing.T, file string, questions int) {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // the test had it written
	if err != nil {
		t.Fatal(err)
	}
	report, err := conformance.ReadReport(bytes.NewReader(text))
	if err != nil || len(report.Results) != questions {
		t.Errorf("%d results, error %v; want %d", len(report.Results), err, questions)
	}
	if size := utf8.RuneCount(text); size > 65_536/2 {
		t.Errorf("%s has %d characters, and AWS's has more; an issue has room for 65,536 with what is said beside it", file, size)
	}
}

// The form asks for the report, and for nothing that the report says.
func TestTheFormAsksForNothingThatTheReportSays(t *testing.T) {
	var form struct {
		Body []struct {
			ID         string `yaml:"id"`
			Attributes struct {
				Render string `yaml:"render"`
			} `yaml:"attributes"`
		} `yaml:"body"`
	}
	if err := yaml.Unmarshal([]byte(readForm(t)), &form); err != nil {
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
		asks = asks || one.ID == "report" && one.Attributes.Render == "json"
	}
	if !asks || !said["partition"] {
		t.Errorf("the form does not ask for the report, or that does not say the partition: %v", said)
	}
}
