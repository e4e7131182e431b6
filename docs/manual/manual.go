// Package manual is for tests that write a part of a page from the code, and fail where the page says something else.
package manual

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Part is what a page has between two lines of comments: "<!-- name -->", which after a colon may say who writes it, and
// "<!-- end of name -->".
type Part struct {
	Page, Name string
	Text       string

	before, after string
}

// Read finds a part of a page, and ends the test where the page has none of that name.
func Read(t testing.TB, page, name string) Part {
	t.Helper()
	raw, err := os.ReadFile(page) //nolint:gosec // of this repository
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	begin := max(strings.Index(text, "<!-- "+name+" -->\n"), strings.Index(text, "<!-- "+name+": "))
	if begin < 0 {
		t.Fatalf("%s has no part %q", page, name)
	}
	begin += strings.IndexByte(text[begin:], '\n') + 1
	part, _, ended := strings.Cut(text[begin:], "<!-- end of "+name+" -->")
	if !ended {
		t.Fatalf("%s: the part %q has no end", page, name)
	}
	return Part{Page: page, Name: name, Text: part, before: text[:begin], after: text[begin+len(part):]}
}

// Write replaces the part.
func (p Part) Write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(p.Page, []byte(p.before+text+p.after), 0o644); err != nil { //nolint:gosec // of this repository, which everybody may read
		t.Fatal(err)
	}
}

// Compare fails where a part of a page is not what is wanted; with update it writes that instead.
func Compare(t testing.TB, page, name, want string, update bool) {
	t.Helper()
	part := Read(t, page, name)
	if update {
		part.Write(t, want)
		return
	}
	if diff := cmp.Diff(want, part.Text); diff != "" {
		t.Errorf("%s, part %q (-want +written), rewritten by -update:\n%s", page, name, diff)
	}
}
