package migrate

import (
	"fmt"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/migration"
)

// dryStep is what --dry-run says of one secret: the command line of the AWS CLI that does what would be done now, or why
// nothing would be.
type dryStep struct {
	Secret  string `json:"secret"`
	Name    string `json:"name"`
	Command string `json:"command,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"` // why it cannot go on, or why the next call is not known
}

// unknownStep says why a secret cannot go on, or why its next call is not known.
func unknownStep(secret, name, why string) dryStep {
	return dryStep{Secret: secret, Name: name, Reason: "no call now: " + why, Problem: why}
}

// drySteps are the calls of one secret, or the one step that says why there is none.
func drySteps(secret, name string, commands []string, reason string) []dryStep {
	if len(commands) == 0 {
		return []dryStep{{Secret: secret, Name: name, Reason: "no call now: " + reason}}
	}
	var out []dryStep
	for _, command := range commands {
		out = append(out, dryStep{Secret: secret, Name: name, Command: command, Reason: reason})
	}
	return out
}

// dryReason is why a step is taken, or why no call is made now.
func dryReason(j migration.Job, step migration.Step) string {
	switch {
	case j.Phase == migration.RolledBack:
		return standing(j)
	case step.Action == migration.DoWait && !step.Until.IsZero():
		return step.Reason + until(step.Until)
	}
	return step.Reason
}

// until says when waiting ends.
func until(t time.Time) string { return " (until " + t.UTC().Format(time.DateTime) + " UTC)" }

// writeDry prints steps: as JSON, as CSV, else as a shell script. Where a secret cannot go on, its run would be partial.
func writeDry(env *command.Env, steps []dryStep) error {
	if err := printDry(env, steps); err != nil {
		return err
	}
	unknown := 0
	for _, s := range steps {
		if s.Problem != "" {
			unknown++
		}
	}
	if unknown == 0 {
		return nil
	}
	return command.Finding("%s cannot go on, or nobody knows how: see the reasons above", output.Count(unknown, "secret"))
}

func printDry(env *command.Env, steps []dryStep) error {
	switch env.Format {
	case output.FormatJSON:
		return env.JSON(map[string]any{"secrets": append([]dryStep{}, steps...)})
	case output.FormatCSV:
		table := env.Rows("SECRET", "COMMAND", "REASON")
		for _, s := range steps {
			table.Add(s.Name, s.Command, s.Reason)
		}
		return table.Print()
	}
	for _, s := range steps {
		line := output.Printable(s.Command)
		if s.Command == "" {
			line = fmt.Sprintf("# %s: %s", output.Printable(s.Name), output.Printable(s.Reason))
		}
		if _, err := fmt.Fprintln(env.Stdout, line); err != nil {
			return err
		}
	}
	return nil
}
