package scp

import (
	"cmp"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/simulate"
)

func writeSimulated(env *command.Env, f *simulated) error {
	if err := writeLimits(env, f.limits); err != nil {
		return err
	}
	if len(f.rows) > 0 {
		if err := writeRequests(env, f.rows); err != nil {
			return err
		}
	}
	if f.files > 0 {
		if err := writeGroups(env, f); err != nil {
			return err
		}
	}
	if err := writePassages(env, f.passages); err != nil {
		return err
	}
	if f.files > 0 {
		fmt.Fprintln(env.Stderr, tallyLine(f))
	}
	return nil
}

func writeLimits(env *command.Env, limits []simulate.Limit) error {
	table := env.Rows("CANDIDATE", "QUOTA", "USED", "OF", "NOTE")
	for _, l := range limits {
		note := l.Note
		if l.Exceeded {
			note = "TOO MANY; " + note
		}
		table.Add(l.Subject, l.What, l.Value, l.Max, note)
	}
	return printAndPart(env, table)
}

// printAndPart prints a table and parts it from the next.
func printAndPart(env *command.Env, table *output.Rows) error {
	if err := table.Print(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(env.Stdout)
	return err
}

func writeRequests(env *command.Env, rows []rowResult) error {
	table := env.Rows("REQUEST", "OUTCOME", "EXPECTED", "STATEMENT", "WHY")
	for _, r := range rows {
		expected := string(r.Row.Expected)
		if r.wrong() {
			expected += " (WRONG)"
		}
		table.Add(r.Row.Name, r.Verdict.Outcome, expected, simulate.Deciding(r.Verdict.Statement, r.Verdict.Step), r.Verdict.Decision.Why)
	}
	return printAndPart(env, table)
}

func writeGroups(env *command.Env, f *simulated) error {
	groups := f.tally.Groups()
	if len(groups) == 0 {
		_, err := fmt.Fprintf(env.Text(), "%s\n\n", nothingDenied(f))
		return err
	}
	table := env.Rows("OUTCOME", "CALLS", "SUCCEEDED", "PRINCIPAL", "PIPELINE", "ACTION", "STATEMENT", "EXAMPLE")
	for _, g := range groups {
		outcome := string(g.Outcome)
		switch {
		case g.Breaks():
			outcome += " BREAKS"
		case g.Expected:
			outcome += " (expected)"
		}
		table.Add(outcome, g.Count, g.Succeeded, g.Principal, g.Pipeline, g.Action, simulate.Deciding(g.Statement, g.Step), g.Example.Name)
	}
	return printAndPart(env, table)
}

// nothingDenied says no more than what was read allows.
func nothingDenied(f *simulated) string {
	switch {
	case f.tally.Calls == 0:
		return "No recorded call was read, so none was tried."
	case f.broken > 0:
		return "No recorded call that could be read would be denied."
	}
	return "No recorded call would be denied."
}

func writePassages(env *command.Env, passages []simulate.Passage) error {
	around, honest := env.Rows("WAY AROUND", "IS", "BY", "NOTE"), env.Rows("HONEST CALL", "IS", "BY", "NOTE")
	for _, p := range passages {
		if !p.Probe.Honest {
			around.Add(p.Probe.Name, openWords[p.Open], simulate.Deciding(p.Statement, p.Step), note(p))
			continue
		}
		word := map[bool]string{true: "BLOCKED", false: "passes"}[p.Bad()]
		if p.Open == policy.Unknown {
			word = "unclear"
		}
		honest.Add(p.Probe.Name, word, simulate.Deciding(p.Statement, p.Step), note(p))
	}
	if err := printAndPart(env, around); err != nil {
		return err
	}
	return honest.Print()
}

// note is what is to be known of a passage: AWS's own answer before what its documents leave open.
func note(p simulate.Passage) string { return cmp.Or(p.Asked, p.Probe.Note) }

func tallyLine(f *simulated) string {
	t := f.tally
	line := fmt.Sprintf("%s in %s", output.Count(t.Calls, "call"), output.Count(f.files, "file"))
	for _, o := range []simulate.Outcome{simulate.Denied, simulate.Unknown, simulate.Exempt, simulate.Unbound, simulate.Passes} {
		if n := t.ByFate[o]; n > 0 {
			line += fmt.Sprintf(", %d %s", n, o)
		}
	}
	return line + "; " + output.Count(t.Skipped, "record is no call", "records are no calls")
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
	Step      string           `json:"step,omitempty"`
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
	Step      string           `json:"step,omitempty"`
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
	Step      string        `json:"step,omitempty"` // action of the call to KMS at which it is stopped
	Note      string        `json:"note,omitempty"`
}

func writeSimulatedJSON(env *command.Env, f *simulated) error {
	out := simulatedJSON{Calls: f.tally.Calls, Skipped: f.tally.Skipped, Groups: []groupJSON{}}
	for _, l := range f.limits {
		out.Limits = append(out.Limits, limitJSON{l.Subject, l.What, l.Value, l.Max, l.Exceeded})
	}
	for _, r := range f.rows {
		out.Requests = append(out.Requests, requestJSON{r.Row.Name, r.Verdict.Outcome, r.Row.Expected, r.wrong(), r.Verdict.Statement, r.Verdict.Step, r.Verdict.Decision.Why})
	}
	for _, g := range f.tally.Groups() {
		out.Groups = append(out.Groups, groupJSON{Outcome: g.Outcome, Breaks: g.Breaks(), Expected: g.Expected, Principal: g.Principal, Pipeline: g.Pipeline,
			Action: g.Action, Statement: g.Statement, Step: g.Step, Why: g.Why, Calls: g.Count, Succeeded: g.Succeeded, First: g.First, Last: g.Last,
			Example: g.Example.Name, EventID: g.Example.EventID})
	}
	for _, p := range f.passages {
		one := passageJSON{p.Probe.Name, p.Open, p.Bad(), p.Statement, p.Step, note(p)}
		if p.Probe.Honest {
			out.Honest = append(out.Honest, one)
		} else {
			out.Bypasses = append(out.Bypasses, one)
		}
	}
	return env.JSON(out)
}
