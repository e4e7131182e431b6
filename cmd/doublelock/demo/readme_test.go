package demo_test

import (
	"os"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/docs/manual"
)

// The README shows parts of the demo. They are the demo's own output, so that nobody reads what it does not print.
func TestTheReadmeShowsWhatTheDemoPrints(t *testing.T) {
	printed, err := os.ReadFile("testdata/timeline.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := scene(t, string(printed), " 4  An account that is not guarded yet\n", "\n 5  ") + "\n" +
		scene(t, string(printed), " 7  A reader that loses access all the same\n", "\n 8  ") + "\n…\n\n" +
		scene(t, string(printed), "Summary\n", "\x00")
	manual.Compare(t, "../../../README.md", "demo", "```\n"+want+"```\n", *update)
}

// scene is a part of the output, from its title to the next one.
func scene(t *testing.T, printed, title, next string) string {
	t.Helper()
	at := strings.Index(printed, title)
	if at < 0 {
		t.Fatalf("the demo prints no %q", title)
	}
	part, _, _ := strings.Cut(printed[at:], next)
	return strings.TrimRight(part, "\n") + "\n"
}
