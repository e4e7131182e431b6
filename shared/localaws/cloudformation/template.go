package cloudformation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// template is a CloudFormation template as far as a deployment reads it.
type template struct {
	Parameters map[string]templateParameter
	Mappings   map[string]map[string]map[string]any
	Conditions map[string]any
	Resources  map[string]templateResource
	Outputs    map[string]templateOutput
}

type templateParameter struct {
	Type          string
	Default       any
	AllowedValues []any
}

type templateResource struct {
	Type           string
	Properties     map[string]any
	Condition      string
	DependsOn      names
	DeletionPolicy string
}

type templateOutput struct {
	Value     any
	Condition string
	Export    struct{ Name any }
}

// names is one name or a list of them.
type names []string

func (n *names) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*n = names{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return err
	}
	*n = many
	return nil
}

// readTemplate reads a JSON template. Numbers keep their text, so that 1 does not become 1e+00 on the way.
func readTemplate(raw []byte) (template, error) {
	var t template
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&t); err != nil {
		return t, fmt.Errorf("read template: %w", err)
	}
	if len(t.Resources) == 0 {
		return t, fmt.Errorf("read template: it has no Resources")
	}
	return t, nil
}

// order sorts the resources that exist so that each comes after what it needs, and otherwise by logical id.
func (r *resolver) order(existing map[string]templateResource) ([]string, error) {
	needs := map[string][]string{}
	for id, resource := range existing {
		found := map[string]bool{}
		references(resource.Properties, found)
		for _, other := range resource.DependsOn {
			found[other] = true
		}
		for other := range found {
			if _, ok := existing[other]; ok {
				needs[id] = append(needs[id], other)
			}
		}
		sort.Strings(needs[id])
	}
	visit := &visitor{needs: needs, state: map[string]int{}}
	for _, id := range slices.Sorted(maps.Keys(existing)) {
		if err := visit.walk(id, nil); err != nil {
			return nil, err
		}
	}
	return visit.sorted, nil
}

// visitor walks dependencies depth first.
type visitor struct {
	needs  map[string][]string
	state  map[string]int // 0 new, 1 on the way, 2 done
	sorted []string
}

func (v *visitor) walk(id string, way []string) error {
	way = append(way, id)
	switch v.state[id] {
	case 1:
		start := slices.Index(way, id)
		return fmt.Errorf("resources depend on each other in a circle: %s", strings.Join(way[start:], " -> "))
	case 2:
		return nil
	}
	v.state[id] = 1
	for _, other := range v.needs[id] {
		if err := v.walk(other, way); err != nil {
			return err
		}
	}
	v.state[id] = 2
	v.sorted = append(v.sorted, id)
	return nil
}

// references collects the logical ids that a value refers to, by Ref, Fn::GetAtt or Fn::Sub.
func references(value any, found map[string]bool) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			references(item, found)
		}
	case map[string]any:
		for key, item := range v {
			referencesOf(key, item, found)
		}
	}
}

func referencesOf(key string, item any, found map[string]bool) {
	switch key {
	case "Ref":
		if id, ok := item.(string); ok {
			found[id] = true
		}
	case "Fn::GetAtt":
		if id, _, err := attributeName(item); err == nil {
			found[id] = true
		}
	case "Fn::Sub":
		if text, _, err := subParts(item); err == nil {
			for _, name := range subNames(text) {
				id, _, _ := strings.Cut(name, ".")
				found[id] = true
			}
		}
	}
	references(item, found)
}
