package demo_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The README shows parts of the demo. They are the demo's own output, so that nobody reads what it does not print.
func TestTheReadmeShowsWhatTheDemoPrints(t *testing.T) {
	const readme, begin, end = "../../../README.md", "<!-- demo -->\n```\n", "```\n<!-- end of demo -->"
	page, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	shown, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no part between %q and %q", readme, begin, end)
	}
	printed, err := os.ReadFile("testdata/timeline.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := scene(t, string(printed), " 4  An account that is not guarded yet\n", "\n 5  ") + "\n" +
		scene(t, string(printed), " 7  A reader that loses access all the same\n", "\n 8  ") + "\n…\n\n" +
		scene(t, string(printed), "Summary\n", "\x00")
	if *update {
		if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("README.md (-demo +README), rewritten by -update:\n%s", diff)
	}
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
