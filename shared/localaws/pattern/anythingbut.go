package pattern

import "strings"

// compileAnythingBut reads a string, a number, a list of either, or an operator on a string or a list of strings.
// A value of another type than the excluded ones is always something else, so it matches.
func compileAnythingBut(n node) (test, error) {
	switch n.kind {
	case objectKind:
		return compileAnythingButOperator(n)
	case arrayKind:
		return compileAnythingButList(n.items)
	}
	switch n.scalar.(type) {
	case string, float64:
		return compileAnythingButList([]node{n})
	default:
		return nil, reason("Value of anything-but must be an array or single string/number value.")
	}
}

func compileAnythingButList(items []node) (test, error) {
	excluded := map[any]bool{}
	var texts, numbers bool
	for _, item := range items {
		switch item.scalar.(type) {
		case string:
			texts = true
		case float64:
			numbers = true
		default:
			return nil, reason("Inside anything but list, start|null|boolean is not supported.")
		}
		excluded[item.scalar] = true
	}
	if texts == numbers {
		return nil, reason("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return func(value any) bool { return !excluded[value] }, nil
}

func compileAnythingButOperator(n node) (test, error) {
	if len(n.fields) == 0 {
		return nil, reason("Anything-But expression name not found")
	}
	name := n.fields[0].name
	compile, ok := map[string]func(string) (func(string) bool, error){
		"prefix":             excludePrefix,
		"suffix":             excludeSuffix,
		"equals-ignore-case": excludeEqualFold,
		"wildcard":           excludeWildcard,
	}[name]
	if !ok {
		return nil, reason("Unsupported anything-but pattern: %s", name)
	}
	if len(n.fields) > 1 {
		return nil, reason("Only one key allowed in match expression")
	}
	items := []node{n.fields[0].value}
	if items[0].kind == arrayKind {
		items = items[0].items
	}
	if len(items) == 0 {
		return nil, reason("Empty arrays are not allowed")
	}
	var excludes []func(string) bool
	for _, item := range items {
		text, ok := item.text()
		if !ok {
			return nil, reason("%s match pattern must be a string", name)
		}
		exclude, err := compile(text)
		if err != nil {
			return nil, err
		}
		excludes = append(excludes, exclude)
	}
	return noneOf(excludes), nil
}

func noneOf(excludes []func(string) bool) test {
	return func(value any) bool {
		s, ok := value.(string)
		if !ok {
			return true
		}
		for _, exclude := range excludes {
			if exclude(s) {
				return false
			}
		}
		return true
	}
}

func excludePrefix(text string) (func(string) bool, error) {
	if text == "" {
		return nil, reason("Null prefix/suffix not allowed")
	}
	return func(s string) bool { return strings.HasPrefix(s, text) }, nil
}

func excludeSuffix(text string) (func(string) bool, error) {
	if text == "" {
		return nil, reason("Null prefix/suffix not allowed")
	}
	return func(s string) bool { return strings.HasSuffix(s, text) }, nil
}

func excludeEqualFold(text string) (func(string) bool, error) {
	return func(s string) bool { return strings.EqualFold(s, text) }, nil
}

func excludeWildcard(text string) (func(string) bool, error) {
	glob, err := parseWildcard(text)
	if err != nil {
		return nil, err
	}
	return glob.match, nil
}
