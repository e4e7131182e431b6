package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decode reads YAML into config. Problems are collected in where, with the position of every field; it answers false
// when the text is not YAML, or no mapping, so that there is nothing more to say about it.
func decode(where *sourceMap, raw []byte, format Format, config *Config) bool {
	file, err := parseYAML(raw, parser.AllowDuplicateMapKey())
	if err != nil {
		notYAML(where, err)
		return false
	}
	d := decoder{sourceMap: where, format: format}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			d.problemAt(startOf(doc.Body), "", "a second document", "keep one document in the file")
			break
		}
		d.value(doc.Body, reflect.ValueOf(config).Elem(), "")
	}
	return !where.settled[""]
}

func notYAML(where *sourceMap, err error) {
	at, what := position{1, 1}, err.Error()
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		what = syntax.Message
		if syntax.Token != nil {
			at = positionOf(syntax.Token)
		}
	}
	what, _, _ = strings.Cut(what, "\n")
	where.problemAt(at, "", "not YAML: "+what, "correct the line, or the indentation of the line before it")
}

// decoder fills Go values from a YAML tree and keeps going after a problem. Text is taken as it is written, so that
// an account id that starts with zero stays one.
type decoder struct {
	*sourceMap
	format Format
}

var timeType = reflect.TypeFor[time.Time]()

func (d decoder) value(node ast.Node, into reflect.Value, path string) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return // written without a value: as if it were not written
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		d.problem(path, "an anchor or alias", "write the value out")
		return
	case *ast.TagNode:
		d.problem(path, "a YAML tag "+n.Start.Value, "remove it")
		return
	}
	switch {
	case into.Type() == timeType:
		d.time(node, into, path)
	case into.Kind() == reflect.Struct:
		d.mapping(node, path, d.structEntry(into, path))
	case into.Type() == channelType:
		d.mapping(node, path, d.channelEntry(into, path))
	case into.Kind() == reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		d.mapping(node, path, d.mapEntry(into, path))
	case into.Kind() == reflect.Slice:
		d.list(node, into, path)
	default:
		d.scalar(node, into, path)
	}
}

// mapping hands every entry of a mapping to entry, after the checks that hold for all mappings.
func (d decoder) mapping(node ast.Node, path string, entry func(key string, at position, value ast.Node)) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.problem(path, subject(path)+" is "+kindOf(node), "write it as a mapping of `key: value` lines")
		return
	}
	seen := map[string]position{}
	for _, v := range values {
		key, at := keyText(v.Key), startOf(v.Key)
		if first, twice := seen[key]; twice {
			d.problemAt(at, path, fmt.Sprintf("%s is written twice, first in line %d", key, first.line), "keep one")
			continue
		}
		seen[key] = at
		entry(key, at, v.Value)
	}
}

func (d decoder) structEntry(into reflect.Value, path string) func(string, position, ast.Node) {
	fields := fieldsOf(into.Type())
	return func(key string, at position, value ast.Node) {
		index, known := fields[key]
		if !known {
			d.unknownKey(key, at, path, fieldNames(into.Type()))
			return
		}
		field := join(path, key)
		d.at[field] = written(at, value)
		d.value(value, into.Field(index), field)
	}
}

func (d decoder) mapEntry(into reflect.Value, path string) func(string, position, ast.Node) {
	return func(key string, at position, value ast.Node) {
		field := path + `["` + key + `"]`
		d.at[field] = written(at, value)
		element := reflect.New(into.Type().Elem()).Elem()
		d.value(value, element, field)
		into.SetMapIndex(reflect.ValueOf(key), element)
	}
}

// renamed are keys of earlier versions, by the path they had, and what they are called now.
var renamed = map[string]string{"waves": "rollout"}

func (d decoder) unknownKey(key string, at position, path string, names []string) {
	if now, known := renamed[join(path, key)]; known {
		d.problemAt(at, join(path, key), fmt.Sprintf("%s is called %s now", key, now), "write "+now+": its entries stay as they are")
		d.settled[join(path, now)] = true
		return
	}
	what := "unknown key " + key
	if path != "" {
		what += " in " + path
	}
	near := nearest(key, names)
	if near == "" {
		d.problemAt(at, join(path, key), what, "use one of "+strings.Join(names, ", "))
		return
	}
	d.problemAt(at, join(path, key), what, "did you mean "+near+"?")
	d.settled[join(path, near)] = true // it was meant, so it is not missing as well
}

// channelEntry reads one field of an owner.
func (d decoder) channelEntry(into reflect.Value, path string) func(string, position, ast.Node) {
	into.Set(reflect.MakeMap(into.Type()))
	names := fieldsOfOwners(d.format)
	return func(key string, at position, value ast.Node) {
		if !slices.Contains(names, key) {
			d.unknownKey(key, at, path, names)
			return
		}
		field := join(path, key)
		d.at[field] = written(at, value)
		var text string
		d.value(value, reflect.ValueOf(&text).Elem(), field)
		into.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(text))
	}
}

func (d decoder) list(node ast.Node, into reflect.Value, path string) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.problem(path, subject(path)+" is "+kindOf(node), "write it as a list of `- value` lines")
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values)))
	for i, value := range sequence.Values {
		element := fmt.Sprintf("%s[%d]", path, i)
		d.at[element] = startOf(value)
		if _, empty := value.(*ast.NullNode); empty {
			d.problem(element, element+" is empty", "fill it in or remove the line")
			continue
		}
		d.value(value, into.Index(i), element)
	}
}

func (d decoder) scalar(node ast.Node, into reflect.Value, path string) {
	switch into.Kind() {
	case reflect.Bool:
		if b, ok := node.(*ast.BoolNode); ok {
			into.SetBool(b.Value)
			return
		}
		d.problem(path, subject(path)+" is "+kindOf(node), "write true or false")
	case reflect.Int:
		if n, ok := wholeNumber(node); ok {
			into.SetInt(n)
			return
		}
		d.problem(path, subject(path)+" is "+kindOf(node), "write a whole number")
	case reflect.String:
		if text, ok := textOf(node); ok {
			into.SetString(text)
			return
		}
		d.problem(path, subject(path)+" is "+kindOf(node), "write text, in quotes where needed")
	default:
		panic("settings: no YAML for " + into.Type().String())
	}
}

// time reads a date, which lasts to the end of that day in UTC, or a time of day in RFC 3339.
func (d decoder) time(node ast.Node, into reflect.Value, path string) {
	text, _ := textOf(node)
	if day, err := time.Parse(time.DateOnly, text); err == nil && day.AddDate(0, 0, 1).Year() <= lastYear {
		into.Set(reflect.ValueOf(day.AddDate(0, 0, 1)))
		return
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		into.Set(reflect.ValueOf(at.UTC()))
		return
	}
	d.problem(path, subject(path)+" is no date", "write it like 2027-01-31")
}

// decimal is how whole numbers are written: 010 is 8 to one reader of YAML and 10 to another.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// lastYear is the last that RFC 3339 can write.
const lastYear = 9999

// wholeNumber reads an integer that is written as a decimal number.
func wholeNumber(node ast.Node) (int64, bool) {
	n, ok := node.(*ast.IntegerNode)
	if !ok || !decimal.MatchString(n.Token.Value) {
		return 0, false
	}
	switch v := n.Value.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	}
	return 0, false
}

// textOf is the text of a scalar that may stand for text: 012345678901 is an account id, not a number.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	}
	return "", false
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	if key.GetToken() == nil {
		return key.String()
	}
	return key.GetToken().Value
}

func kindOf(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "the truth value " + n.Token.Value
	case *ast.IntegerNode:
		return "the number " + n.Token.Value
	case *ast.FloatNode:
		return "the number " + n.Token.Value
	case *ast.StringNode:
		return "the text " + strconv.Quote(n.Value)
	case *ast.LiteralNode:
		return "a block of text"
	default:
		return "something else (" + strings.ToLower(node.Type().String()) + ")"
	}
}

// written is where a field is to be corrected: at its value, or at its key where the value is more than a word.
func written(key position, value ast.Node) position {
	switch value.(type) {
	case nil, *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.NullNode, *ast.CommentGroupNode:
		return key
	}
	return startOf(value)
}

// startOf is where a node starts. A block mapping starts at its first key.
func startOf(node ast.Node) position {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return startOf(n.Key)
	}
	return positionOf(node.GetToken())
}

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(1, t.Position.Line), max(1, t.Position.Column)}
}

func subject(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fieldsOf lists the fields of a struct by the name they have in YAML.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("yaml")] = i
	}
	return fields
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}
