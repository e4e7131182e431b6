package cloudformation

import (
	"errors"
	"fmt"
	"strings"
)

// resolver turns a template's values into plain ones: it knows the parameters and what was created so far.
type resolver struct {
	template   template
	parameters map[string]any    // by name: string, or []any of a list type; pseudo parameters among them
	physical   map[string]string // what Ref answers, by logical id
	attributes map[string]map[string]any
	exports    map[string]string // of the account and Region
	conditions map[string]bool   // evaluated
	evaluating map[string]bool   // to notice conditions that need themselves
}

// noValue is AWS::NoValue: the property or list item that has it is left out.
type noValue struct{}

// maxDepth bounds how deep values nest; CloudFormation's own limit is lower.
const maxDepth = 200

var errTooDeep = errors.New("nested too deep")

// resolve answers the plain value of a template value. path names it in errors.
func (r *resolver) resolve(value any, path string) (any, error) {
	return r.resolveDeep(value, path, 0)
}

func (r *resolver) resolveDeep(value any, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := value.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			out, err := r.call(name, argument, path, depth+1)
			if err != nil && !errors.Is(err, errTooDeep) {
				return nil, withPath(name, err, path)
			}
			return out, err
		}
		return r.resolveMap(v, path, depth)
	case []any:
		return r.resolveList(v, path, depth)
	default:
		return value, nil
	}
}

func (r *resolver) resolveMap(v map[string]any, path string, depth int) (any, error) {
	out := make(map[string]any, len(v))
	for key, item := range v {
		resolved, err := r.resolveDeep(item, path+"."+key, depth+1)
		if err != nil {
			return nil, err
		}
		if _, none := resolved.(noValue); !none {
			out[key] = resolved
		}
	}
	return out, nil
}

func (r *resolver) resolveList(v []any, path string, depth int) (any, error) {
	out := make([]any, 0, len(v))
	for i, item := range v {
		resolved, err := r.resolveDeep(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return nil, err
		}
		if _, none := resolved.(noValue); !none {
			out = append(out, resolved)
		}
	}
	return out, nil
}

// pathError names the innermost property in which something went wrong.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

func withPath(function string, err error, path string) error {
	var placed *pathError
	if errors.As(err, &placed) {
		return err
	}
	return &pathError{path: path, err: fmt.Errorf("%s: %w", function, err)}
}

// intrinsic reports whether a mapping is a function call: exactly one key, Ref or Fn::….
func intrinsic(v map[string]any) (name string, argument any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for name, argument = range v {
		ok = name == "Ref" || strings.HasPrefix(name, "Fn::")
	}
	return name, argument, ok
}

func (r *resolver) call(name string, argument any, path string, depth int) (any, error) {
	switch name {
	case "Ref":
		id, ok := argument.(string)
		if !ok {
			return nil, errors.New("takes a name")
		}
		return r.ref(id)
	case "Fn::GetAtt":
		id, attribute, err := attributeName(argument)
		if err != nil {
			return nil, err
		}
		return r.attribute(id, attribute)
	case "Fn::If":
		return r.choose(argument, path, depth)
	case "Fn::Sub":
		return r.substitute(argument, path, depth)
	}
	resolved, err := r.resolveDeep(argument, path, depth)
	if err != nil {
		return nil, err
	}
	function, known := plainFunctions[name]
	if !known {
		return nil, errors.New("not known here")
	}
	return function(r, resolved)
}

func (r *resolver) ref(id string) (any, error) {
	if id == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, ok := r.parameters[id]; ok {
		return value, nil
	}
	if physical, ok := r.physical[id]; ok {
		return physical, nil
	}
	return nil, fmt.Errorf("no parameter and no created resource is called %s", id)
}

func (r *resolver) attribute(id, attribute string) (any, error) {
	attributes, ok := r.attributes[id]
	if !ok {
		return nil, fmt.Errorf("%s.%s: no such resource was created", id, attribute)
	}
	if value, ok := attributes[attribute]; ok {
		return value, nil
	}
	if made, ok := attributes[anyAttribute]; ok {
		return fmt.Sprintf("%v-%s", made, attribute), nil
	}
	return nil, fmt.Errorf("%s.%s: %s has no such attribute here", id, attribute, r.template.Resources[id].Type)
}

// attributeName reads both forms of Fn::GetAtt: ["id", "attribute"] and "id.attribute".
func attributeName(argument any) (id, attribute string, err error) {
	switch v := argument.(type) {
	case string:
		if id, attribute, ok := strings.Cut(v, "."); ok {
			return id, attribute, nil
		}
	case []any:
		parts, ok := textList(v)
		if ok && len(parts) >= 2 {
			return parts[0], strings.Join(parts[1:], "."), nil
		}
	}
	return "", "", errors.New("takes a resource and an attribute")
}

// choose is Fn::If. Only the branch that is taken is resolved: the other may speak of what does not exist.
func (r *resolver) choose(argument any, path string, depth int) (any, error) {
	parts, ok := argument.([]any)
	if !ok || len(parts) != 3 {
		return nil, errors.New("takes a condition and two values")
	}
	name, ok := parts[0].(string)
	if !ok {
		return nil, errors.New("takes the name of a condition")
	}
	holds, err := r.condition(name)
	if err != nil {
		return nil, err
	}
	if holds {
		return r.resolveDeep(parts[1], path, depth)
	}
	return r.resolveDeep(parts[2], path, depth)
}

// substitute is Fn::Sub in both forms. ${!x} stands for the text ${x}.
func (r *resolver) substitute(argument any, path string, depth int) (any, error) {
	text, values, err := subParts(argument)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("${ without }")
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		value, err := r.subValue(strings.TrimSpace(name), values, path, depth)
		if err != nil {
			return nil, err
		}
		out.WriteString(value)
	}
}

func (r *resolver) subValue(name string, values map[string]any, path string, depth int) (string, error) {
	var value any
	var err error
	if own, ok := values[name]; ok {
		value, err = r.resolveDeep(own, path, depth+1)
	} else if id, attribute, ok := strings.Cut(name, "."); ok {
		value, err = r.attribute(id, attribute)
	} else {
		value, err = r.ref(name)
	}
	if err != nil {
		return "", err
	}
	text, ok := scalarText(value)
	if !ok {
		return "", fmt.Errorf("${%s} is not text", name)
	}
	return text, nil
}

func subParts(argument any) (string, map[string]any, error) {
	switch v := argument.(type) {
	case string:
		return v, nil, nil
	case []any:
		if len(v) == 2 {
			text, isText := v[0].(string)
			values, isMap := v[1].(map[string]any)
			if isText && isMap {
				return text, values, nil
			}
		}
	}
	return "", nil, errors.New("takes text, or text and a mapping")
}

// subNames lists the names in ${…} of a text, literals left out.
func subNames(text string) []string {
	var found []string
	for {
		_, rest, more := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !more || !closed {
			return found
		}
		if !strings.HasPrefix(name, "!") {
			found = append(found, strings.TrimSpace(name))
		}
		text = after
	}
}

// newResolver reads a template of which nothing was created yet.
func newResolver(t template, exports map[string]string) *resolver {
	return &resolver{
		template: t, exports: exports, parameters: map[string]any{}, physical: map[string]string{},
		attributes: map[string]map[string]any{}, conditions: map[string]bool{}, evaluating: map[string]bool{},
	}
}

// text resolves a value that has to be text.
func (r *resolver) text(value any, path string) (string, error) {
	resolved, err := r.resolve(value, path)
	if err != nil {
		return "", err
	}
	text, ok := scalarText(resolved)
	if !ok {
		return "", fmt.Errorf("%s: not text", path)
	}
	return text, nil
}
