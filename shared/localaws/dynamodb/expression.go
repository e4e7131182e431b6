package dynamodb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// maxNesting bounds how deep an expression nests (DynamoDB: 300 operators).
const maxNesting = 300

// maxExpression is how long an expression may be, in bytes.
const maxExpression = 4096

// parser reads one expression and resolves its placeholders.
type parser struct {
	kind   string // ConditionExpression, for messages
	tokens []token
	at     int
	depth  int
	scope  *placeholders
}

// placeholders are a request's #names and :values, and which of them its expressions used.
type placeholders struct {
	names      map[string]string
	values     map[string]value
	usedNames  map[string]bool
	usedValues map[string]bool
	touched    map[string]bool // attributes that the expression at hand mentions
}

func newPlaceholders(names map[string]string, values map[string]value) *placeholders {
	return &placeholders{names, values, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// unused is the error for placeholders that no expression of the request mentions.
func (p *placeholders) unused() error {
	for _, name := range core.SortedKeys(p.values) {
		if !p.usedValues[name] {
			return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", name)
		}
	}
	for _, name := range core.SortedKeys(p.names) {
		if !p.usedNames[name] {
			return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", name)
		}
	}
	return nil
}

// parseExpression runs a rule of the grammar over a whole expression.
func parseExpression[T any](kind, text string, scope *placeholders, rule func(*parser) (T, error)) (T, error) {
	var zero T
	wrap := func(err error) error { return invalid("Invalid %s: %s", kind, err) }
	if strings.TrimSpace(text) == "" {
		return zero, wrap(grammar("The expression can not be empty;"))
	}
	if len(text) > maxExpression {
		return zero, wrap(grammar("Expression size has exceeded the maximum allowed size; expression size: %d", len(text)))
	}
	tokens, err := lex(text)
	if err != nil {
		return zero, wrap(err)
	}
	p := &parser{kind: kind, tokens: tokens, scope: scope}
	parsed, err := rule(p)
	if err == nil && p.peek().kind != endToken {
		err = p.unexpected()
	}
	if err != nil {
		return zero, wrap(err)
	}
	return parsed, nil
}

// grammar is an error in DynamoDB's words, which begin with a capital.
func grammar(format string, args ...any) error { return fmt.Errorf(format, args...) }

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

func (p *parser) unexpected() error {
	var rest []string
	for _, t := range p.tokens[max(0, p.at-1):min(len(p.tokens), p.at+2)] {
		if t.kind != endToken {
			rest = append(rest, t.text)
		}
	}
	return grammar("Syntax error; token: %q, near: %q", p.peek().text, strings.Join(rest, " "))
}

// take consumes a symbol if it is next.
func (p *parser) take(symbol string) bool {
	if t := p.peek(); t.kind == symbolToken && t.text == symbol {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(symbol string) error {
	if !p.take(symbol) {
		return p.unexpected()
	}
	return nil
}

// word consumes a keyword if it is next, in any case.
func (p *parser) word(word string) bool {
	if t := p.peek(); t.kind == nameToken && strings.EqualFold(t.text, word) {
		p.at++
		return true
	}
	return false
}

// enter counts nesting, so that no expression can exhaust the stack.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return grammar("The expression has too many nested operators")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// step is one step of a document path: a name, or an index when name is empty.
type step struct {
	name  string
	index int
}

type path []step

// String writes a path as DynamoDB's messages do.
func (d path) String() string {
	var parts []string
	for _, s := range d {
		if s.name == "" {
			parts = append(parts, "["+strconv.Itoa(s.index)+"]")
		} else {
			parts = append(parts, s.name)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// path reads name(.name|[n])*, with #aliases.
func (p *parser) path() (path, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	p.scope.touched[name] = true
	d := path{{name: name}}
	for {
		switch {
		case p.take("."):
			if name, err = p.name(); err != nil {
				return nil, err
			}
			d = append(d, step{name: name})
		case p.take("["):
			t := p.next()
			n, err := strconv.Atoi(t.text)
			if t.kind != numberToken || err != nil {
				return nil, p.unexpected()
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			d = append(d, step{index: n})
		default:
			return d, nil
		}
	}
}

func (p *parser) name() (string, error) {
	t := p.peek()
	switch t.kind {
	case nameToken:
		if reservedWords[strings.ToUpper(t.text)] {
			return "", grammar("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		p.at++
		return t.text, nil
	case aliasToken:
		name, ok := p.scope.names[t.text]
		if !ok {
			return "", grammar("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		p.scope.usedNames[t.text] = true
		p.at++
		return name, nil
	}
	return "", p.unexpected()
}

// value reads a :placeholder.
func (p *parser) value() (value, error) {
	t := p.peek()
	if t.kind != valueToken {
		return value{}, p.unexpected()
	}
	v, ok := p.scope.values[t.text]
	if !ok {
		return value{}, grammar("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	p.scope.usedValues[t.text] = true
	p.at++
	return v, nil
}

// get follows a path into an item.
func (d path) get(i item) (value, bool) {
	v, ok := i[d[0].name]
	for _, s := range d[1:] {
		if !ok {
			return value{}, false
		}
		if s.name != "" {
			v, ok = v.m[s.name]
			continue
		}
		if s.index >= len(v.l) {
			return value{}, false
		}
		v = v.l[s.index]
	}
	return v, ok
}

// projection is the paths of a ProjectionExpression.
func parseProjection(p *parser) ([]path, error) {
	var all []path
	for {
		d, err := p.path()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
		if !p.take(",") {
			return all, overlaps(all)
		}
	}
}

// overlaps is the error for two paths of which one leads through the other.
func overlaps(all []path) error {
	for i, one := range all {
		for _, two := range all[:i] {
			n := min(len(one), len(two))
			if one[:n].String() == two[:n].String() {
				return grammar("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", two, one)
			}
		}
	}
	return nil
}

// project keeps what the paths lead to. Elements of lists close up, as in DynamoDB.
func project(i item, paths []path) item {
	out := item{}
	for _, d := range paths {
		if v, ok := d.get(i); ok {
			out[d[0].name] = graft(out[d[0].name], d[1:], v)
		}
	}
	return out
}

// graft puts a value under a path into what was projected so far.
func graft(have value, rest path, v value) value {
	if len(rest) == 0 {
		return v
	}
	if rest[0].name == "" {
		return value{kind: "L", l: append(have.l, graft(value{}, rest[1:], v))}
	}
	m := map[string]value{}
	for name, old := range have.m {
		m[name] = old
	}
	m[rest[0].name] = graft(m[rest[0].name], rest[1:], v)
	return value{kind: "M", m: m}
}
