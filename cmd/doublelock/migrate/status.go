package migrate

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/migration"
)

func migrateStatusCommand(env *command.Env) *cobra.Command {
	m := &moving{env: env}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show how far the migrations are: by wave, account and phase, and what waits for whom",
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
	m.flags(cmd)
	return cmd
}

func showStatus(env *command.Env, s migration.Summary) error {
	if env.Format == output.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(s)
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WAVE\tACCOUNT\tSECRETS\tPLANNED\tRE-KEYED\tHALF SEALED\tSEALED\tSTUCK\tROLLED BACK")
	for _, r := range s.Rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", r.Wave, r.Account, r.Secrets, r.Planned, r.Rekeyed, r.HalfSealed, r.Sealed, r.Stuck, r.RolledBack)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	for _, waiting := range s.Waiting {
		fmt.Fprintf(env.Stdout, "%s %s (%s): %s\n", waiting.For, output.Printable(waiting.Name), waiting.Phase, output.Printable(waiting.Reason))
		for _, o := range waiting.Overrides {
			fmt.Fprintf(env.Stdout, "  %s %s, by %s at %s\n", o.Field, output.Printable(o.Value), output.Printable(o.By), o.At.Format(time.RFC3339))
		}
	}
	return nil
}
