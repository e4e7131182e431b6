package migrate

import (
	"fmt"

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
}

// dryReason is why a step is taken, or why no call is made now.
func dryReason(j migration.Job, step migration.Step) string {
	switch {
	case j.Phase == migration.RolledBack:
		return "no call now: " + standing(j)
	case step.Command(j) == "":
		return "no call now: " + step.Reason
	}
	return step.Reason
}

// writeDry prints steps: as JSON, as CSV, else as a shell script.
func writeDry(env *command.Env, steps []dryStep) error {
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
