package dynamodb

import (
	"maps"
	"math/big"
	"slices"
	"strings"
)

// update is a parsed UpdateExpression.
type update struct{ actions []action }

// action changes one path.
type action struct {
	verb string // SET REMOVE ADD DELETE
	path path
	eval func(item) (value, error) // of SET, over the item as it was
	arg  value                     // of ADD and DELETE
}

func parseUpdate(p *parser) (*update, error) {
	u := &update{}
	seen := map[string]bool{}
	for p.peek().kind != endToken {
		verb := strings.ToUpper(p.next().text)
		if !slices.Contains([]string{"SET", "REMOVE", "ADD", "DELETE"}, verb) {
			p.at--
			return nil, p.unexpected()
		}
		if seen[verb] {
			return nil, grammar("The %q section can only be used once in an update expression;", verb)
		}
		seen[verb] = true
		for {
			a, err := p.action(verb)
			if err != nil {
				return nil, err
			}
			u.actions = append(u.actions, a)
			if !p.take(",") {
				break
			}
		}
	}
	return u, u.conflict()
}

func (u *update) conflict() error {
	var all []path
	for _, a := range u.actions {
		all = append(all, a.path)
	}
	return overlaps(all)
}

func (p *parser) action(verb string) (action, error) {
	d, err := p.path()
	if err != nil {
		return action{}, err
	}
	a := action{verb: verb, path: d}
	switch verb {
	case "SET":
		if err := p.expect("="); err != nil {
			return a, err
		}
		a.eval, err = p.sum()
	case "ADD", "DELETE":
		if a.arg, err = p.value(); err == nil {
			err = a.checkArgument()
		}
	}
	return a, err
}

func (a action) checkArgument() error {
	allowed := []string{"SS", "NS", "BS"}
	if a.verb == "ADD" {
		allowed = append(allowed, "N")
	}
	if !slices.Contains(allowed, a.arg.kind) {
		return grammar("Incorrect operand type for operator or function; operator: %s, operand type: %s", a.verb, a.arg.kind)
	}
	return nil
}

type evaluator = func(item) (value, error)

// sum reads an operand, or two with + or - between them.
func (p *parser) sum() (evaluator, error) {
	left, err := p.term()
	if err != nil {
		return nil, err
	}
	operator := p.peek().text
	if !p.take("+") && !p.take("-") {
		return left, nil
	}
	right, err := p.term()
	if err != nil {
		return nil, err
	}
	return func(i item) (value, error) {
		x, err := left(i)
		if err != nil {
			return value{}, err
		}
		y, err := right(i)
		if err != nil {
			return value{}, err
		}
		return arithmetic(operator, x, y)
	}, nil
}

func arithmetic(operator string, x, y value) (value, error) {
	if x.kind != "N" || y.kind != "N" {
		return value{}, invalid("An operand in the update expression has an incorrect data type")
	}
	r := new(big.Rat)
	if operator == "+" {
		r.Add(rational(x.text), rational(y.text))
	} else {
		r.Sub(rational(x.text), rational(y.text))
	}
	text, err := writeNumber(r)
	return value{kind: "N", text: text}, err
}

// term reads a path, a placeholder, if_not_exists or list_append.
func (p *parser) term() (evaluator, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if name, ok := p.function(); ok {
		return p.updateFunction(name)
	}
	if p.peek().kind == valueToken {
		v, err := p.value()
		return func(item) (value, error) { return v, nil }, err
	}
	d, err := p.path()
	return func(i item) (value, error) {
		v, ok := d.get(i)
		if !ok {
			return value{}, invalid("The provided expression refers to an attribute that does not exist in the item")
		}
		return v, nil
	}, err
}

func (p *parser) updateFunction(name string) (evaluator, error) {
	if name != "if_not_exists" && name != "list_append" {
		return nil, grammar("Invalid function name; function: %s", name)
	}
	p.at++
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var d path
	var left evaluator
	var err error
	if name == "if_not_exists" {
		d, err = p.path()
	} else {
		left, err = p.term()
	}
	if err == nil {
		err = p.expect(",")
	}
	if err != nil {
		return nil, err
	}
	right, err := p.term()
	if err != nil {
		return nil, err
	}
	if name == "if_not_exists" {
		return func(i item) (value, error) {
			if v, ok := d.get(i); ok {
				return v, nil
			}
			return right(i)
		}, p.expect(")")
	}
	return listAppend(left, right), p.expect(")")
}

func listAppend(left, right evaluator) evaluator {
	return func(i item) (value, error) {
		x, err := left(i)
		if err != nil {
			return value{}, err
		}
		y, err := right(i)
		if err != nil {
			return value{}, err
		}
		if x.kind != "L" || y.kind != "L" {
			return value{}, invalid("An operand in the update expression has an incorrect data type")
		}
		return value{kind: "L", l: slices.Concat(x.l, y.l)}, nil
	}
}

// apply makes the changed item; the old one stays as it is. Every SET sees the item as it was before.
func (u *update) apply(old item) (item, error) {
	out := maps.Clone(old)
	if out == nil {
		out = item{}
	}
	for _, a := range u.order() {
		v, remove, err := a.result(old)
		if err != nil {
			return nil, err
		}
		if a.verb == "DELETE" && v.kind == "" && !remove {
			continue
		}
		if out, err = a.path.changeMap(out, v, remove); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// order puts removals last, those from the end of a list first, so that indexes mean the list as it was; what is
// appended goes in the order of its indexes.
func (u *update) order() []action {
	actions := slices.Clone(u.actions)
	rank := func(a action) int {
		if a.verb == "REMOVE" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(actions, func(x, y action) int {
		switch {
		case rank(x) != rank(y):
			return rank(x) - rank(y)
		case rank(x) == 1:
			return y.path.order(x.path)
		}
		return x.path.order(y.path)
	})
	return actions
}

// order compares the indexes of two paths, step by step.
func (d path) order(other path) int {
	return slices.CompareFunc(d, other, func(x, y step) int { return x.index - y.index })
}

func (a action) result(old item) (v value, remove bool, err error) {
	switch a.verb {
	case "SET":
		v, err = a.eval(old)
		return v, false, err
	case "REMOVE":
		return value{}, true, nil
	}
	have, ok := a.path.get(old)
	if a.verb == "ADD" {
		v, err = add(have, ok, a.arg)
		return v, false, err
	}
	if !ok {
		return value{}, false, nil
	}
	if have.kind != a.arg.kind {
		return value{}, false, invalid("An operand in the update expression has an incorrect data type")
	}
	left := slices.DeleteFunc(slices.Clone(have.set), func(s string) bool { return slices.Contains(a.arg.set, s) })
	return value{kind: have.kind, set: left}, len(left) == 0, nil
}

func add(have value, ok bool, arg value) (value, error) {
	switch {
	case !ok:
		return arg, nil
	case have.kind != arg.kind:
		return value{}, invalid("An operand in the update expression has an incorrect data type")
	case arg.kind == "N":
		return arithmetic("+", have, arg)
	}
	return value{kind: arg.kind, set: sortedSet(arg.kind, slices.Concat(have.set, arg.set))}, nil
}

func badPath() error {
	return invalid("The document path provided in the update expression is invalid for update")
}

// changeMap sets or removes what a path leads to, copying what it passes through.
func (d path) changeMap(m map[string]value, v value, remove bool) (map[string]value, error) {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]value{}
	}
	name := d[0].name
	if len(d) == 1 {
		if remove {
			delete(out, name)
		} else {
			out[name] = v
		}
		return out, nil
	}
	inner, ok := out[name]
	if !ok {
		return nil, badPath()
	}
	changed, err := d[1:].changeIn(inner, v, remove)
	out[name] = changed
	return out, err
}

func (d path) changeIn(have, v value, remove bool) (value, error) {
	if d[0].name != "" {
		if have.kind != "M" {
			return value{}, badPath()
		}
		m, err := d.changeMap(have.m, v, remove)
		return value{kind: "M", m: m}, err
	}
	if have.kind != "L" {
		return value{}, badPath()
	}
	return d.changeList(have, v, remove)
}

func (d path) changeList(have, v value, remove bool) (value, error) {
	list, at := slices.Clone(have.l), d[0].index
	switch {
	case len(d) > 1:
		if at >= len(list) {
			return value{}, badPath()
		}
		changed, err := d[1:].changeIn(list[at], v, remove)
		list[at] = changed
		return value{kind: "L", l: list}, err
	case remove:
		if at < len(list) {
			list = slices.Delete(list, at, at+1)
		}
	case at < len(list):
		list[at] = v
	default:
		list = append(list, v)
	}
	return value{kind: "L", l: list}, nil
}
