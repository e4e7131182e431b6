package pattern

import (
	"strings"
	"unicode/utf8"
)

// wildcard is the text between the stars: one part is an exact match, n parts have n-1 stars between them.
type wildcard []string

// parseWildcard reads a wildcard: * is any text, \* a star, \\ a backslash.
func parseWildcard(text string) (wildcard, error) {
	parts := wildcard{""}
	for i := 0; i < len(text); i++ {
		last := &parts[len(parts)-1]
		switch text[i] {
		case '*':
			if i+1 < len(text) && text[i+1] == '*' {
				return nil, reason("Consecutive wildcard characters at pos %d", i)
			}
			parts = append(parts, "")
		case '\\':
			if i+1 == len(text) || text[i+1] != '*' && text[i+1] != '\\' {
				return nil, reason("Invalid escape character at pos %d", i)
			}
			i++
			*last += text[i : i+1]
		default:
			*last += text[i : i+1]
		}
	}
	return parts, nil
}

// match takes each part at its first place after the one before, which is enough: stars have no other bound.
func (w wildcard) match(s string) bool {
	first, last := w[0], w[len(w)-1]
	if len(w) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range w[1 : len(w)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	for prefix != "" {
		if s == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(s)
		_, m := utf8.DecodeRuneInString(prefix)
		if !strings.EqualFold(s[:n], prefix[:m]) {
			return false
		}
		s, prefix = s[n:], prefix[m:]
	}
	return true
}

func hasSuffixFold(s, suffix string) bool {
	for suffix != "" {
		if s == "" {
			return false
		}
		_, n := utf8.DecodeLastRuneInString(s)
		_, m := utf8.DecodeLastRuneInString(suffix)
		if !strings.EqualFold(s[len(s)-n:], suffix[len(suffix)-m:]) {
			return false
		}
		s, suffix = s[:len(s)-n], suffix[:len(suffix)-m]
	}
	return true
}
