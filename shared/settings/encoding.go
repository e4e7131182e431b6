package settings

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	utf8Mark  = []byte{0xEF, 0xBB, 0xBF}
	wideMarks = []struct {
		mark []byte
		name string
	}{ // the marks of UTF-32 begin like those of UTF-16
		{[]byte{0xFF, 0xFE, 0, 0}, "UTF-32"}, {[]byte{0, 0, 0xFE, 0xFF}, "UTF-32"}, {[]byte{0xFF, 0xFE}, "UTF-16"}, {[]byte{0xFE, 0xFF}, "UTF-16"},
	}
	notInText = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
)

// PlainText takes the byte order mark off a text that editors on Windows put there. What is no text in UTF-8 is an error
// that says what it is, and what to do.
func PlainText(raw []byte) ([]byte, error) {
	text, what, fix := plainText(raw, "text", notInText)
	if what != "" {
		return nil, errors.New(what + "; " + fix)
	}
	return text, nil
}

func plainText(raw []byte, kind, refused string) (text []byte, what, fix string) {
	for _, wide := range wideMarks {
		if bytes.HasPrefix(raw, wide.mark) {
			return nil, "the file is " + wide.name, "save it as UTF-8"
		}
	}
	raw = bytes.TrimPrefix(raw, utf8Mark)
	if !utf8.Valid(raw) || bytes.ContainsFunc(raw, func(r rune) bool { return strings.ContainsRune(refused, r) }) {
		return nil, "the file is not text", "name a " + kind + " file, saved as UTF-8"
	}
	return raw, "", ""
}
