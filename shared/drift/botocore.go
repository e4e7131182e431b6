package drift

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// shape is a type of a botocore model. Source: botocore/model.py.
type shape struct {
	Type      string
	Members   map[string]struct{ Shape string }
	Member    struct{ Shape string }
	Value     struct{ Shape string }
	Enum      []string
	Exception bool
}

type service struct {
	text       []byte
	Operations map[string]struct {
		Input, Output struct{ Shape string }
		Errors        []struct{ Shape string }
	}
	Shapes map[string]shape
}

// FromBotocore reads the newest API version of a service below botocore's data folder.
func FromBotocore(name, data string) (Model, error) {
	m := Model{Source: Botocore, Service: name, Calls: map[string]Call{}, Enums: map[string][]string{}}
	files, err := filepath.Glob(filepath.Join(data, name, "*", "service-2.json*"))
	if err != nil || len(files) == 0 {
		return m, fmt.Errorf("read botocore's model of %s: none below %s: %w", name, data, os.ErrNotExist)
	}
	s, err := readService(files[len(files)-1]) // folders are dates
	if err != nil {
		return m, fmt.Errorf("read botocore's model of %s: %w", name, err)
	}
	m.Mentions = s.mentions(name)
	for operation, o := range s.Operations {
		call := Call{Request: s.fields(o.Input.Shape, "", nil), Response: s.fields(o.Output.Shape, "", nil)}
		for _, e := range o.Errors {
			call.Errors = append(call.Errors, e.Shape)
		}
		m.Calls[operation] = call
	}
	for _, name := range slices.Sorted(maps.Keys(s.Shapes)) {
		if s.Shapes[name].Exception {
			m.Errors = append(m.Errors, name)
		}
		if values := s.Shapes[name].Enum; values != nil {
			m.Enums[name] = values
		}
	}
	return m, nil
}

func readService(path string) (*service, error) {
	file, err := os.Open(path) //nolint:gosec // of the packages that the tests installed
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	var text io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return nil, err
		}
	}
	var s service
	if s.text, err = io.ReadAll(text); err != nil {
		return nil, err
	}
	return &s, json.Unmarshal(s.text, &s)
}

// mentions finds the actions and condition keys that the documentation names: one that the reference does not have yet
// is news. What follows a colon is a part of an ARN.
func (s *service) mentions(service string) []string {
	names := map[string]bool{}
	for _, found := range regexp.MustCompile(`[^:\w](`+service+`:[A-Za-z][A-Za-z/]+)`).FindAllSubmatch(s.text, -1) {
		names[string(found[1])] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (s *service) fields(owner, path string, above []string) []Field {
	if slices.Contains(above, owner) {
		return nil
	}
	var out []Field
	members := s.Shapes[owner].Members
	for _, name := range slices.Sorted(maps.Keys(members)) {
		element := s.element(members[name].Shape)
		field := Field{Path: join(path, name), Owner: owner}
		if s.Shapes[element].Enum != nil {
			field.Enum = element
		}
		out = append(append(out, field), s.fields(element, field.Path, append(slices.Clip(above), owner))...)
	}
	return out
}

// element is what a list or map leads to.
func (s *service) element(name string) string {
	for {
		switch of := s.Shapes[name]; of.Type {
		case "list":
			name = of.Member.Shape
		case "map":
			name = of.Value.Shape
		default:
			return name
		}
	}
}
