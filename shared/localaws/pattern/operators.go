package pattern

import (
	"net/netip"
	"slices"
	"strings"
)

// test is what one item of a value list asks of a leaf value: a string, float64, bool or nil.
type test func(value any) bool

// maxNumber bounds the numbers of numeric operators, both ways.
const maxNumber = 5e9

// operators are the match expressions by name; "exists" is not among them because it can match without a value.
func operators() map[string]func(node) (test, error) {
	return map[string]func(node) (test, error){
		"exactly":            compileExactly,
		"prefix":             compilePrefix,
		"suffix":             compileSuffix,
		"equals-ignore-case": compileEqualsIgnoreCase,
		"wildcard":           compileWildcard,
		"anything-but":       compileAnythingBut,
		"numeric":            compileNumeric,
		"cidr":               compileCIDR,
	}
}

func literal(want any) test {
	return func(value any) bool { return value == want }
}

// onText makes a test that only strings pass.
func onText(holds func(string) bool) test {
	return func(value any) bool {
		s, ok := value.(string)
		return ok && holds(s)
	}
}

func compileExactly(n node) (test, error) {
	want, ok := n.text()
	if !ok {
		return nil, reason("exact match pattern must be a string")
	}
	return literal(want), nil
}

func compilePrefix(n node) (test, error) {
	want, fold, err := affix(n, "prefix", "Prefix")
	if err != nil {
		return nil, err
	}
	if fold {
		return onText(func(s string) bool { return hasPrefixFold(s, want) }), nil
	}
	return onText(func(s string) bool { return strings.HasPrefix(s, want) }), nil
}

func compileSuffix(n node) (test, error) {
	want, fold, err := affix(n, "suffix", "Suffix")
	if err != nil {
		return nil, err
	}
	if fold {
		return onText(func(s string) bool { return hasSuffixFold(s, want) }), nil
	}
	return onText(func(s string) bool { return strings.HasSuffix(s, want) }), nil
}

// affix reads "text" or {"equals-ignore-case": "text"}.
func affix(n node, name, title string) (text string, fold bool, err error) {
	if n.kind == objectKind {
		switch {
		case len(n.fields) == 0:
			return "", false, reason("%s expression name not found", title)
		case n.fields[0].name != "equals-ignore-case":
			return "", false, reason("Unsupported %s pattern: %s", name, n.fields[0].name)
		case len(n.fields) > 1:
			return "", false, reason("Only one key allowed in match expression")
		}
		want, ok := n.fields[0].value.text()
		if !ok {
			return "", false, reason("equals-ignore-case match pattern must be a string")
		}
		return want, true, nil
	}
	want, ok := n.text()
	if !ok {
		return "", false, reason("%s match pattern must be a string", name)
	}
	return want, false, nil
}

func compileEqualsIgnoreCase(n node) (test, error) {
	want, ok := n.text()
	if !ok {
		return nil, reason("equals-ignore-case match pattern must be a string")
	}
	return onText(func(s string) bool { return strings.EqualFold(s, want) }), nil
}

func compileWildcard(n node) (test, error) {
	text, ok := n.text()
	if !ok {
		return nil, reason("wildcard match pattern must be a string")
	}
	glob, err := parseWildcard(text)
	if err != nil {
		return nil, err
	}
	return onText(glob.match), nil
}

func compileCIDR(n node) (test, error) {
	text, ok := n.text()
	if !ok {
		return nil, reason("prefix match pattern must be a string")
	}
	if strings.Count(text, "/") != 1 {
		return nil, reason("Malformed CIDR, one '/' required")
	}
	block, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, reason("Malformed CIDR: %v", err)
	}
	return onText(func(s string) bool {
		address, err := netip.ParseAddr(s)
		return err == nil && block.Contains(address)
	}), nil
}

// compileNumeric reads [op, n] or [">" or ">=", low, "<" or "<=", high].
func compileNumeric(n node) (test, error) {
	if n.kind != arrayKind {
		return nil, reason("Value of numeric must be an array.")
	}
	if len(n.items) == 0 {
		return nil, reason("Invalid member in numeric match: ]")
	}
	first, low, err := comparison(n.items, "Unrecognized numeric range operator: %s", "=", "<", "<=", ">", ">=")
	if err != nil {
		return nil, err
	}
	rest := n.items[2:]
	if len(rest) == 0 {
		return onNumber(func(f float64) bool { return compare(f, first, low) }), nil
	}
	if !strings.HasPrefix(first, ">") || len(rest) > 2 {
		return nil, reason("Too many elements in numeric expression")
	}
	second, high, err := comparison(rest, "Bad numeric range operator: %s", "<", "<=")
	if err != nil {
		return nil, err
	}
	if low >= high {
		return nil, reason("Bottom must be less than top")
	}
	return onNumber(func(f float64) bool { return compare(f, first, low) && compare(f, second, high) }), nil
}

// comparison reads an operator and the number after it.
func comparison(items []node, unknown string, allowed ...string) (operator string, bound float64, err error) {
	operator, ok := items[0].text()
	if !ok {
		return "", 0, reason("Invalid member in numeric match: %v", items[0].scalar)
	}
	if !slices.Contains(allowed, operator) {
		return "", 0, reason(unknown, operator)
	}
	if len(items) < 2 {
		return "", 0, reason("Value of %s must be numeric", operator)
	}
	bound, ok = items[1].number()
	if !ok {
		return "", 0, reason("Value of %s must be numeric", operator)
	}
	if bound < -maxNumber || bound > maxNumber {
		return "", 0, reason("Value must be between -5.0E9 and 5.0E9, inclusive")
	}
	return operator, bound, nil
}

func onNumber(holds func(float64) bool) test {
	return func(value any) bool {
		f, ok := value.(float64)
		return ok && f >= -maxNumber && f <= maxNumber && holds(f)
	}
}

func compare(f float64, operator string, bound float64) bool {
	switch operator {
	case "<":
		return f < bound
	case "<=":
		return f <= bound
	case ">":
		return f > bound
	case ">=":
		return f >= bound
	default:
		return f == bound
	}
}
