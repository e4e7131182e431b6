package notify

import (
	"strings"
	"unicode"
)

// Clip cuts s to at most limit characters (runes) and marks the cut with three dots.
func Clip(s string, limit int) string {
	runes := []rune(s)
	switch {
	case len(runes) <= limit:
		return s
	case limit <= 3:
		return string(runes[:max(limit, 0)])
	default:
		return string(runes[:limit-3]) + "..."
	}
}

// OneLine replaces what could break or fake a line: control characters, line and paragraph separators, and marks that
// turn the direction of writing.
func OneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r >= ' ' && r <= '~' { // nearly all of it, and the tables below are slow
			return r
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}

// ASCII replaces everything but printable ASCII by "?", as SNS wants it in a subject.
func ASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
