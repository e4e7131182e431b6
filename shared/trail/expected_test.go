package trail_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

// recorded is where a collection of recorded events may lie beside the checkout, with a table of what to make of it.
const recorded = "../../../shared/events"

func TestRecordedEvents(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(recorded, "EXPECTED.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no recorded events beside the checkout; the shapes are covered by our own")
	}
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(table)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.Contains(cells[1], "---") || strings.TrimSpace(cells[1]) == "file" {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			checkRecorded(t, strings.TrimSpace(name), strings.TrimSpace(cells[2]))
			tried++
		}
	}
	files, err := filepath.Glob(filepath.Join(recorded, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if tried != len(files) {
		t.Errorf("the table names %d files, there are %d", tried, len(files))
	}
}

func checkRecorded(t *testing.T, name, want string) {
	t.Run(name, func(t *testing.T) {
		raw, err := os.ReadFile(filepath.Join(recorded, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := trail.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Kind) != want {
			t.Errorf("got %s (%s), want %s", got.Kind, got.Reason, want)
		}
		if got.Kind != trail.Ignored && (got.Resource() == "" || got.Rule == "" || got.Account == "" || got.Region == "" || got.Time.IsZero()) {
			t.Errorf("something is missing: %+v", got)
		}
	})
}
