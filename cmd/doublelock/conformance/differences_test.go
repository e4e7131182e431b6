package conformance_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/conformance"
)

var update = flag.Bool("update", false, "rewrite the answers of the stand-ins in docs/differences.md")

// standIns are who is asked, in the order of the table, with the program of those that somebody else wrote.
var standIns = []struct {
	name, program string
	required      func() bool // whether a missing program is a failure
}{
	{"localaws", "", func() bool { return true }},
	{"moto", ".venv/bin/moto_server", func() bool { return os.Getenv("CI") == "true" }},
	{"ministack", ".venv-strangers/bin/ministack", func() bool { return os.Getenv("DOUBLELOCK_STRANGERS") == "true" }}, // make strangers
}

// The manual says what each stand-in answers to each question; moto's and ministack's columns are tried where they are
// installed.
func TestTheManualSaysWhatEachStandInAnswers(t *testing.T) {
	part := manual.Read(t, filepath.Join("..", "..", "..", "docs", "differences.md"), "conformance")
	said := readTable(part.Text)
	for _, of := range standIns {
		t.Run(of.name, func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "conformance.json")
			args := []string{"--against", of.name, "-o", "json", "--report", report}
			if of.program != "" {
				program, err := filepath.Abs(filepath.Join("..", "..", "..", of.program))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(program); err != nil && of.required() {
					t.Fatal(err)
				} else if err != nil {
					t.Skip(err)
				}
				args = append(args, "--program", program)
			}
			stdout, stderr, code := run(t, args...)
			if code == 1 {
				t.Fatalf("%s was not asked (nothing of ours was tried): %s", of.name, stderr)
			}
			checkFits(t, report, strings.Count(stdout, "\n"))
			got := answers(t, stdout)
			if *update {
				said[of.name] = got
				return
			}
			if diff := cmp.Diff(said[of.name], got); diff != "" {
				t.Errorf("-said in docs/differences.md +answered by %s; go test ./cmd/doublelock/conformance -update writes it\n%s", of.name, diff)
			}
		})
	}
	if *update && !t.Failed() {
		part.Write(t, writeTable(said))
	}
}

// answers are what a stand-in answers, by question.
func answers(t *testing.T, stdout string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, q := range conformance.Questions() {
		got[q.ID] = "(not asked)"
	}
	for line := range strings.SplitSeq(strings.TrimSpace(stdout), "\n") {
		var r conformance.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err, line)
		}
		switch r.Verdict {
		case conformance.Unanswered:
			got[r.Question] = "(" + string(r.Reason) + ")"
		case conformance.Differs:
			got[r.Question] = "**" + string(r.Answer) + "**"
		default:
			got[r.Question] = string(r.Answer)
		}
	}
	return got
}

// writeTable is a row for each question, and a column for each stand-in.
func writeTable(said map[string]map[string]string) string {
	var out strings.Builder
	out.WriteString("| question | what is asked |")
	for _, of := range standIns {
		fmt.Fprintf(&out, " %s |", of.name)
	}
	out.WriteString("\n| --- | --- |" + strings.Repeat(" --- |", len(standIns)) + "\n")
	for _, q := range conformance.Questions() {
		fmt.Fprintf(&out, "| `%s` | %s |", q.ID, q.Title)
		for _, of := range standIns {
			fmt.Fprintf(&out, " %s |", said[of.name][q.ID])
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func readTable(table string) map[string]map[string]string {
	said := map[string]map[string]string{}
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 2+len(standIns) || !strings.HasPrefix(cells[0], "`") {
			continue
		}
		for n, of := range standIns {
			if said[of.name] == nil {
				said[of.name] = map[string]string{}
			}
			said[of.name][strings.Trim(cells[0], "`")] = cells[2+n]
		}
	}
	for _, of := range standIns { // a table that is not there yet
		if said[of.name] == nil {
			said[of.name] = map[string]string{}
		}
	}
	return said
}

func TestTheTableIsReadAsItIsWritten(t *testing.T) {
	said := map[string]map[string]string{}
	for n, of := range standIns {
		said[of.name] = map[string]string{}
		for _, q := range conformance.Questions() {
			said[of.name][q.ID] = fmt.Sprint("answer", n)
		}
	}
	if diff := cmp.Diff(said, readTable(writeTable(said))); diff != "" || !slices.Contains(strings.Split(writeTable(said), "\n")[1:2], "| --- | --- | --- | --- | --- |") {
		t.Error(diff)
	}
}
