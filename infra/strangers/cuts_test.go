package strangers_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

// cut is something in our templates that ministack does not take: a resource, or a part of one.
type cut struct {
	Type    string   `json:"type"`           // CloudFormation resource type, or Conditions
	Path    []string `json:"path,omitempty"` // into its Properties, "*" for each item of a list; empty cuts the resource
	Was     string   `json:"was,omitempty"`  // with Becomes: what is replaced there, rather than cut
	Becomes string   `json:"becomes,omitempty"`
	Reason  string   `json:"reason"`  // what ministack does instead
	Instead string   `json:"instead"` // how the test makes up for it
	Since   string   `json:"since"`   // version of ministack that was tried
}

func cuts(t *testing.T) []cut {
	t.Helper()
	raw, err := os.ReadFile("testdata/cuts.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []cut
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatalf("read cuts.json: %v", err)
	}
	for _, c := range list {
		if c.Type == "" || c.Reason == "" || c.Instead == "" || c.Since == "" {
			t.Errorf("cuts.json: %+v lacks its type, reason, instead or since", c)
		}
	}
	return list
}

// template is a synthesized template as CloudFormation takes it.
type template map[string]any

func (tpl template) resources() map[string]any { return object(tpl["Resources"]) }

// Types of rows that name no resource.
const (
	conditions = "Conditions" // a pseudo parameter in the template's conditions
	call       = "call"       // an AWS call: service and name
)

// lacking reports that ministack does not know a call, as the list says. A listed call that succeeds has to go from it.
func lacking(t *testing.T, name string, err error) bool {
	t.Helper()
	listed := slices.ContainsFunc(cuts(t), func(c cut) bool { return c.String() == name })
	var answer smithy.APIError
	switch {
	case listed && err == nil:
		t.Errorf("cuts.json: ministack knows %s now: strike it", name)
	case listed && errors.As(err, &answer) && answer.ErrorCode() == "InvalidAction":
		return true
	case err != nil:
		t.Fatal(err)
	}
	return false
}

// fit is a copy of a template as ministack takes it in a Region; cut counts what each row of the list removed.
func (tpl template) fit(t *testing.T, region string, list []cut, removed map[string]int) template {
	t.Helper()
	fitted := decode[template](t, []byte(tpl.String()))
	for _, c := range list {
		removed[c.String()] += fitted.apply(c, region)
	}
	return fitted
}

// apply removes what a cut names and returns how much it removed.
func (tpl template) apply(c cut, region string) int {
	if c.Type == conditions {
		return resolve(tpl[conditions], c.Path[0], c.Path[1], region)
	}
	removed := 0
	resources := tpl.resources()
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		resource := object(resources[id])
		switch {
		case resource["Type"] != c.Type:
		case len(c.Path) == 0:
			delete(resources, id)
			tpl.forget(id)
			removed++
		default:
			removed += c.prune(resource["Properties"], c.Path)
		}
	}
	if len(resources) == 0 { // CloudFormation takes no empty template
		resources["NothingLeft"] = map[string]any{"Type": "AWS::CloudFormation::WaitConditionHandle"}
	}
	return removed
}

// resolve writes a value in the place of each {function: argument}.
func resolve(in any, function, argument, value string) int {
	resolved := 0
	is := func(v any) bool { m := object(v); return len(m) == 1 && m[function] == argument }
	switch node := in.(type) {
	case []any:
		for i, item := range node {
			if is(item) {
				node[i] = value
				resolved++
			}
			resolved += resolve(item, function, argument, value)
		}
	case map[string]any:
		for name, item := range node {
			if is(item) {
				node[name] = value
				resolved++
			}
			resolved += resolve(item, function, argument, value)
		}
	}
	return resolved
}

// forget removes a resource from what others depend on. A reference to it stays, and is refused.
func (tpl template) forget(id string) {
	for _, r := range tpl.resources() {
		resource := object(r)
		switch on := resource["DependsOn"].(type) {
		case string:
			if on == id {
				delete(resource, "DependsOn")
			}
		case []any:
			resource["DependsOn"] = slices.DeleteFunc(on, func(v any) bool { return v == id })
		}
	}
}

// prune removes or replaces what a path leads to, and removes objects that are empty then.
func (c cut) prune(in any, path []string) int {
	removed := 0
	switch node := in.(type) {
	case []any:
		if path[0] == "*" {
			for _, item := range node {
				removed += c.prune(item, path[1:])
			}
		}
	case map[string]any:
		child, found := node[path[0]]
		switch {
		case !found:
		case len(path) > 1:
			removed = c.prune(child, path[1:])
			if left, isObject := child.(map[string]any); isObject && len(left) == 0 {
				delete(node, path[0])
			}
		case c.Becomes == "":
			delete(node, path[0])
			removed++
		case child == c.Was:
			node[path[0]] = c.Becomes
			removed++
		}
	}
	return removed
}

func (c cut) String() string {
	return strings.Join(append([]string{c.Type}, c.Path...), " ")
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func (tpl template) String() string {
	raw, err := json.Marshal(tpl)
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(raw)
}
