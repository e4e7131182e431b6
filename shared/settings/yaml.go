package settings

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// UnmarshalYAML fills a Go value from YAML text, for files other than doublelock.yaml. Options are the library's.
func UnmarshalYAML(raw []byte, into any, options ...yaml.DecodeOption) error {
	file, err := parseYAML(raw)
	if err != nil {
		return err
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	return yaml.NodeToValue(file.Docs[0].Body, into, options...)
}

// parseYAML reads YAML text. Inside braces the library ends a key at its first colon, where YAML ends it at the first one
// that is followed by space (YAML 1.2.2, 7.3.3): {aws:RequestedRegion: [x]} has the key aws:RequestedRegion.
func parseYAML(raw []byte, options ...parser.Option) (*ast.File, error) {
	file, err := parser.Parse(wholeKeys(lexer.Tokenize(string(raw))), 0, options...)
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) && strings.Contains(syntax.Message, "'\t'") {
		syntax.Message = "found a tab, and YAML is indented with spaces alone" // the library prints the character, which nobody sees
	}
	return file, err
}

// wholeKeys puts keys together again of which the library made "aws", ":" and "RequestedRegion: " or "RequestedRegion: x".
func wholeKeys(tokens token.Tokens) token.Tokens {
	var out token.Tokens
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type { //nolint:exhaustive // the others neither open nor close
		case token.MappingStartType:
			depth++
		case token.MappingEndType:
			depth--
		}
		if depth == 0 || i+2 >= len(tokens) || t.Type != token.StringType || tokens[i+1].Type != token.MappingValueType || !touching(tokens[i+1], tokens[i+2]) {
			out.Add(t)
			continue
		}
		rest := tokens[i+2]
		key, value, ends := strings.Cut(rest.Value+" ", ": ")
		if !ends || rest.Type != token.StringType {
			out.Add(t)
			continue
		}
		name, colon := *t, *tokens[i+1]
		name.Value, name.Origin = t.Value+":"+key, t.Origin+":"+key
		colon.Position = after(rest.Position, utf8.RuneCountInString(key))
		out.Add(&name, &colon)
		if value = strings.TrimSpace(value); value != "" {
			out.Add(token.New(value, " "+value, after(colon.Position, 2)))
		}
		i += 2
	}
	return out
}

// touching reports whether b follows the colon a without space.
func touching(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line && a.Position.Column+1 == b.Position.Column
}

// after is the position n characters further in the same line.
func after(p *token.Position, n int) *token.Position {
	moved := *p
	moved.Column, moved.Offset = p.Column+n, p.Offset+n
	return &moved
}
