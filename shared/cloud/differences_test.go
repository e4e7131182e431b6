package cloud_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whoever looks up what a double is worth reads the manual, so it has every row, with who is right and what we do.
func TestTheManualHasEveryDifference(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(raw), "\n## The contract\n")
	if !found {
		t.Fatal("docs/differences.md has no section on the contract")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); strings.HasPrefix(line, "| ") {
			rows = append(rows, cells)
		}
	}
	if len(rows) < 2 {
		t.Fatalf("docs/differences.md has %d rows", len(rows))
	}
	var want, got [][]string
	for _, d := range differences {
		want = append(want, []string{d.double, d.call, string(d.point), d.what})
	}
	for _, cells := range rows[2:] { // below the head and its line
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 6 || slices.Contains(cells, "") {
			t.Errorf("a row has no cell on who is right, or on what we do: %q", cells)
			continue
		}
		got = append(got, cells[:4])
		if right := cells[4]; !strings.Contains(right, " right") && !strings.Contains(right, " wrong") || !strings.Contains(right, "(") && !strings.Contains(right, "as for ") {
			t.Errorf("%s, %s: who is right, and by which document? %q", cells[0], cells[2], right)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/differences.md (-code +manual):\n%s", diff)
	}
}

// A difference is named by a point that some test tries; see everyDifferenceTried for those that none does.
func TestEachDifferenceIsNamedOnce(t *testing.T) {
	seen := map[difference]bool{}
	for _, d := range differences {
		key := difference{double: d.double, point: d.point}
		if seen[key] || d.call == "" || d.what == "" || !slices.Contains([]string{localAWS, moto, miniStack}, d.double) {
			t.Errorf("%+v: listed twice, or says nothing", d)
		}
		seen[key] = true
	}
}

// An attempt sees every way in which a test fails, and goes on after it.
func TestAnAttemptKeepsItsFailuresToItself(t *testing.T) {
	for name, test := range map[string]struct {
		holds func(testing.TB)
		want  int
	}{
		"nothing fails":            {func(testing.TB) {}, 0},
		"an error, and another":    {func(t testing.TB) { t.Error("one"); t.Errorf("%s", "two") }, 2},
		"what is fatal ends it":    {func(t testing.TB) { t.Fatal("one"); t.Error("never") }, 1},
		"so does what has no text": {func(t testing.TB) { t.FailNow(); t.Error("never") }, 1},
		"a failure, and no text":   {func(t testing.TB) { t.Fail() }, 1},
	} {
		a := attempt{TB: t}
		if problems := a.run(test.holds); len(problems) != test.want || a.Failed() != (test.want > 0) {
			t.Errorf("%s: %q", name, problems)
		}
	}
}
