package settings

import (
	"bytes"
	"unicode/utf8"
)

var (
	utf8Mark    = []byte{0xEF, 0xBB, 0xBF}
	utf16Marks  = [][]byte{{0xFE, 0xFF}, {0xFF, 0xFE}}
	notInAnYAML = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
)

// plainText takes the byte order mark off a file that editors on Windows put there, and refuses what is no text: it says
// what the file is and what to do, or "" where it is text.
func plainText(where *sourceMap, raw []byte) ([]byte, bool) {
	for _, mark := range utf16Marks {
		if bytes.HasPrefix(raw, mark) {
			where.problem("", "the file is UTF-16", "save it as UTF-8")
			return nil, false
		}
	}
	raw = bytes.TrimPrefix(raw, utf8Mark)
	if !utf8.Valid(raw) || bytes.ContainsAny(raw, notInAnYAML) {
		where.problem("", "the file is not text", "name a YAML file, saved as UTF-8")
		return nil, false
	}
	return raw, true
}
