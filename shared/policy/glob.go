package policy

import (
	"strings"
	"unicode/utf8"
)

// Wildcards inside a compiled glob. They are bytes that valid UTF-8 never contains, so that a literal "*" (written ${*})
// and a wildcard stay apart.
const (
	anyRun     = '\xff' // *: any characters
	anyOne     = '\xfe' // ?: one character
	segmentRun = '\xfd' // *: any characters up to the next colon
	segmentOne = '\xfc' // ?: one character that is no colon
	firstWild  = segmentOne
)

type globKind uint8

const (
	globExact globKind = iota
	globAll
	globPrefix
	globGeneral
)

// glob is a pattern ready to match.
type glob struct {
	kind   globKind
	text   string // literal bytes and wildcards
	prefix string // literal bytes before the first wildcard
}

func newGlob(text string) glob {
	wild := -1
	for i := 0; i < len(text) && wild < 0; i++ {
		if text[i] >= firstWild {
			wild = i
		}
	}
	switch {
	case wild < 0:
		return glob{kind: globExact, text: text, prefix: text}
	case len(text) == 1 && text[0] == anyRun:
		return glob{kind: globAll, text: text}
	case wild == len(text)-1 && text[wild] == anyRun:
		return glob{kind: globPrefix, text: text, prefix: text[:wild]}
	}
	return glob{kind: globGeneral, text: text, prefix: text[:wild]}
}

// wildcards turns the * and ? of a pattern into wildcards that match across everything.
var wildcards = strings.NewReplacer("*", string([]byte{anyRun}), "?", string([]byte{anyOne}))

func (g *glob) match(s string) bool {
	switch g.kind {
	case globExact:
		return g.text == s
	case globAll:
		return true
	case globPrefix:
		return strings.HasPrefix(s, g.prefix)
	}
	return strings.HasPrefix(s, g.prefix) && matchWild(g.text[len(g.prefix):], s[len(g.prefix):])
}

// resume is where to go on matching when what follows a run did not match: the run takes one character more.
type resume struct {
	pattern, text int
	set           bool
}

// matchWild matches greedily with one way back per kind of run: the latest run that stays within its segment, and
// before it the latest that does not. Earlier ones never need to be tried again, so time is linear in practice.
func matchWild(p, s string) bool {
	var wide, narrow resume
	i, j := 0, 0
	for {
		if i == len(p) && j == len(s) {
			return true
		}
		if i < len(p) {
			switch p[i] {
			case anyRun:
				i++
				wide, narrow = resume{i, j, true}, resume{}
				continue
			case segmentRun:
				i++
				narrow = resume{i, j, true}
				continue
			}
			if width := step(p[i], s[j:]); width > 0 {
				i, j = i+1, j+width
				continue
			}
		}
		switch {
		case narrow.set && narrow.text < len(s) && s[narrow.text] != ':':
			narrow.text += runeWidth(s[narrow.text:])
			i, j = narrow.pattern, narrow.text
		case wide.set && wide.text < len(s):
			wide.text += runeWidth(s[wide.text:])
			i, j = wide.pattern, wide.text
			narrow = resume{}
		default:
			return false
		}
	}
}

// step is how many bytes of s the pattern byte matches; 0 for none.
func step(p byte, s string) int {
	switch {
	case s == "":
		return 0
	case p == anyOne, p == segmentOne && s[0] != ':':
		return runeWidth(s)
	case p == s[0]:
		return 1
	}
	return 0
}

func runeWidth(s string) int {
	_, width := utf8.DecodeRuneInString(s)
	return width
}
