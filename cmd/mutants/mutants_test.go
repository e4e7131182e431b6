package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `package sample

import "time"

const limit = 2 * 3

type Switch bool

func Positive(n int) bool { return n > 0 }

func Both(a, b bool) bool {
	return a && b
}

func Unreached(a, b bool) Switch { return Switch(a || b) }

func Over(n int) bool {
	return n == limit+1
}

func Join(a, b string) string { return a + b }

func Sum(list []int) int {
	sum := 0
	for i := 0; i < len(list); i++ {
		if list[i] == 7 {
			continue
		}
		sum += list[i]
	}
	return sum
}

func Wait(n int) time.Duration { return time.Duration(n) * time.Second }

func Ends(n int) int {
	for n > 0 {
		n--
	}
	return n
}
`

const sampleTest = `package sample

import (
	"testing"
	"time"
)

func TestPositive(t *testing.T) {
	if Positive(0) || !Positive(1) {
		t.Error("positive")
	}
}

func TestTables(t *testing.T) {
	t.Run("both", func(t *testing.T) {
		if !Both(true, true) {
			t.Error("both")
		}
	})
	if !Over(7) || Join("a", "b") != "ab" || Wait(2) != 2*time.Second {
		t.Error("tables")
	}
	if Sum([]int{1, 2, 7, 3}) != 6 {
		t.Error("sum")
	}
	if Ends(3) != 0 {
		t.Error("ends")
	}
}
`

// module writes a module of one package into an empty folder and goes there.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
}

func TestEveryMutantGetsTheVerdictOfTheTestsThatReachIt(t *testing.T) {
	module(t, map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "sample/sample.go": sample, "sample/sample_test.go": sampleTest})
	j, err := inspect(t.Context(), io.Discard, "sample", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, m := range j.mutants {
		got[m.function+" "+m.change] = names[j.verdicts[i]]
	}
	want := map[string]string{
		"limit * to /":       "killed", // a constant, built on its own
		"Positive > to >=":   "killed",
		"Positive > to <=":   "killed",
		"Both && to ||":      "lived",
		"Unreached || to &&": "not reached",
		"Over == to !=":      "killed",
		"Over + to -":        "killed", // a constant in an expression
		// Join has none: strings have no difference
		"Sum < to <=":           "killed", // by a panic
		"Sum < to >=":           "killed",
		"Sum ++ to --":          "killed",
		"Sum == to !=":          "killed",
		"Sum continue to break": "killed",
		"Sum += to -=":          "killed",
		"Sum += to =":           "killed",
		"Wait * to /":           "killed",
		"Ends > to >=":          "killed",
		"Ends > to <=":          "killed",
		"Ends -- to ++":         "hung",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestTestsOfAnotherPackageJudgeWhatIsLeft(t *testing.T) {
	module(t, map[string]string{
		"go.mod":         "module sample\n\ngo 1.26\n",
		"room/room.go":   "package room\n\nfunc Both(a, b bool) bool { return a && b }\n",
		"user/user.go":   "package user\n",
		"user/u_test.go": "package user\n\nimport (\n\t\"sample/room\"\n\t\"testing\"\n)\n\nfunc TestBoth(t *testing.T) {\n\tif room.Both(true, false) {\n\t\tt.Error(\"both\")\n\t}\n}\n",
	})
	j, err := inspect(t.Context(), io.Discard, "room", "", []string{"user"})
	if err != nil {
		t.Fatal(err)
	}
	if len(j.mutants) != 1 || j.verdicts[0] != killed || j.by[0] != "./user" {
		t.Errorf("%d mutants, %v by %v", len(j.mutants), j.verdicts, j.by)
	}
}

// A table that takes long is tried by its rows, and one whose rows need each other as a whole.
func TestAMutantIsTriedOnTheRowsThatReachIt(t *testing.T) {
	const table = `package room

import "testing"

func TestTable(t *testing.T) {
	t.Run("a (and) b", func(t *testing.T) {
		if Both(true, false) {
			t.Error("both")
		}
	})
	t.Run("a or b", func(t *testing.T) {
		if !Either(true, false) {
			t.Error("either")
		}
	})
	t.Run("none", func(t *testing.T) {})
}

func TestChain(t *testing.T) {
	n := 0
	t.Run("first", func(t *testing.T) { n++ })
	t.Run("second", func(t *testing.T) {
		if n == 0 || Both(false, false) {
			t.Error("second")
		}
	})
}
`
	module(t, map[string]string{
		"go.mod": "module sample\n\ngo 1.26\n", "room/r_test.go": table,
		"room/room.go": "package room\n\nfunc Both(a, b bool) bool { return a && b }\n\nfunc Either(a, b bool) bool { return a || b }\n",
	})
	p, err := load(t.Context(), "./room")
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{folder: t.TempDir(), mutants: p.find(), log: io.Discard} // whatever takes any time is long
	overlay, err := j.overlay(p.rewrite(j.mutants, j.active(), j.reached()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.build(t.Context(), overlay, "./room")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.watch(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, m := range j.mutants {
		for _, test := range b.reaching[m.operator] {
			got[m.function] = append(got[m.function], test.Name)
		}
		if err := os.WriteFile(j.active(), fmt.Append(nil, m.id), 0o600); err != nil {
			t.Fatal(err)
		}
		if v := inTurn(t.Context(), b, b.reaching[m.operator]); v != killed {
			t.Errorf("%s: %s", m.function, names[v])
		}
	}
	want := map[string][]string{"Both": {"TestTable/a_(and)_b", "TestChain"}, "Either": {"TestTable/a_or_b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what reaches it (-want +got):\n%s", diff)
	}
}

func TestOneLineIsJudgedAlone(t *testing.T) {
	module(t, map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "shared/sample/sample.go": sample, "shared/sample/sample_test.go": sampleTest})
	for at, want := range map[string][]string{
		"sample.go:9":              {"Positive > to >= killed", "Positive > to <= killed"},
		"sample.go:12":             {"Both && to || lived"},
		"sample.go:1":              nil,
		"sample.go:12,sample.go:9": {"Positive > to >= killed", "Positive > to <= killed", "Both && to || lived"},
		"other.go":                 nil,
	} {
		j, err := inspect(t.Context(), io.Discard, "shared/sample", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, m := range j.mutants {
			got = append(got, m.function+" "+m.change+" "+names[j.verdicts[i]])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", at, diff)
		}
	}
}

func TestARunGoesOnWhereTheLastOneWasStopped(t *testing.T) {
	module(t, map[string]string{
		"go.mod": "module sample\n\ngo 1.26\n", "room/room.go": "package room\n\nfunc Not(a bool) bool { return a != true }\n",
		"room/r_test.go":     "package room\n\nimport \"testing\"\n\nfunc TestNot(t *testing.T) {\n\tif Not(true) {\n\t\tt.Error(\"not\")\n\t}\n}\n",
		"room/testdata/case": "1",
	})
	verdictOf := func() verdict {
		t.Helper()
		j, err := inspect(t.Context(), io.Discard, "room", "", nil)
		if err != nil || len(j.mutants) != 1 {
			t.Fatal(j, err)
		}
		return j.verdicts[0]
	}
	if v := verdictOf(); v != killed {
		t.Fatalf("%s at first", names[v])
	}
	notes, err := filepath.Glob("dist/mutants/room/*.verdicts")
	if err != nil || len(notes) != 1 {
		t.Fatalf("%d notebooks, %v", len(notes), err)
	}
	// Half a line is what a run leaves that was killed while it wrote.
	if err := os.WriteFile(notes[0], fmt.Appendf(nil, "0 %d\n0", lived), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := verdictOf(); v != lived {
		t.Errorf("%s: what an earlier run had found of the same tests was not taken", names[v])
	}
	if err := os.WriteFile("room/testdata/case", []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := verdictOf(); v != killed {
		t.Errorf("%s: what was found before the testdata changed was taken", names[v])
	}
	if left, err := filepath.Glob("dist/mutants/room/*.verdicts"); err != nil || len(left) != 1 || left[0] == notes[0] {
		t.Errorf("left are %v, %v; the notebook of the old data is of no use", left, err)
	}
}

func TestTwoRunsOfOneRoomDoNotMix(t *testing.T) {
	module(t, map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "room/room.go": "package room\n"})
	other, err := lock("dist/mutants/room")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inspect(t.Context(), io.Discard, "room", "", nil); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("error %v does not name the other run", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect(t.Context(), io.Discard, "room", "", nil); err != nil {
		t.Errorf("after the other run: %v", err)
	}
}

func TestTestsThatFailWithoutAMutantJudgeNothing(t *testing.T) {
	module(t, map[string]string{
		"go.mod": "module sample\n\ngo 1.26\n", "room/room.go": "package room\n\nfunc Not(a bool) bool { return a != true }\n",
		"room/r_test.go": "package room\n\nimport \"testing\"\n\nfunc TestNot(t *testing.T) { t.Error(Not(true)) }\n",
	})
	if _, err := inspect(t.Context(), io.Discard, "room", "", nil); err == nil || !strings.Contains(err.Error(), "TestNot") {
		t.Errorf("error %v does not name the test that fails", err)
	}
}

func TestAnExplanationCountsWhileItsMutantLives(t *testing.T) {
	first := site{file: "a.go", function: "F", code: "return x >= 0", change: ">= to >", nth: 1}
	second := first
	second.nth = 2
	module(t, map[string]string{"why": "# a comment\n\n" + first.String() + "\tIt is never 0,\n\tfor its caller adds 1.\n\n" + second.String() + "\tThe same.\n"})
	why, err := explained("why")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[site]string{first: "It is never 0, \tfor its caller adds 1.", second: "The same."}, why, cmp.AllowUnexported(site{})); diff != "" {
		t.Fatalf("explanations (-want +got):\n%s", diff)
	}
	mutants := []mutant{{site: first}, {site: second, id: 1}, {site: site{file: "b.go"}, id: 2}}
	for sentence, c := range map[string]struct {
		verdicts    []verdict
		percent     float64
		open, stale int
	}{
		"both live, and a third is killed":       {[]verdict{lived, hung, killed}, 100, 0, 0},
		"both live, and so does a third":         {[]verdict{lived, notReached, lived}, 0, 1, 0},
		"one is killed, so it needs no reason":   {[]verdict{killed, lived, killed}, 100, 0, 1},
		"one is killed, one lives for no reason": {[]verdict{killed, lived, lived}, 50, 1, 1},
	} {
		r := score(&judge{mutants: mutants, verdicts: c.verdicts}, why)
		if r.percent != c.percent || len(r.open) != c.open || len(r.stale) != c.stale {
			t.Errorf("%s: %.0f %%, %d open, %d stale, want %.0f, %d, %d", sentence, r.percent, len(r.open), len(r.stale), c.percent, c.open, c.stale)
		}
	}
}

func TestAReasonOfWhatNeverEndsMayStand(t *testing.T) {
	loop := site{file: "a.go", function: "F", code: "i++", change: "++ to --", nth: 1}
	for v, explained := range map[verdict]int{hung: 1, killed: 0} {
		r := score(&judge{mutants: []mutant{{site: loop}}, verdicts: []verdict{v}}, map[site]string{loop: "It never ends: i falls."})
		if r.percent != 100 || len(r.stale) != 0 || r.explained != explained {
			t.Errorf("%s: %+v", names[v], r)
		}
	}
}

func TestAnExplanationWithoutAReasonIsRefused(t *testing.T) {
	module(t, map[string]string{"why": "a.go F\n\treturn x >= 0\n\t>= to >\n"})
	if why, err := explained("why"); err == nil {
		t.Errorf("read as %v", why)
	}
}

func TestWhatIsListedIsThere(t *testing.T) {
	left := map[string]bool{}
	for name := range slow {
		left[name] = true
	}
	for _, r := range rooms {
		for _, folder := range append([]string{"shared/" + r.name}, r.tests...) {
			tests, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
			if err != nil || len(tests) == 0 {
				t.Errorf("%s of room %s has no tests (%v)", folder, r.name, err)
			}
			for _, file := range tests {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for name := range left {
					if strings.Contains(string(text), "func "+name+"(") {
						delete(left, name)
					}
				}
			}
		}
	}
	for name := range left {
		t.Errorf("%s is listed as slow, and no room is judged by it", name)
	}
	reasons, err := os.ReadDir(filepath.Join("..", "..", "testdata", "mutants"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range reasons {
		if _, err := explained(filepath.Join("..", "..", "testdata", "mutants", file.Name())); err != nil {
			t.Error(err)
		}
		if !slices.ContainsFunc(rooms, func(r room) bool { return r.name == file.Name() }) {
			t.Errorf("testdata/mutants/%s is of no room", file.Name())
		}
	}
}
