package dynamodb

import (
	"slices"
	"strconv"
	"strings"
)

// condition is a parsed condition or filter; it answers for an item, which is nil when there is none.
type condition func(item) bool

// operand is something a condition compares; ok is false when the item lacks it.
type operand struct {
	eval  func(item) (v value, ok bool)
	path  path  // set for a path
	value value // set for a placeholder
	given bool  // it is a placeholder
}

func parseCondition(p *parser) (condition, error) { return p.or() }

func (p *parser) or() (condition, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.and()
	for err == nil && p.word("OR") {
		var right condition
		one := left
		right, err = p.and()
		left = func(i item) bool { return one(i) || right(i) }
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.not()
	for err == nil && p.word("AND") {
		var right condition
		one := left
		right, err = p.not()
		left = func(i item) bool { return one(i) && right(i) }
	}
	return left, err
}

func (p *parser) not() (condition, error) {
	if !p.word("NOT") {
		return p.primary()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	inner, err := p.not()
	return func(i item) bool { return !inner(i) }, err
}

func (p *parser) primary() (condition, error) {
	if p.take("(") {
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	if name, ok := p.function(); ok && name != "size" {
		return p.call(name)
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.comparison(left)
}

// function is the name before an opening parenthesis.
func (p *parser) function() (string, bool) {
	t := p.peek()
	if t.kind != nameToken || p.at+1 >= len(p.tokens) || p.tokens[p.at+1].text != "(" {
		return "", false
	}
	return t.text, true
}

func (p *parser) comparison(left operand) (condition, error) {
	switch {
	case p.word("BETWEEN"):
		low, err := p.operand()
		if err != nil {
			return nil, err
		}
		if !p.word("AND") {
			return nil, p.unexpected()
		}
		high, err := p.operand()
		if err != nil {
			return nil, err
		}
		return between(left, low, high)
	case p.word("IN"):
		return p.in(left)
	}
	t := p.next()
	if t.kind != symbolToken || !slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text) {
		p.at = max(0, p.at-1)
		return nil, p.unexpected()
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return func(i item) bool { return compares(t.text, left, right, i) }, nil
}

func compares(operator string, left, right operand, i item) bool {
	x, okX := left.eval(i)
	y, okY := right.eval(i)
	switch operator {
	case "=":
		return okX && okY && x.equal(y)
	case "<>":
		return okX != okY || okX && !x.equal(y)
	}
	if !okX || !okY {
		return false
	}
	order, ok := x.compare(y)
	if !ok {
		return false
	}
	return map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]
}

func between(left, low, high operand) (condition, error) {
	if low.given && high.given {
		order, ok := low.value.compare(high.value)
		if !ok {
			return nil, grammar("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}", low.value.kind, high.value.kind)
		}
		if order > 0 {
			return nil, grammar("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}", low.value.kind, low.value.text, high.value.kind, high.value.text)
		}
	}
	return func(i item) bool { return compares(">=", left, low, i) && compares("<=", left, high, i) }, nil
}

func (p *parser) in(left operand) (condition, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []operand
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		if list = append(list, o); len(list) > 100 {
			return nil, grammar("Invalid operand count for operator or function; operator or function: IN, number of operands: %d", len(list))
		}
		if !p.take(",") {
			break
		}
	}
	any := func(i item) bool {
		return slices.ContainsFunc(list, func(o operand) bool { return compares("=", left, o, i) })
	}
	return any, p.expect(")")
}

// operand reads a path, a placeholder or size(path).
func (p *parser) operand() (operand, error) {
	if name, ok := p.function(); ok {
		if name != "size" {
			return operand{}, grammar("The function is not allowed to be used this way in an expression; function: %s", name)
		}
		return p.size()
	}
	if p.peek().kind == valueToken {
		v, err := p.value()
		return operand{eval: func(item) (value, bool) { return v, true }, value: v, given: true}, err
	}
	d, err := p.path()
	return operand{eval: func(i item) (value, bool) { return d.get(i) }, path: d}, err
}

func (p *parser) size() (operand, error) {
	arguments, err := p.arguments("size", 1)
	if err != nil {
		return operand{}, err
	}
	return operand{eval: func(i item) (value, bool) {
		v, ok := arguments[0].eval(i)
		if !ok {
			return value{}, false
		}
		n, ok := v.length()
		return value{kind: "N", text: strconv.Itoa(n)}, ok
	}}, nil
}

// arguments reads the parenthesised operands of a function.
func (p *parser) arguments(name string, want int) ([]operand, error) {
	p.at++
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var all []operand
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		all = append(all, o)
		if !p.take(",") {
			break
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if len(all) != want {
		return nil, grammar("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(all))
	}
	if all[0].path == nil && name != "contains" && name != "size" && name != "begins_with" {
		return nil, grammar("Operator or function requires a document path; operator or function: %s", name)
	}
	return all, nil
}

func (p *parser) call(name string) (condition, error) {
	want := map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}[name]
	if want == 0 {
		return nil, grammar("Invalid function name; function: %s", name)
	}
	a, err := p.arguments(name, want)
	if err != nil {
		return nil, err
	}
	switch name {
	case "attribute_exists":
		return func(i item) bool { _, ok := a[0].eval(i); return ok }, nil
	case "attribute_not_exists":
		return func(i item) bool { _, ok := a[0].eval(i); return !ok }, nil
	case "attribute_type":
		return typeTest(a)
	case "begins_with":
		if a[1].given && a[1].value.kind != "S" && a[1].value.kind != "B" {
			return nil, grammar("Incorrect operand type for operator or function; operator or function: begins_with, operand type: %s", a[1].value.kind)
		}
		return both(a, func(x, y value) bool { return x.kind == y.kind && strings.HasPrefix(x.text, y.text) && x.kind != "N" }), nil
	default:
		return both(a, value.contains), nil
	}
}

func typeTest(a []operand) (condition, error) {
	kinds := []string{"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}
	if !a[1].given || !slices.Contains(kinds, a[1].value.text) {
		return nil, grammar("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", a[1].value.text)
	}
	return both(a, func(x, y value) bool { return x.kind == y.text }), nil
}

func both(a []operand, test func(x, y value) bool) condition {
	return func(i item) bool {
		x, okX := a[0].eval(i)
		y, okY := a[1].eval(i)
		return okX && okY && test(x, y)
	}
}

// contains reports whether a string has a part, a set a member or a list an element.
func (v value) contains(part value) bool {
	switch v.kind {
	case "S", "B":
		return v.kind == part.kind && strings.Contains(v.text, part.text)
	case "SS", "NS", "BS":
		return part.kind == v.kind[:1] && slices.Contains(v.set, part.text)
	case "L":
		return slices.ContainsFunc(v.l, part.equal)
	}
	return false
}
