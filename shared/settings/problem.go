package settings

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// Problem is one thing wrong in a file, where it is, and what to do about it.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, in characters
	Field  string `json:"field"`  // rollout[1].targets[0]
	What   string `json:"what"`
	Fix    string `json:"fix"`

	Warning bool `json:"warning,omitempty"` // the file is valid all the same
}

func (p Problem) String() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s; %s", p.File, p.Line, p.Column, kind, p.What, p.Fix)
}

// Problems is everything wrong in a file, in the order of the file. It is an error of one line per problem.
type Problems []Problem //nolint:errname // a list of problems is what it is

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// position is a place in the file, both counted from 1.
type position struct{ line, column int }

// sourceMap remembers where each field was written, and collects what is wrong with it.
type sourceMap struct {
	file     string
	at       map[string]position // by field path
	settled  map[string]bool     // paths already complained about: one complaint per value is enough
	problems Problems
}

func newSourceMap(file string) *sourceMap {
	return &sourceMap{file: file, at: map[string]position{"": {1, 1}}, settled: map[string]bool{}}
}

// problem records what is wrong with the field at path, once. A field that was not written is reported where its
// parent is.
func (m *sourceMap) problem(path, what, fix string) {
	if m.isSettled(path) {
		return
	}
	m.settled[path] = true
	m.problemAt(m.find(path), path, what, fix)
}

func (m *sourceMap) problemAt(at position, path, what, fix string) {
	m.problems = append(m.problems, m.describe(at, path, what, fix))
}

func (m *sourceMap) describe(at position, path, what, fix string) Problem {
	return Problem{File: m.file, Line: at.line, Column: at.column, Field: path, What: oneLine(what), Fix: oneLine(fix)}
}

// maxWords is the longest part of a problem, in bytes: a file may hold a whole page where a word is wanted.
const maxWords = 400

// oneLine keeps text of a file that is quoted in a problem from breaking the line or steering the terminal.
func oneLine(text string) string {
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

func (m *sourceMap) isSettled(path string) bool {
	for ; path != ""; path = parent(path) {
		if m.settled[path] {
			return true
		}
	}
	return false
}

// doubted reports whether something at path or below it was complained about, so that checks against it would only
// repeat that.
func (m *sourceMap) doubted(path string) bool {
	for settled := range m.settled {
		if settled == path || strings.HasPrefix(settled, path+".") || strings.HasPrefix(settled, path+"[") {
			return true
		}
	}
	return false
}

func (m *sourceMap) find(path string) position {
	for {
		if at, found := m.at[path]; found {
			return at
		}
		path = parent(path)
	}
}

// written reports whether the file has the field at path.
func (m *sourceMap) written(path string) bool {
	_, found := m.at[path]
	return found
}

// parent cuts the last step off a path; the parent of a first step is "".
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		return path[:strings.LastIndex(path, `["`)]
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func (m *sourceMap) sorted() Problems {
	sort.SliceStable(m.problems, func(i, j int) bool {
		a, b := m.problems[i], m.problems[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	return m.problems
}
