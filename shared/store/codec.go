package store

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"unicode"
)

// Identified is an element of a stored list. Identity tells it from the others of its list, however the list is ordered:
// what a newer version stored beside it stays with it.
type Identified interface{ Identity() string }

// Merge is v as JSON, with everything that stored has at that depth and the type of v does not know: what a newer version
// wrote outlives a write of this one. What v knows is as v has it. Elements of lists are found again by their Identity;
// what a newer version kept in an element, a map's value or a pointer's target goes when those go. stored must have been
// read into a value of this type before; nil is a first write.
func Merge(stored []byte, v any) ([]byte, error) {
	fresh, err := json.Marshal(v)
	if err != nil || len(stored) == 0 {
		return fresh, err
	}
	merged, err := merge(reflect.TypeOf(v), stored, fresh)
	if err != nil {
		return nil, fmt.Errorf("keep what is not known here: %w", err)
	}
	return merged, nil
}

func merge(t reflect.Type, stored, fresh json.RawMessage) (json.RawMessage, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case opaque(t):
		return fresh, nil
	case t.Kind() == reflect.Struct && isObject(stored) && isObject(fresh):
		return mergeStruct(t, stored, fresh)
	case t.Kind() == reflect.Map && isObject(stored) && isObject(fresh):
		return mergeMap(t, stored, fresh)
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && isList(stored) && isList(fresh):
		return mergeList(t, stored, fresh)
	}
	return fresh, nil
}

// opaque reports that a type writes itself, or is no container: whatever is in it is its own.
func opaque(t reflect.Type) bool {
	for _, self := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(self) || reflect.PointerTo(t).Implements(self) {
			return true
		}
	}
	return t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice && t.Kind() != reflect.Array
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

func isList(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("["))
}

func mergeStruct(t reflect.Type, stored, fresh json.RawMessage) (json.RawMessage, error) {
	var was, now map[string]json.RawMessage
	if err := decodeBoth(stored, &was, fresh, &now); err != nil {
		return nil, err
	}
	fields, known := fieldsOf(t)
	changed := false
	for name, value := range was {
		if !known[fold(name)] {
			now[name], changed = value, true
		}
	}
	for name, of := range fields {
		before, had := was[name]
		if !had {
			continue
		}
		after, has := now[name]
		if !has {
			if of.Kind() != reflect.Struct || opaque(of) {
				continue
			}
			after = json.RawMessage("{}") // a struct is there although its zero value is not written
		}
		merged, err := merge(of, before, after)
		if err != nil {
			return nil, err
		}
		if !has && isEmpty(merged) {
			continue
		}
		if !bytes.Equal(merged, now[name]) {
			now[name], changed = merged, true
		}
	}
	if !changed {
		return fresh, nil
	}
	return json.Marshal(now)
}

func isEmpty(object json.RawMessage) bool { return string(bytes.TrimSpace(object)) == "{}" }

func mergeMap(t reflect.Type, stored, fresh json.RawMessage) (json.RawMessage, error) {
	if opaque(elem(t)) {
		return fresh, nil
	}
	var was, now map[string]json.RawMessage
	if err := decodeBoth(stored, &was, fresh, &now); err != nil {
		return nil, err
	}
	for key, after := range now {
		before, had := was[key]
		if !had {
			continue
		}
		merged, err := merge(t.Elem(), before, after)
		if err != nil {
			return nil, err
		}
		now[key] = merged
	}
	return json.Marshal(now)
}

// elem is the type of what a list or map holds, without pointers.
func elem(t reflect.Type) reflect.Type {
	t = t.Elem()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func mergeList(t reflect.Type, stored, fresh json.RawMessage) (json.RawMessage, error) {
	of := elem(t)
	if opaque(of) || !identified(of) {
		return fresh, nil
	}
	var was, now []json.RawMessage
	if err := decodeBoth(stored, &was, fresh, &now); err != nil {
		return nil, err
	}
	before := map[string][]json.RawMessage{} // of one identity in their order
	for _, raw := range was {
		id, err := identity(of, raw)
		if err != nil {
			return nil, err
		}
		before[id] = append(before[id], raw)
	}
	for i, raw := range now {
		id, err := identity(of, raw)
		if err != nil {
			return nil, err
		}
		same := before[id]
		if len(same) == 0 {
			continue
		}
		before[id] = same[1:]
		if now[i], err = merge(of, same[0], raw); err != nil {
			return nil, err
		}
	}
	return json.Marshal(now)
}

func identified(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[Identified]())
}

func identity(t reflect.Type, raw json.RawMessage) (string, error) {
	v := reflect.New(t)
	if err := json.Unmarshal(raw, v.Interface()); err != nil {
		return "", err
	}
	return v.Interface().(Identified).Identity(), nil
}

func decodeBoth(a json.RawMessage, intoA any, b json.RawMessage, intoB any) error {
	if err := json.Unmarshal(a, intoA); err != nil {
		return err
	}
	return json.Unmarshal(b, intoB)
}

// fieldsOf lists the fields of a struct by their names in JSON, and all names that are read into one: JSON reads names in
// any case.
func fieldsOf(t reflect.Type) (fields map[string]reflect.Type, known map[string]bool) {
	fields, known = map[string]reflect.Type{}, map[string]bool{}
	for f := range t.Fields() {
		if f.Anonymous && f.Tag.Get("json") == "" && f.Type.Kind() == reflect.Struct {
			inner, names := fieldsOf(f.Type)
			maps.Copy(fields, inner)
			maps.Copy(known, names)
		} else if name := FieldName(f); name != "" {
			fields[name], known[fold(name)] = f.Type, true
		}
	}
	return fields, known
}

// FieldName is what a field is called in JSON; "" where it is not there.
func FieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Tag.Get("json") == "-" || !f.IsExported() {
		return ""
	}
	return cmp.Or(name, f.Name)
}

// fold is a name as encoding/json compares it: every rune as the least of those that differ from it in case only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
