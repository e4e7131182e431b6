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
could not be read), re-keyed, half sealed (AWSCURRENT is, AWSPREVIOUS is not yet), sealed, stuck (blocked or failed), rolled back, overtaken (somebody has set a key of their own), and unknown (a newer version has left them in a phase that this one does not
know). Below the table is each secret that waits for its owner, for security, or only for time to pass.

Exit codes: 0 the status was shown, 1 an error, 2 a migration cannot be read.`,
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
		if err := env.JSON(s); err != nil {
			return err
		}
		return unread(s.Unreadable)
	}
	table := env.Rows("WAVE", "ACCOUNT", "SECRETS", "PLANNED", "UNPROVEN", "RE-KEYED", "HALF SEALED", "SEALED", "STUCK", "ROLLED BACK", "OVERTAKEN", "UNKNOWN")
	for _, r := range s.Rows {
		table.Add(r.Wave, r.Account, r.Secrets, r.Planned, r.Unproven, r.Rekeyed, r.HalfSealed, r.Sealed, r.Stuck, r.RolledBack, r.Overtaken, r.Unknown)
	}
	if err := table.Print(); err != nil {
		return err
	}
	for _, waiting := range s.Waiting {
		fmt.Fprintf(env.Text(), "%s %s (%s): %s\n", waitsFor(waiting.For), output.Printable(waiting.Name), waiting.Phase, output.Printable(cmp.Or(waiting.Reason, "nothing to do for now")))
		if a := waiting.Asked; a != nil {
			fmt.Fprintf(env.Text(), "  asked for by %s at %s: %s\n", output.Printable(a.By), a.At.Format(time.RFC3339), output.Printable(a.Why))
		}
		for _, o := range waiting.Overrides {
			fmt.Fprintf(env.Text(), "  %s %s, by %s at %s\n", o.Field, output.Printable(o.Value), output.Printable(o.By), o.At.Format(time.RFC3339))
		}
	}
	for _, bad := range s.Unreadable {
		fmt.Fprintf(env.Text(), "security %s (unknown): cannot be read: %s; nothing is begun, moved on or set back before doublelock repair\n", output.Printable(bad.ID), output.Printable(bad.Reason))
	}
	return unread(s.Unreadable)
}

// waitsFor says who has the next step; nobody has it where only time must pass.
func waitsFor(whom string) string {
	if whom == "time" {
		return "waiting"
	}
	return whom
}
