package trail

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote reads the inside of a JSON string that the cursor has checked. Like encoding/json it turns what is not
// Unicode into the replacement character.
func unquote(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '\\' && b[i+1] == 'u':
			r, n := escapedRune(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		case c == '\\':
			out = append(out, unescaped[b[i+1]])
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return string(out)
}

var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapedRune reads \uXXXX, or two of them that make up one character, and returns its length.
func escapedRune(b []byte) (rune, int) {
	first := fourHex(b)
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if r := utf16.DecodeRune(first, fourHex(b[6:])); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func fourHex(b []byte) rune {
	n, err := strconv.ParseUint(string(b[2:6]), 16, 32)
	if err != nil {
		return utf8.RuneError // cannot be: the cursor has checked it
	}
	return rune(n)
}
