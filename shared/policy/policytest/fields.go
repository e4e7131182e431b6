package policytest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FieldError is a case that cannot be read: which one, counted from 0, and which field of it.
type FieldError struct {
	Index   int    // -1: the file as a whole
	Field   string // path such as request.resource.accountId; "" for the case itself
	Message string
}

func (e *FieldError) Error() string {
	if e.Index < 0 {
		return e.Message
	}
	if e.Field == "" {
		return fmt.Sprintf("case %d: %s", e.Index, e.Message)
	}
	return fmt.Sprintf("case %d: %s: %s", e.Index, e.Field, e.Message)
}

// object is a decoded JSON or YAML object with the path to it, which reports every error with its path.
type object struct {
	index  int
	path   string
	fields map[string]any
}

func (o object) fail(name, format string, args ...any) error {
	return &FieldError{Index: o.index, Field: join(o.path, name), Message: fmt.Sprintf(format, args...)}
}

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "" || strings.HasPrefix(name, "["):
		return path + name
	}
	return path + "." + name
}

// only refuses fields that are not known: a misspelled field would make a test say less than it seems to.
func (o object) only(known ...string) error {
	for name := range o.fields {
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			return o.fail(name, "not a field here; known are %s", strings.Join(known, ", "))
		}
	}
	return nil
}

// pick is the first of some names that the object has; it serves fields with a second spelling.
func (o object) pick(names ...string) string {
	for _, name := range names {
		if o.fields[name] != nil {
			return name
		}
	}
	return names[0]
}

func (o object) text(name string) (string, error) {
	switch v := o.fields[name].(type) {
	case nil:
		return "", o.fail(name, "is missing")
	case string:
		if v == "" {
			return "", o.fail(name, "is empty")
		}
		return v, nil
	}
	if text, ok := scalar(o.fields[name]); ok && name == "accountId" {
		return fmt.Sprintf("%012s", text), nil // YAML reads an unquoted account id as a number
	}
	return "", o.fail(name, "is a string, not %s", kind(o.fields[name]))
}

func (o object) object(name string) (object, error) {
	value, ok := o.fields[name].(map[string]any)
	switch {
	case o.fields[name] == nil:
		return object{}, o.fail(name, "is missing")
	case !ok:
		return object{}, o.fail(name, "is an object, not %s", kind(o.fields[name]))
	}
	return object{index: o.index, path: join(o.path, name), fields: value}, nil
}

// list is a field's items; nil where the field is absent or null. A single object stands for a list of one.
func (o object) list(name string) ([]any, error) {
	switch v := o.fields[name].(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	case map[string]any:
		return []any{v}, nil
	}
	return nil, o.fail(name, "is a list, not %s", kind(o.fields[name]))
}

func (o object) item(name string, i int, value any) (object, error) {
	at := fmt.Sprintf("%s[%d]", name, i)
	fields, ok := value.(map[string]any)
	if !ok {
		return object{}, o.fail(at, "is an object, not %s", kind(value))
	}
	return object{index: o.index, path: join(o.path, at), fields: fields}, nil
}

// texts reads a string, number or boolean, or a list of them.
func (o object) texts(name string) ([]string, error) {
	list, ok := o.fields[name].([]any)
	if !ok {
		list = []any{o.fields[name]}
	}
	out := make([]string, 0, len(list))
	for i, value := range list {
		text, ok := scalar(value)
		if !ok {
			return nil, o.fail(fmt.Sprintf("%s[%d]", name, i), "is a string, number or boolean, not %s", kind(value))
		}
		out = append(out, text)
	}
	return out, nil
}

// pairs reads an object of strings, such as an encryption context.
func (o object) pairs(name string) (map[string]string, error) {
	if o.fields[name] == nil {
		return nil, nil
	}
	inner, err := o.object(name)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(inner.fields))
	for key, value := range inner.fields {
		text, ok := scalar(value)
		if !ok {
			return nil, inner.fail(key, "is a string, not %s", kind(value))
		}
		out[key] = text
	}
	return out, nil
}

// scalar is a value as policies compare it: text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatInt(int64(v), 10), true
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64:
		return strconv.FormatUint(v, 10), true
	}
	return "", false
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
