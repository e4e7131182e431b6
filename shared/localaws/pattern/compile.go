package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxLength is how many characters a pattern may have (the EventBridge quota's default).
const MaxLength = 2048

// maxCombinations is how many alternatives the $or of one pattern may multiply to (EventBridge's limit).
const maxCombinations = 1000

// Pattern is a compiled event pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	alternatives []alternative
}

// alternative is one way to match: all its conditions hold. They are sorted by path, the order in which array
// consistency is established.
type alternative []condition

// condition holds if any of its tests does for a value under the path.
type condition struct {
	path   string
	tests  []test
	absent bool // {"exists": false} is among the tests
}

// reserved are the names that EventBridge takes for a mistake inside $or.
var reserved = []string{"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard",
	"numeric", "cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after",
	"date-on-or-after", "date-before", "date-on-or-before", "in-date-range", "ip-address-in-range",
	"ip-address-not-in-range"}

// Compile reads a pattern as PutRule takes it. The error gives the reason in EventBridge's words where it has any.
func Compile(raw []byte) (*Pattern, error) {
	if n := len([]rune(string(raw))); n > MaxLength {
		return nil, fmt.Errorf("event pattern has %d characters, more than %d", n, MaxLength)
	}
	root, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if root.kind != objectKind {
		return nil, errors.New("Filter is not an object") //nolint:staticcheck // AWS's own words
	}
	alternatives, err := compileObject([]alternative{nil}, "", root, false)
	if err != nil {
		return nil, err
	}
	for _, a := range alternatives {
		slices.SortFunc(a, func(x, y condition) int { return strings.Compare(x.path, y.path) })
	}
	return &Pattern{alternatives: alternatives}, nil
}

// compileObject adds the object's conditions to every alternative so far.
func compileObject(so []alternative, path string, object node, inOr bool) ([]alternative, error) {
	if len(object.fields) == 0 {
		return nil, reason("Empty objects are not allowed")
	}
	var err error
	for _, f := range object.fields {
		if so, err = compileField(so, path, f, inOr); err != nil {
			return nil, err
		}
	}
	return so, nil
}

func compileField(so []alternative, path string, f field, inOr bool) ([]alternative, error) {
	if f.name == "$or" {
		return compileOr(so, path, f.value)
	}
	if inOr && slices.Contains(reserved, f.name) {
		return nil, reason("%s is Ruler reserved fieldName which cannot be used inside $or.", f.name)
	}
	full := f.name
	if path != "" {
		full = path + "." + f.name
	}
	switch f.value.kind {
	case objectKind:
		return compileObject(so, full, f.value, inOr)
	case arrayKind:
		return compileCondition(so, full, f.value)
	default:
		return nil, reason("%q must be an object or an array", f.name)
	}
}

// compileOr multiplies the alternatives so far by those of the $or.
func compileOr(so []alternative, path string, list node) ([]alternative, error) {
	if list.kind != arrayKind {
		return nil, reason("It must be an Array followed with $or.")
	}
	if len(list.items) < 2 {
		return nil, reason("There must have at least 2 Objects in $or relationship.")
	}
	var all []alternative
	for _, item := range list.items {
		if item.kind != objectKind {
			return nil, reason("Only JSON object is allowed in array of $or relationship.")
		}
		branch := make([]alternative, len(so))
		for i, a := range so {
			branch[i] = slices.Clone(a)
		}
		branch, err := compileObject(branch, path, item, true)
		if err != nil {
			return nil, err
		}
		if all = append(all, branch...); len(all) > maxCombinations {
			return nil, reason("$or makes more than %d combinations", maxCombinations)
		}
	}
	return all, nil
}

func compileCondition(so []alternative, path string, list node) ([]alternative, error) {
	if len(list.items) == 0 {
		return nil, reason("Empty arrays are not allowed")
	}
	made := condition{path: path}
	for _, item := range list.items {
		if err := made.add(item); err != nil {
			return nil, err
		}
	}
	for i, a := range so {
		if slices.ContainsFunc(a, func(c condition) bool { return c.path == path }) {
			return nil, reason("Path `%s` cannot be allowed multiple times", path)
		}
		so[i] = append(a, made)
	}
	return so, nil
}

// add compiles one item of a value list: a literal, or an object with one operator.
func (c *condition) add(item node) error {
	switch item.kind {
	case arrayKind:
		return reason("Match value must be String, number, true, false, or null")
	case scalarKind:
		c.tests = append(c.tests, literal(item.scalar))
		return nil
	}
	if len(item.fields) == 0 {
		return reason("Match expression name not found")
	}
	if len(item.fields) > 1 {
		return reason("Only one key allowed in match expression")
	}
	name, value := item.fields[0].name, item.fields[0].value
	if name == "exists" {
		return c.addExists(value)
	}
	compile, ok := operators()[name]
	if !ok {
		return reason("Unrecognized match type %s", name)
	}
	made, err := compile(value)
	if err != nil {
		return err
	}
	c.tests = append(c.tests, made)
	return nil
}

func (c *condition) addExists(value node) error {
	wanted, ok := value.scalar.(bool)
	if !ok {
		return reason("exists match pattern must be either true or false.")
	}
	if wanted {
		c.tests = append(c.tests, func(any) bool { return true })
	} else {
		c.absent = true
	}
	return nil
}

// reason is an error in EventBridge's words, which begin with a capital.
func reason(format string, args ...any) error { return fmt.Errorf(format, args...) }
