package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// node is a JSON value that keeps the order and repetition of its fields: EventBridge refuses repeated ones.
type node struct {
	kind   kind
	fields []field // object
	items  []node  // array
	scalar any     // string, float64, bool or nil
}

type field struct {
	name  string
	value node
}

type kind int

const (
	scalarKind kind = iota
	objectKind
	arrayKind
)

func (n node) text() (string, bool) {
	s, ok := n.scalar.(string)
	return s, ok && n.kind == scalarKind
}

func (n node) number() (float64, bool) {
	f, ok := n.scalar.(float64)
	return f, ok && n.kind == scalarKind
}

// parse reads one JSON value and nothing after it.
func parse(raw []byte) (node, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	root, err := parseValue(decoder)
	if err != nil {
		return node{}, fmt.Errorf("%w (at byte %d)", err, decoder.InputOffset())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return node{}, fmt.Errorf("unexpected text after the pattern (at byte %d)", decoder.InputOffset())
	}
	return root, nil
}

func parseValue(decoder *json.Decoder) (node, error) {
	token, err := decoder.Token()
	if err != nil {
		return node{}, fmt.Errorf("not JSON: %w", err)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return parseObject(decoder)
		}
		return parseArray(decoder)
	case json.Number:
		f, err := strconv.ParseFloat(t.String(), 64)
		if err != nil {
			return node{}, fmt.Errorf("number %s is out of range", t)
		}
		return node{scalar: f}, nil
	default:
		return node{scalar: t}, nil
	}
}

func parseObject(decoder *json.Decoder) (node, error) {
	n := node{kind: objectKind}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return node{}, fmt.Errorf("not JSON: %w", err)
		}
		value, err := parseValue(decoder)
		if err != nil {
			return node{}, err
		}
		n.fields = append(n.fields, field{name.(string), value}) // the decoder lets only strings be names
	}
	return n, closing(decoder)
}

func parseArray(decoder *json.Decoder) (node, error) {
	n := node{kind: arrayKind}
	for decoder.More() {
		item, err := parseValue(decoder)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	return n, closing(decoder)
}

func closing(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}
