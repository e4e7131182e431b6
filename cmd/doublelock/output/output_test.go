package output_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func fill(rows *output.Rows) *output.Rows {
	rows.Add("default", "search/index", 1, "opens with the AWS managed key, which the organization cannot switch off")
	rows.Add("sealed", "größe/x", 20, "")
	rows.Add(output.Cell{Text: "evil\x1b[2J", Color: "31"}, "a,b", 3, "said \"no\"")
	return rows
}

func TestTables(t *testing.T) {
	header := []string{"STATE", "SECRET", "SECRET LOCK", "WHY"}
	for name, tt := range map[string]struct {
		printer output.Printer
		want    string
	}{
		"a pipe gets every value whole": {output.Printer{Format: output.FormatTable}, `STATE     SECRET        SECRET LOCK  WHY
default   search/index  1            opens with the AWS managed key, which the organization cannot switch off
sealed    größe/x       20           -
evil·[2J  a,b           3            said "no"
`},
		"a terminal wraps the longest column": {output.Printer{Format: output.FormatTable, Width: 70}, `STATE     SECRET        SECRET LOCK  WHY
default   search/index  1            opens with the AWS managed key,
                                     which the organization cannot
                                     switch off
sealed    größe/x       20           -
evil·[2J  a,b           3            said "no"
`},
		"a narrow terminal wraps all that are long": {output.Printer{Format: output.FormatTable, Width: 40}, `STATE     SECRET     SECRET     WHY
                     LOCK
default   search/in  1          opens
          dex                   with the
                                AWS
                                managed
                                key,
                                which
                                the
                                organiza
                                tion
                                cannot
                                switch
                                off
sealed    größe/x    20         -
evil·[2J  a,b        3          said
                                "no"
`},
		"wide wraps nothing": {output.Printer{Format: output.FormatWide, Width: 40}, `STATE     SECRET        SECRET LOCK  WHY
default   search/index  1            opens with the AWS managed key, which the organization cannot switch off
sealed    größe/x       20           -
evil·[2J  a,b           3            said "no"
`},
		"colors take no room": {output.Printer{Format: output.FormatTable, Color: true}, "STATE     SECRET        SECRET LOCK  WHY\n" +
			"default   search/index  1            opens with the AWS managed key, which the organization cannot switch off\n" +
			"sealed    größe/x       20           -\n" +
			"\x1b[31mevil·[2J\x1b[0m  a,b           3            said \"no\"\n"},
		"CSV": {output.Printer{Format: output.FormatCSV, Width: 40}, `state,secret,secret_lock,why
default,search/index,1,"opens with the AWS managed key, which the organization cannot switch off"
sealed,größe/x,20,
evil·[2J,"a,b",3,"said ""no"""
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			tt.printer.Stdout = &out
			if err := fill(tt.printer.Rows(header...)).Print(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, out.String())
			}
		})
	}
}

func TestNoCellOfACSVIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'·=1", "\r=1": "'·=1",
		"a=1": "a=1", "'=1": "'=1", "": "",
	} {
		var out bytes.Buffer
		rows := (&output.Printer{Stdout: &out, Format: output.FormatCSV}).Rows("NAME")
		rows.Add(cell)
		if err := rows.Print(); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(strings.TrimPrefix(out.String(), "name\n"), "\n"); got != want {
			t.Errorf("%q is written as %q, want %q", cell, got, want)
		}
	}
}

func TestNoTableIsWiderThanTheTerminal(t *testing.T) {
	arn := "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/legacy-AbCdEf"
	for width := 60; width <= 240; width += 7 {
		var out bytes.Buffer
		p := output.Printer{Stdout: &out, Format: output.FormatTable, Width: width}
		rows := p.Rows("ONE", "TWO", "THREE", "FOUR", "FIVE")
		rows.Add("yes", arn, arn, strings.Repeat("because of it ", 30), "short")
		rows.Add("no", "x", arn, "y", "")
		if err := rows.Print(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if got := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); got > width {
				t.Errorf("width %d: a line of %d characters: %s", width, got, line)
			}
		}
	}
}

func TestAStreamKeepsItsColumnsOverManyBatches(t *testing.T) {
	var out bytes.Buffer
	p := output.Printer{Stdout: &out, Format: output.FormatTable}
	rows := p.Stream([]string{"NUMBER", "NAME"}, 8, 10)
	for i := range 1000 {
		rows.Add(i, "n")
	}
	if err := rows.Print(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 1001 || lines[0] != "NUMBER    NAME" || lines[1] != "0         n" || lines[1000] != "999       n" {
		t.Errorf("%d lines: %q, %q … %q", len(lines), lines[0], lines[1], lines[len(lines)-1])
	}
	before := out.Len()
	if err := rows.Print(); err != nil || out.Len() != before {
		t.Errorf("printed again what was printed: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	for _, format := range []output.Format{output.FormatTable, output.FormatCSV} {
		p := output.Printer{Stdout: full{}, Format: format}
		rows := p.Stream([]string{"A"}, 3)
		for range 300 {
			rows.Add("x")
		}
		if rows.Err() == nil || rows.Print() == nil {
			t.Errorf("%s: the error was lost", format)
		}
	}
	p := output.Printer{Stdout: full{}}
	if p.JSON(1) == nil {
		t.Error("JSON: the error was lost")
	}
}

func TestCount(t *testing.T) {
	got := fmt.Sprint(output.Count(0, "secret"), ", ", output.Count(1, "secret"), ", ", output.Count(2, "secret"), ", ", output.Count(2, "copy", "copies"))
	if want := "0 secrets, 1 secret, 2 secrets, 2 copies"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFormatsAreCheckedBeforeACommandRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"one that does not exist":         {[]string{"tables", "-o", "yaml"}, `output "yaml": use -o table or -o json, or -o wide or -o csv for tables`},
		"CSV of a command without tables": {[]string{"texts", "-o", "csv"}, `output "csv": doublelock texts prints no table; use -o json`},
		"wide, where nothing is wrapped":  {[]string{"texts", "-o", "wide"}, `output "wide": doublelock texts prints no table; use -o json`},
		"JSON of sentences":               {[]string{"sentences", "-o", "json"}, `output "json": doublelock sentences prints sentences; leave out -o`},
		"sentences as they are":           {[]string{"sentences", "-o", "table"}, ""},
		"CSV of one with tables":          {[]string{"tables", "-o", "csv"}, ""},
		"JSON":                            {[]string{"texts", "-o", "json"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := output.New(&bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
			root := &cobra.Command{Use: "doublelock", SilenceUsage: true, SilenceErrors: true}
			p.Flag(root)
			ran := 0
			run := func(*cobra.Command, []string) { ran++ }
			tables, texts := &cobra.Command{Use: "tables", Run: run}, &cobra.Command{Use: "texts", Run: run}
			output.Tabular(tables)
			sentences := &cobra.Command{Use: "sentences", Run: run}
			output.Plain(sentences)
			root.AddCommand(tables, texts, sentences)
			root.SetArgs(tt.args)
			err := root.Execute()
			switch {
			case tt.want == "" && (err != nil || ran != 1):
				t.Errorf("ran %d times: %v", ran, err)
			case tt.want != "" && (err == nil || err.Error() != tt.want || ran != 0):
				t.Errorf("ran %d times: %v, want %s", ran, err, tt.want)
			}
		})
	}
}

func TestWhoeverWaitsLongSeesForWhat(t *testing.T) {
	var errs bytes.Buffer
	p := output.Printer{Stderr: &errs, Quiet: time.Millisecond}
	done := p.Wait("the canary in %s", "x\x1b")
	time.Sleep(50 * time.Millisecond)
	done()
	done() // again: nothing
	if want := "doublelock: waiting: the canary in x·\n"; errs.String() != want {
		t.Errorf("%q, want %q", errs.String(), want)
	}
	errs.Reset()
	p.Quiet = time.Hour
	p.Wait("what is over at once")()
	if errs.Len() > 0 {
		t.Errorf("%q", errs.String())
	}
}

// A reason of blanks is none: it would be stored and mailed as if somebody had given one.
func TestAFlagWithNothingToSeeInItIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ flag, value, want string }{
		"nothing":              {"reason", "", "--reason is empty; say what, or leave it out"},
		"spaces":               {"reason", "  ", "--reason is blank; say what, or leave it out"},
		"a line break and tab": {"reason", "\n\t", "--reason is blank; say what, or leave it out"},
		"spaces of no width":   {"reason", "\u200b\ufeff", "--reason is blank; say what, or leave it out"},
		"one of a list":        {"secret", " ", "--secret is blank; say what, or leave it out"},
		"a reason":             {"reason", " it broke ", ""},
		"a name":               {"reason", "Ö", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var reason string
			var secrets []string
			root := &cobra.Command{Use: "x", SilenceUsage: true, SilenceErrors: true, Run: func(*cobra.Command, []string) {}}
			(&output.Printer{}).Flag(root)
			root.Flags().StringVar(&reason, "reason", "", "")
			root.Flags().StringArrayVar(&secrets, "secret", nil, "")
			root.SetArgs([]string{"--" + tt.flag, tt.value})
			err := root.ExecuteContext(t.Context())
			if (err != nil) != (tt.want != "") || err != nil && err.Error() != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
