// Package storetest tries stored types: whether a newer version's fields survive them, and what of them is enumerated.
package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/store"
)

// KeepsWhatItDoesNotKnow adds fields to stored at random depths, as a newer version would, and fails the test unless they
// are all there after this version has read it into a T and written it back, and unless what change does to it is done too.
// change may be nil.
func KeepsWhatItDoesNotKnow[T any](t testing.TB, stored []byte, seed uint64, change func(*T)) {
	t.Helper()
	var plain any
	if err := json.Unmarshal(stored, &plain); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 10))
	newer := encode(t, strew(random, reflect.TypeFor[T](), plain))
	var value T
	if err := json.Unmarshal(newer, &value); err != nil {
		t.Fatalf("a newer version's fields are in the way: %v\n%s", err, newer)
	}
	kept, err := store.Merge(newer, value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(added(t, newer), added(t, kept)); diff != "" {
		t.Fatalf("seed %d: what a newer version added, read and written back (-before +after):\n%s", seed, diff)
	}
	if change == nil {
		return
	}
	change(&value)
	kept, err = store.Merge(newer, value)
	if err != nil {
		t.Fatal(err)
	}
	var again T
	if err := json.Unmarshal(kept, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(encode(t, value)), string(encode(t, again))); diff != "" {
		t.Errorf("seed %d: the change (-wanted +stored):\n%s", seed, diff)
	}
	if missing := less(added(t, newer), added(t, kept)); len(missing) > 0 {
		t.Errorf("seed %d: the change lost %v\nof %s", seed, missing, newer)
	}
}

// mark begins the name of every field that strew adds.
const mark = "newer_"

// strew adds fields where t is a struct, at any depth.
func strew(random *rand.Rand, t reflect.Type, v any) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() == reflect.Map {
			for key, inner := range v {
				v[key] = strew(random, t.Elem(), inner)
			}
			return v
		}
		if t.Kind() != reflect.Struct {
			return v
		}
		for f := range t.Fields() {
			name := store.FieldName(f)
			if inner, there := v[name]; there {
				v[name] = strew(random, f.Type, inner)
			}
		}
		for n := range random.IntN(3) {
			v[fmt.Sprintf("%s%d_%d", mark, n, random.IntN(1<<30))] = something(random, 2)
		}
		return v
	case []any:
		if t.Kind() == reflect.Slice {
			for i := range v {
				v[i] = strew(random, t.Elem(), v[i])
			}
		}
		return v
	}
	return v
}

func something(random *rand.Rand, depth int) any {
	switch kind := random.IntN(7); {
	case kind == 0:
		return nil
	case kind == 1:
		return random.IntN(2) == 0
	case kind == 2:
		return json.Number(fmt.Sprint(random.Uint64())) // more than a float64 holds
	case kind == 3 || depth == 0:
		return fmt.Sprintf("<%d> & \u2028 ä", random.IntN(1000))
	case kind == 4:
		return []any{something(random, depth-1), something(random, depth-1)}
	default:
		return map[string]any{"state": something(random, depth-1), "findings": something(random, depth-1)}
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// added lists the added fields of a document with their values, sorted. Their names are unique, so where they are need not be
// said: elements of lists may move.
func added(t testing.TB, raw []byte) []string {
	t.Helper()
	var all []string
	var walk func(raw json.RawMessage)
	walk = func(raw json.RawMessage) {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(raw, &object) == nil {
			for name, inner := range object {
				if len(name) > len(mark) && name[:len(mark)] == mark {
					all = append(all, name+"="+string(inner))
				}
				walk(inner)
			}
		} else if json.Unmarshal(raw, &list) == nil {
			for _, inner := range list {
				walk(inner)
			}
		}
	}
	walk(raw)
	slices.Sort(all)
	return all
}

func less(all, without []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(without, s) })
}

// Texts lists the types of texts in a stored type, at any depth, that have a name of their own: the enumerations, and what
// else is called something.
func Texts(stored ...reflect.Type) []reflect.Type {
	var found []reflect.Type
	walk(func(t reflect.Type, _ string) {
		if t.Kind() == reflect.String && t.PkgPath() != "" && !slices.Contains(found, t) {
			found = append(found, t)
		}
	}, stored...)
	return found
}

// Nameless lists the lists of a stored type whose elements a newer version may add fields to, and that say not which is
// which: those fields would be lost.
func Nameless(stored ...reflect.Type) []string {
	var found []string
	walk(func(t reflect.Type, path string) {
		if t.Kind() != reflect.Slice {
			return
		}
		of := t.Elem()
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		text := reflect.PointerTo(of).Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]())
		if of.Kind() == reflect.Struct && !text && !of.Implements(reflect.TypeFor[store.Identified]()) {
			found = append(found, path+" of "+of.String())
		}
	}, stored...)
	return found
}

func walk(visit func(t reflect.Type, path string), stored ...reflect.Type) {
	seen := map[reflect.Type]bool{}
	var into func(t reflect.Type, path string)
	into = func(t reflect.Type, path string) {
		visit(t, path)
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			into(t.Elem(), path)
		case reflect.Struct:
			if t.PkgPath() == "time" {
				return
			}
			for f := range t.Fields() {
				if name := store.FieldName(f); name != "" {
					into(f.Type, path+"."+name)
				}
			}
		}
	}
	for _, t := range stored {
		into(t, t.String())
	}
}
