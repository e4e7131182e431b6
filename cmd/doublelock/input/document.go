package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/doublelock/doublelock/shared/settings"
)

// Document decodes a text of JSON or YAML into maps, lists and scalars: by the ending of its name, else whichever it is.
func Document(name string, raw []byte) (any, error) {
	raw, err := settings.PlainText(raw)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		return fromJSON(raw)
	case ".yaml", ".yml":
		return fromYAML(raw)
	}
	decoded, notJSON := fromJSON(raw)
	if notJSON == nil {
		return decoded, nil
	}
	decoded, notYAML := fromYAML(raw)
	if notYAML != nil && looksLikeJSON(raw) {
		return nil, notJSON
	}
	return decoded, notYAML
}

func fromJSON(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return nil, fmt.Errorf("not JSON: %w", atLine(raw, err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end of the document")
	}
	return decoded, nil
}

func fromYAML(raw []byte) (any, error) {
	var decoded any
	if err := settings.UnmarshalYAML(raw, &decoded); err != nil {
		return nil, fmt.Errorf("not YAML: %s", strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " "))
	}
	return decoded, nil
}

// looksLikeJSON reports whether somebody who wrote a text that is neither meant JSON.
func looksLikeJSON(raw []byte) bool {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{')
}

// atLine adds the line to an error of encoding/json.
func atLine(raw []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	line := 1 + bytes.Count(raw[:min(int(syntax.Offset), len(raw))], []byte{'\n'})
	return fmt.Errorf("line %d: %w", line, err)
}
