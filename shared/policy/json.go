package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxDepth is deeper than any policy nests: document, statement, condition, operator, key, values.
const maxDepth = 16

// SyntaxError says where in a document the text is not a policy. Line and Column count from 1; Column counts bytes.
type SyntaxError struct {
	Document     string
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Document, e.Line, e.Column, e.Message)
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeString
	nodeScalar // a number or boolean; text is how it was written
	nodeList
	nodeObject
)

func (k nodeKind) String() string {
	return [...]string{"null", "a string", "a number or boolean", "a list", "an object"}[k]
}

// node is a JSON value with its position in the text; encoding/json keeps neither positions nor repeated keys.
type node struct {
	kind   nodeKind
	offset int
	text   string
	list   []node
	fields []field
}

type field struct {
	name   string
	offset int
	value  node
}

// reader turns text into nodes.
type reader struct {
	name string
	raw  []byte
	dec  *json.Decoder
}

func readNode(name string, raw []byte) (node, *reader, error) {
	r := &reader{name: name, raw: raw, dec: json.NewDecoder(bytes.NewReader(raw))}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return node{}, r, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, r, r.errorAt(r.next(), "text after the end of the document")
	}
	return n, r, nil
}

// next is the offset where the next token starts.
func (r *reader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.raw) {
		switch r.raw[at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			at++
		default:
			return at
		}
	}
	return at
}

func (r *reader) value(depth int) (node, error) {
	at := r.next()
	if depth > maxDepth {
		return node{}, r.errorAt(at, "nested too deeply for a policy")
	}
	token, err := r.dec.Token()
	if err != nil {
		return node{}, r.wrap(err)
	}
	switch t := token.(type) {
	case string:
		return node{kind: nodeString, offset: at, text: t}, nil
	case json.Number:
		return node{kind: nodeScalar, offset: at, text: t.String()}, nil
	case bool:
		return node{kind: nodeScalar, offset: at, text: strconv.FormatBool(t)}, nil
	case json.Delim:
		if t == '[' {
			return r.listAt(at, depth)
		}
		return r.objectAt(at, depth)
	}
	return node{kind: nodeNull, offset: at}, nil
}

func (r *reader) listAt(at, depth int) (node, error) {
	n := node{kind: nodeList, offset: at}
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.list = append(n.list, item)
	}
	_, err := r.dec.Token()
	return n, r.wrap(err)
}

func (r *reader) objectAt(at, depth int) (node, error) {
	n := node{kind: nodeObject, offset: at}
	for r.dec.More() {
		keyAt := r.next()
		token, err := r.dec.Token()
		if err != nil {
			return node{}, r.wrap(err)
		}
		key, _ := token.(string)
		for _, f := range n.fields {
			if f.name == key {
				return node{}, r.errorAt(keyAt, "%q appears twice; a policy engine would see only one of them", key)
			}
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.fields = append(n.fields, field{name: key, offset: keyAt, value: value})
	}
	_, err := r.dec.Token()
	return n, r.wrap(err)
}

// wrap gives a decoder's error its position.
func (r *reader) wrap(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return r.errorAt(r.next(), "not JSON: %s", syntax.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.errorAt(len(r.raw), "the text ends too early")
	}
	return r.errorAt(r.next(), "not JSON: %s", err.Error())
}

func (r *reader) errorAt(offset int, format string, args ...any) error {
	line, column := r.position(offset)
	return &SyntaxError{Document: r.name, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

func (r *reader) position(offset int) (line, column int) {
	offset = max(0, min(offset, len(r.raw)))
	before := r.raw[:offset]
	return 1 + bytes.Count(before, []byte{'\n'}), offset - bytes.LastIndexByte(before, '\n')
}
