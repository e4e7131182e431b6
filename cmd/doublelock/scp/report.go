package scp

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/simulate"
)

func writeSimulated(env *command.Env, f *simulated) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "CANDIDATE\tQUOTA\tUSED\tOF\tNOTE")
	for _, l := range f.limits {
		note := l.Note
		if l.Exceeded {
			note = "TOO MANY; " + note
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", output.Cell(l.Subject), l.What, l.Value, l.Max, output.Cell(note))
	}
	fmt.Fprintln(w)
	if len(f.rows) > 0 {
		writeRows(w, f.rows)
	}
	if f.files > 0 {
		writeGroups(w, f.tally)
	}
	writePassages(w, f.passages)
	if err := w.Flush(); err != nil {
		return err
	}
	if f.files > 0 {
		fmt.Fprintln(env.Stderr, tallyLine(f))
	}
	return nil
}

func writeRows(w *tabwriter.Writer, rows []rowResult) {
	fmt.Fprintln(w, "REQUEST\tOUTCOME\tEXPECTED\tSTATEMENT\tWHY")
	for _, r := range rows {
		expected := string(r.Row.Expected)
		if r.wrong() {
			expected += " (WRONG)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", output.Cell(r.Row.Name), r.Verdict.Outcome, output.Cell(expected), output.Cell(r.Verdict.Statement), output.Cell(r.Verdict.Decision.Why))
	}
	fmt.Fprintln(w)
}

func writeGroups(w *tabwriter.Writer, tally *simulate.Tally) {
	groups := tally.Groups()
	if len(groups) == 0 {
		fmt.Fprintln(w, "No recorded call would be denied.")
	} else {
		fmt.Fprintln(w, "OUTCOME\tCALLS\tSUCCEEDED\tPRINCIPAL\tPIPELINE\tACTION\tSTATEMENT\tEXAMPLE")
	}
	for _, g := range groups {
		outcome := string(g.Outcome)
		switch {
		case g.Breaks():
			outcome += " BREAKS"
		case g.Expected:
			outcome += " (expected)"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", outcome, g.Count, g.Succeeded, output.Cell(g.Principal), output.Cell(g.Pipeline), output.Cell(g.Action),
			output.Cell(g.Statement), output.Cell(g.Example.Name))
	}
	fmt.Fprintln(w)
}

func writePassages(w *tabwriter.Writer, passages []simulate.Passage) {
	fmt.Fprintln(w, "WAY AROUND\tIS\tBY\tNOTE")
	for _, p := range passages {
		if !p.Probe.Honest {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Probe.Name, openWords[p.Open], output.Cell(p.Statement), output.Cell(p.Probe.Note))
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "HONEST CALL\tIS\tBY\tNOTE")
	for _, p := range passages {
		if p.Probe.Honest {
			word := map[bool]string{true: "BLOCKED", false: "passes"}[p.Bad()]
			if p.Open == policy.Unknown {
				word = "unclear"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Probe.Name, word, output.Cell(p.Statement), output.Cell(p.Probe.Note))
		}
	}
}

func tallyLine(f *simulated) string {
	t := f.tally
	line := fmt.Sprintf("%s in %s", output.Count(t.Calls, "call"), output.Count(f.files, "file"))
	for _, o := range []simulate.Outcome{simulate.Denied, simulate.Unknown, simulate.Exempt, simulate.Unbound, simulate.Passes} {
		if n := t.ByFate[o]; n > 0 {
			line += fmt.Sprintf(", %d %s", n, o)
		}
	}
	return line + fmt.Sprintf("; %d records are no calls", t.Skipped)
}

type simulatedJSON struct {
	Limits   []limitJSON   `json:"limits"`
	Requests []requestJSON `json:"requests,omitempty"`
	Calls    int           `json:"calls"`
	Skipped  int           `json:"skipped"`
	Groups   []groupJSON   `json:"groups"`
	Bypasses []passageJSON `json:"bypasses"`
	Honest   []passageJSON `json:"honest"`
}

type limitJSON struct {
	Candidate string `json:"candidate"`
	Quota     string `json:"quota"`
	Used      int    `json:"used"`
	Of        int    `json:"of"`
	Exceeded  bool   `json:"exceeded"`
}

type requestJSON struct {
	Name      string           `json:"name"`
	Outcome   simulate.Outcome `json:"outcome"`
	Expected  simulate.Outcome `json:"expected,omitempty"`
	Wrong     bool             `json:"wrong"`
	Statement string           `json:"statement"`
	Why       string           `json:"why"`
}

type groupJSON struct {
	Outcome   simulate.Outcome `json:"outcome"`
	Breaks    bool             `json:"breaks"`
	Expected  bool             `json:"expected"`
	Principal string           `json:"principal"`
	Pipeline  string           `json:"pipeline"`
	Action    string           `json:"action"`
	Statement string           `json:"statement"`
	Why       string           `json:"why"`
	Calls     int              `json:"calls"`
	Succeeded int              `json:"succeeded"`
	First     time.Time        `json:"first"`
	Last      time.Time        `json:"last"`
	Example   string           `json:"example"`
	EventID   string           `json:"eventId"`
}

type passageJSON struct {
	Name      string        `json:"name"`
	Answer    policy.Answer `json:"answer"`
	Bad       bool          `json:"bad"`
	Statement string        `json:"statement,omitempty"`
	Note      string        `json:"note,omitempty"`
}

func writeSimulatedJSON(env *command.Env, f *simulated) error {
	out := simulatedJSON{Calls: f.tally.Calls, Skipped: f.tally.Skipped, Groups: []groupJSON{}}
	for _, l := range f.limits {
		out.Limits = append(out.Limits, limitJSON{l.Subject, l.What, l.Value, l.Max, l.Exceeded})
	}
	for _, r := range f.rows {
		out.Requests = append(out.Requests, requestJSON{r.Row.Name, r.Verdict.Outcome, r.Row.Expected, r.wrong(), r.Verdict.Statement, r.Verdict.Decision.Why})
	}
	for _, g := range f.tally.Groups() {
		out.Groups = append(out.Groups, groupJSON{Outcome: g.Outcome, Breaks: g.Breaks(), Expected: g.Expected, Principal: g.Principal, Pipeline: g.Pipeline,
			Action: g.Action, Statement: g.Statement, Why: g.Why, Calls: g.Count, Succeeded: g.Succeeded, First: g.First, Last: g.Last,
			Example: g.Example.Name, EventID: g.Example.EventID})
	}
	for _, p := range f.passages {
		one := passageJSON{p.Probe.Name, p.Open, p.Bad(), p.Statement, p.Probe.Note}
		if p.Probe.Honest {
			out.Honest = append(out.Honest, one)
		} else {
			out.Bypasses = append(out.Bypasses, one)
		}
	}
	enc := json.NewEncoder(env.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}
