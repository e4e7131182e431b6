package demo_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
)

var update = flag.Bool("update", false, "rewrite the timelines")

func playDemo(t *testing.T, format string) string {
	t.Helper()
	out, errs, code := commandtest.Line{New: demo.New}.Run(t, "demo", "-o", format)
	if code != 0 {
		t.Fatalf("demo: exit code %d: %s\n%s", code, errs, out)
	}
	return out
}

func TestDemoIsTheSameStoryEveryTime(t *testing.T) {
	for output, golden := range map[string]string{"table": "timeline.txt", "json": "timeline.jsonl"} {
		t.Run(output, func(t *testing.T) {
			got := playDemo(t, output)
			if again := playDemo(t, output); got != again {
				t.Errorf("two runs differ:\n%s", cmp.Diff(got, again))
			}
			path := filepath.Join("testdata", golden)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
}

func TestDemoShowsEveryStageAndLosesNothing(t *testing.T) {
	stages := map[string]int{}
	previous := 0
	for text := range strings.Lines(playDemo(t, "json")) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, field := range []string{"seq", "stage", "account", "region", "actor", "resource", "control", "finding", "detail"} {
			if _, present := entry[field]; !present {
				t.Fatalf("%s has no %q", text, field)
			}
		}
		if seq := int(entry["seq"].(float64)); seq != previous+1 {
			t.Fatalf("seq %d follows %d", seq, previous)
		}
		previous++
		stage := entry["stage"].(string)
		stages[stage]++
		if stage == "summary" && !strings.Contains(entry["detail"].(string), "events lost: 0") {
			t.Errorf("summary: %v", entry["detail"])
		}
	}
	for _, stage := range []string{
		"api_call", "scp_denied", "cloudtrail_event", "finding_opened", "finding_resolved", "tagged", "notified", "rekeyed", "sealed",
		"drifted", "incident_opened", "ignored", "summary",
	} {
		if stages[stage] == 0 {
			t.Errorf("no line of stage %s", stage)
		}
	}
}
