package conformance_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/conformance"
)

var (
	numbered = regexp.MustCompile(`^\| (\d+) \|`)
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// Every row of the manual is asked by a question, or says why a person has to; and every question has its row.
func TestEveryLiveCheckIsAskedOrSaysWhyNot(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "live-checks.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int][]string{}
	for _, q := range conformance.Questions() {
		want[q.Row] = append(want[q.Row], q.ID)
	}
	rows := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		found := numbered.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		rows++
		row, _ := strconv.Atoi(found[1]) // digits
		if row != rows {
			t.Errorf("row %d is the %dth", row, rows)
		}
		cells := strings.Split(line, " | ")
		asked := cells[len(cells)-2]
		if why, byHand := strings.CutPrefix(asked, "by hand: "); byHand {
			if len(why) < 10 || want[row] != nil {
				t.Errorf("row %d is by hand, %q, and asked by %v", row, why, want[row])
			}
			continue
		}
		var ids []string
		for _, id := range quoted.FindAllStringSubmatch(asked, -1) {
			ids = append(ids, id[1])
		}
		slices.Sort(ids)
		slices.Sort(want[row])
		if !slices.Equal(ids, want[row]) || len(ids) == 0 {
			t.Errorf("row %d names %v; its questions are %v", row, ids, want[row])
		}
		delete(want, row)
	}
	if rows < 25 {
		t.Fatalf("found %d rows: this test looks in the wrong file", rows)
	}
	for row, ids := range want {
		t.Errorf("%v: no row %d", ids, row)
	}
}

var update = flag.Bool("update", false, "rewrite what the local AWS follows in docs/live-checks.md")

func TestTheManualListsWhatTheLocalAWSFollows(t *testing.T) {
	manual.Compare(t, filepath.Join("..", "..", "docs", "live-checks.md"), "follows", conformance.FollowTable(), *update)
}
