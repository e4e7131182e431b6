package dynamodb

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const maxPage = 1 << 20 // bytes that one Query or Scan reads

type queryInput struct {
	IndexName                              string
	KeyConditionExpression                 string
	FilterExpression, ProjectionExpression string
	ExpressionAttributeNames               map[string]string
	ExpressionAttributeValues              map[string]value
	ExclusiveStartKey                      item
	Limit                                  *int
	ScanIndexForward                       *bool
	ConsistentRead                         bool
	Select                                 string
	Segment, TotalSegments                 *int

	KeyConditions, QueryFilter, ScanFilter, AttributesToGet any // of the API before expressions
}

// keyTerm is one condition of a KeyConditionExpression.
type keyTerm struct {
	name, operator string // = < <= > >= BETWEEN begins_with
	values         []value
}

// parseKeys reads terms joined by AND, in any parentheses.
func parseKeys(p *parser) ([]keyTerm, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var all []keyTerm
	for {
		terms, err := p.keyTerms()
		if err != nil {
			return nil, err
		}
		all = append(all, terms...)
		if !p.word("AND") {
			return all, nil
		}
	}
}

func (p *parser) keyTerms() ([]keyTerm, error) {
	if p.take("(") {
		inner, err := parseKeys(p)
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	if name, ok := p.function(); ok {
		return p.keyPrefix(name)
	}
	d, err := p.path()
	if err != nil {
		return nil, err
	}
	term := keyTerm{name: d[0].name}
	if p.word("BETWEEN") {
		term.operator = "BETWEEN"
		low, err := p.value()
		if err != nil {
			return nil, err
		}
		if !p.word("AND") {
			return nil, p.unexpected()
		}
		high, err := p.value()
		term.values = []value{low, high}
		return []keyTerm{term}, err
	}
	t := p.next()
	if !slices.Contains([]string{"=", "<", "<=", ">", ">="}, t.text) {
		return nil, grammar("Invalid operator used in KeyConditionExpression: %s", t.text)
	}
	v, err := p.value()
	term.operator, term.values = t.text, []value{v}
	return []keyTerm{term}, err
}

func (p *parser) keyPrefix(name string) ([]keyTerm, error) {
	if name != "begins_with" {
		return nil, grammar("Invalid operator used in KeyConditionExpression: %s", name)
	}
	a, err := p.arguments(name, 2)
	if err != nil {
		return nil, err
	}
	if a[0].path == nil || !a[1].given || a[1].value.kind == "N" {
		return nil, grammar("Incorrect operand type for operator or function; operator or function: begins_with, operand type: %s", a[1].value.kind)
	}
	return []keyTerm{{a[0].path[0].name, "begins_with", []value{a[1].value}}}, nil
}

func (k keyTerm) holds(v value) bool {
	order, ok := v.compare(k.values[0])
	if !ok {
		return false
	}
	switch k.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "begins_with":
		return strings.HasPrefix(v.text, k.values[0].text)
	case "BETWEEN":
		high, _ := v.compare(k.values[1])
		return order >= 0 && high <= 0
	}
	return order == 0
}

// split separates the partition key's value from the condition on the sort key, which may be missing.
func (t *table) split(s *ordering, terms []keyTerm) (hash value, sort *keyTerm, err error) {
	seen := map[string]bool{}
	for _, k := range terms {
		if seen[k.name] {
			return value{}, nil, invalid("KeyConditionExpressions must only contain one condition per key")
		}
		seen[k.name] = true
		for _, v := range k.values {
			if want := t.kindOf(k.name); want != "" && v.kind != want {
				return value{}, nil, invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
			}
		}
		switch {
		case k.name == s.hash && k.operator == "=":
			hash = k.values[0]
		case k.name == s.hash:
			return value{}, nil, invalid("Query key condition not supported")
		case k.name == s.sort && s.sort != "":
			sort = &k
		}
	}
	if hash.kind == "" {
		return value{}, nil, invalid("Query condition missed key schema element: %s", s.hash)
	}
	if len(seen) > 1 && sort == nil {
		return value{}, nil, invalid("Query condition missed key schema element: %s", s.sort)
	}
	return hash, sort, nil
}

// reading is a Query or Scan that is ready to run.
type reading struct {
	table    *table
	ordering *ordering
	index    *tableIndexState // nil for the table itself
	filter   condition
	paths    []path
	start    *stored
	in       queryInput
}

func newReading(c *core.Call, t *table) (*reading, *placeholders, error) {
	r := &reading{table: t, ordering: t.main}
	if err := decodeInput(c, &r.in); err != nil {
		return nil, nil, err
	}
	in := r.in
	if in.KeyConditions != nil || in.QueryFilter != nil || in.ScanFilter != nil || in.AttributesToGet != nil {
		return nil, nil, invalid("the parameters from before expressions are not answered here")
	}
	if in.Limit != nil && *in.Limit < 1 {
		return nil, nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *in.Limit)
	}
	if in.IndexName != "" {
		index, ok := t.indexes[in.IndexName]
		if !ok {
			return nil, nil, invalid("The table does not have the specified index: %s", in.IndexName)
		}
		r.index, r.ordering = index, index.ordering
		global := slices.ContainsFunc(t.GlobalSecondaryIndexes, func(i indexInput) bool { return i.IndexName == in.IndexName })
		if in.ConsistentRead && global {
			return nil, nil, invalid("Consistent reads are not supported on global secondary indexes")
		}
	}
	s := newPlaceholders(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if err := r.expressions(s); err != nil {
		return nil, nil, err
	}
	return r, s, r.begin()
}

func (r *reading) expressions(s *placeholders) error {
	var err error
	if r.in.FilterExpression != "" {
		s.touched = map[string]bool{}
		if r.filter, err = parseExpression("FilterExpression", r.in.FilterExpression, s, parseCondition); err != nil {
			return err
		}
		if r.in.KeyConditionExpression != "" {
			for _, name := range []string{r.ordering.hash, r.ordering.sort} {
				if s.touched[name] {
					return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
				}
			}
		}
	}
	if r.in.ProjectionExpression != "" {
		r.paths, err = parseExpression("ProjectionExpression", r.in.ProjectionExpression, s, parseProjection)
	}
	return err
}

// begin reads the ExclusiveStartKey.
func (r *reading) begin() error {
	start := r.in.ExclusiveStartKey
	if start == nil {
		return nil
	}
	for name := range r.table.keys(r.ordering) {
		if start[name].kind != r.table.kindOf(name) {
			return invalid("The provided starting key is invalid")
		}
	}
	key, err := r.table.keyOf(start)
	r.start = &stored{key, start}
	return err
}

func queryTable(c *core.Call, t *table) (any, error) {
	r, scope, err := newReading(c, t)
	if err != nil {
		return nil, err
	}
	terms, err := parseExpression("KeyConditionExpression", r.in.KeyConditionExpression, scope, parseKeys)
	if err != nil {
		return nil, err
	}
	if err := scope.unused(); err != nil {
		return nil, err
	}
	hash, sort, err := t.split(r.ordering, terms)
	if err != nil {
		return nil, err
	}
	forward := r.in.ScanIndexForward == nil || *r.in.ScanIndexForward
	items := r.ordering.after(r.ordering.by[encodeKey(hash)], r.start, forward)
	return r.page(func(yield func(*stored) bool) {
		for it := range items {
			if sort != nil && !sort.holds(it.item[r.ordering.sort]) {
				continue
			}
			if !yield(it) {
				return
			}
		}
	}), nil
}

func scanTable(c *core.Call, t *table) (any, error) {
	r, scope, err := newReading(c, t)
	if err != nil {
		return nil, err
	}
	if err := scope.unused(); err != nil {
		return nil, err
	}
	segment, segments := 0, 1
	if r.in.TotalSegments != nil && r.in.Segment != nil {
		segment, segments = *r.in.Segment, *r.in.TotalSegments
	}
	if segments < 1 || segment < 0 || segment >= segments {
		return nil, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", segment, segments)
	}
	return r.page(r.ordering.scan(r.start, segment, segments)), nil
}

// page reads until the limit, the size of a page or the end.
func (r *reading) page(items func(func(*stored) bool)) any {
	out := map[string]any{}
	found, scanned, size := []item{}, 0, 0
	var last *stored
	for it := range items {
		scanned++
		size += it.item.bytes()
		if r.filter == nil || r.filter(it.item) {
			found = append(found, r.shown(it.item))
		}
		if r.in.Limit != nil && scanned == *r.in.Limit || size >= maxPage {
			last = it
			break
		}
	}
	out["Count"], out["ScannedCount"] = len(found), scanned
	if r.in.Select != "COUNT" {
		out["Items"] = found
	}
	if last != nil {
		key := item{}
		for name := range r.table.keys(r.ordering) {
			key[name] = last.item[name]
		}
		out["LastEvaluatedKey"] = key
	}
	return out
}

// shown is what of an item the index and the projection let through.
func (r *reading) shown(i item) item {
	if r.index != nil && r.index.declared.Projection.ProjectionType != "ALL" {
		keep := r.table.keys(r.ordering)
		for _, name := range r.index.declared.Projection.NonKeyAttributes {
			keep[name] = true
		}
		some := item{}
		for name := range keep {
			if v, ok := i[name]; ok {
				some[name] = v
			}
		}
		i = some
	}
	if r.paths != nil {
		return project(i, r.paths)
	}
	return i
}
