package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// MatchJSON decodes one event and matches it.
func (p *Pattern) MatchJSON(event []byte) (bool, error) {
	var decoded map[string]any
	if err := json.Unmarshal(event, &decoded); err != nil {
		return false, fmt.Errorf("decode event: %w", err)
	}
	if decoded == nil {
		return false, errors.New("decode event: not a JSON object")
	}
	return p.Match(decoded), nil
}

// Match reports whether an event matches: a JSON object as encoding/json decodes it into an any. Decode once and match
// it against every rule of a bus.
func (p *Pattern) Match(event map[string]any) bool {
	for _, a := range p.alternatives {
		if a.match(event, nil) {
			return true
		}
	}
	return false
}

// position is one element of one array of the event. Arrays are known by the address of their first element.
type position struct {
	array *any
	index int
}

// match tries the conditions in order. Values found so far have fixed, for each array they lie in, the element that
// later values must lie in too.
func (a alternative) match(event map[string]any, fixed []position) bool {
	if len(a) == 0 {
		return true
	}
	c := a[0]
	if c.absent && !c.present(event, fixed) && a[1:].match(event, fixed) {
		return true
	}
	if len(c.tests) == 0 {
		return false
	}
	settled := false // the rest was tried and failed without a further element fixed: no need to try it again
	return c.walk(event, c.path, fixed, func(value any, at []position) bool {
		same := len(at) == len(fixed)
		if same && settled || !c.holds(value) {
			return false
		}
		settled = settled || same
		return a[1:].match(event, at)
	})
}

func (c condition) present(event map[string]any, fixed []position) bool {
	return c.walk(event, c.path, fixed, func(any, []position) bool { return true })
}

func (c condition) holds(value any) bool {
	for _, t := range c.tests {
		if t(value) {
			return true
		}
	}
	return false
}

// walk calls visit with every leaf value under the path that is consistent with the array elements fixed so far,
// until it answers true. Dots in an event's own names count as steps, as EventBridge flattens names.
func (c condition) walk(object map[string]any, path string, fixed []position, visit func(any, []position) bool) bool {
	if value, ok := object[path]; ok && c.leaves(value, "", fixed, visit) {
		return true
	}
	for i := strings.IndexByte(path, '.'); i >= 0; {
		if value, ok := object[path[:i]]; ok && c.leaves(value, path[i+1:], fixed, visit) {
			return true
		}
		next := strings.IndexByte(path[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}

// leaves goes on from a value with the rest of the path; "" means that the value should be a leaf.
func (c condition) leaves(value any, rest string, fixed []position, visit func(any, []position) bool) bool {
	switch v := value.(type) {
	case map[string]any:
		return rest != "" && c.walk(v, rest, fixed, visit)
	case []any:
		return c.elements(v, rest, fixed, visit)
	default:
		return rest == "" && visit(value, fixed)
	}
}

func (c condition) elements(array []any, rest string, fixed []position, visit func(any, []position) bool) bool {
	for i, element := range array {
		switch element.(type) {
		case map[string]any, []any:
			at, ok := within(fixed, position{&array[0], i})
			if ok && c.leaves(element, rest, at, visit) {
				return true
			}
		default:
			if rest == "" && visit(element, fixed) {
				return true
			}
		}
	}
	return false
}

// within adds an element to the fixed ones, unless another element of the same array is fixed already.
func within(fixed []position, at position) ([]position, bool) {
	for _, f := range fixed {
		if f.array == at.array {
			return fixed, f.index == at.index
		}
	}
	return append(fixed[:len(fixed):len(fixed)], at), true
}
