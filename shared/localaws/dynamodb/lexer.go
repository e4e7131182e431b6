package dynamodb

import (
	"strings"
)

// token is a word of an expression.
type token struct {
	kind tokenKind
	text string
}

type tokenKind int

const (
	endToken tokenKind = iota
	nameToken
	aliasToken // #name
	valueToken // :value
	numberToken
	symbolToken // = <> < <= > >= ( ) , . [ ] + -
)

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// lex splits an expression into tokens.
func lex(text string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(text); {
		c := text[i]
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			i++
			continue
		}
		t, err := lexOne(text[i:])
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i += len(t.text)
	}
	return append(tokens, token{kind: endToken, text: "<EOF>"}), nil
}

func lexOne(text string) (token, error) {
	c := text[0]
	n := 1
	if isWord(c) || c == '#' || c == ':' {
		for n < len(text) && isWord(text[n]) {
			n++
		}
	}
	switch {
	case c == '#' && n > 1:
		return token{aliasToken, text[:n]}, nil
	case c == ':' && n > 1:
		return token{valueToken, text[:n]}, nil
	case c >= '0' && c <= '9':
		if strings.Trim(text[:n], "0123456789") != "" {
			break
		}
		return token{numberToken, text[:n]}, nil
	case isWord(c):
		return token{nameToken, text[:n]}, nil
	}
	for _, symbol := range []string{"<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", "[", "]", "+", "-"} {
		if strings.HasPrefix(text, symbol) {
			return token{symbolToken, symbol}, nil
		}
	}
	return token{}, grammar("Syntax error; token: %q, near: %q", text[:1], near(text))
}

func near(text string) string {
	if len(text) > 12 {
		return text[:12]
	}
	return text
}
