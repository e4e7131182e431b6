package settings

import (
	"regexp"
	"sync"
)

// form is what a value must look like. Its expression is compiled when a value is first held to it: the functions of the
// hub link this package for names and modes, never check a file, and would spend a tenth of their start on it.
type form struct {
	expression string
	once       sync.Once
	compiled   *regexp.Regexp
}

func formed(expression string) *form { return &form{expression: expression} }

func (f *form) regexp() *regexp.Regexp {
	f.once.Do(func() { f.compiled = regexp.MustCompile(f.expression) })
	return f.compiled
}

// MatchString reports whether s has the form.
func (f *form) MatchString(s string) bool { return f.regexp().MatchString(s) }

// FindStringSubmatch is s and its parts, nil when it has another form.
func (f *form) FindStringSubmatch(s string) []string { return f.regexp().FindStringSubmatch(s) }
