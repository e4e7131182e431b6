package migrate

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/migration"
)

func migrateStatusCommand(env *command.Env) *cobra.Command {
	m := &moving{env: env}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how far the migrations are: by wave, account and phase, and what waits for whom",
		Long: `Status counts the migrations in the hub's table: planned, unproven (the key is set, and what its versions open with
could not be read), re-keyed, half sealed (AWSCURRENT is, AWSPREVIOUS is not yet), sealed, stuck (blocked or failed) and rolled back. Below the table is each secret that waits for its owner, for
security, or only for time to pass.

Exit codes: 0 the status was shown, 1 an error.`,
		Example: "  doublelock migrate status\n  doublelock migrate status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			machine, err := m.open(cmd.Context())
			if err != nil {
				return err
			}
			status, err := machine.Status(cmd.Context())
			if err != nil {
				return err
			}
			return showStatus(env, status)
		},
	}
	output.Tabular(cmd)
	m.configFlag(cmd)
	return cmd
}

func showStatus(env *command.Env, s migration.Summary) error {
	if env.AsJSON() {
		return env.JSON(s)
	}
	table := env.Rows("WAVE", "ACCOUNT", "SECRETS", "PLANNED", "UNPROVEN", "RE-KEYED", "HALF SEALED", "SEALED", "STUCK", "ROLLED BACK")
	for _, r := range s.Rows {
		table.Add(r.Wave, r.Account, r.Secrets, r.Planned, r.Unproven, r.Rekeyed, r.HalfSealed, r.Sealed, r.Stuck, r.RolledBack)
	}
	if err := table.Print(); err != nil {
		return err
	}
	for _, waiting := range s.Waiting {
		fmt.Fprintf(env.Text(), "%s %s (%s): %s\n", waitsFor(waiting.For), output.Printable(waiting.Name), waiting.Phase, output.Printable(cmp.Or(waiting.Reason, "nothing to do for now")))
		for _, o := range waiting.Overrides {
			fmt.Fprintf(env.Text(), "  %s %s, by %s at %s\n", o.Field, output.Printable(o.Value), output.Printable(o.By), o.At.Format(time.RFC3339))
		}
	}
	return nil
}

// waitsFor says who has the next step; nobody has it where only time must pass.
func waitsFor(whom string) string {
	if whom == "time" {
		return "waiting"
	}
	return whom
}
