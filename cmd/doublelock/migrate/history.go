package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

func migrateHistoryCommand(env *command.Env) *cobra.Command {
	m := &moving{env: env}
	phases := false
	cmd := &cobra.Command{
		Use:   "history SECRET",
		Short: "Print the journal of a secret: each change that Doublelock made, by whom, and what was before",
		Long: `History prints what is in the hub's journal about one secret, oldest first. An entry is written before its change is
made: BEFORE is the way back, AFTER what was asked for. An empty kmsKeyId is the AWS managed key.

With --phases it prints what happened to the migration instead: each change of its phase, each time that somebody moved
the secret back, each known reader that was refused or given access for a while.

Exit codes: 0 all was printed, 1 an error, or nothing was changed, 2 part of it cannot be read.`,
		Example: "  doublelock migrate history shop/db\n  doublelock migrate history shop/db --phases\n  doublelock migrate history shop/db -o json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("migrate history: name one secret, by ARN or name")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if phases {
				return m.happened(cmd.Context(), args[0])
			}
			return m.history(cmd.Context(), args[0])
		},
	}
	output.Tabular(cmd)
	m.configFlag(cmd)
	cmd.Flags().BoolVar(&phases, "phases", false, "print the changes of phase, and what else happened to the migration")
	return cmd
}

func (m *moving) history(ctx context.Context, id string) error {
	machine, err := m.open(ctx)
	if err != nil {
		return err
	}
	secret, err := secretNamed(ctx, m.env, machine, id)
	if err != nil {
		return err
	}
	entries, unreadable, err := table.Open(m.cloud, m.table()).Journal().List(ctx, secret, time.Time{})
	entries = migration.InOrder(entries)
	switch {
	case err != nil:
		return err
	case len(entries)+len(unreadable) == 0:
		return fmt.Errorf("migrate history: the journal has nothing about %s: Doublelock has not changed it", output.Printable(secret))
	case m.env.AsJSON():
		if err := m.env.JSON(append([]store.JournalEntry{}, entries...)); err != nil {
			return err
		}
		return unread(unreadable)
	}
	rows := m.env.Rows("AT", "ACTION", "BY", "BEFORE", "AFTER")
	for _, e := range entries {
		rows.Add(e.At.Format(time.RFC3339), e.Action, e.By, fields(e.Before), fields(e.After))
	}
	if err := rows.Print(); err != nil {
		return err
	}
	return unread(unreadable)
}

// unread ends a command that printed what it could read.
func unread(rows []store.Unreadable) error {
	if len(rows) == 0 {
		return nil
	}
	return command.Finding("%s cannot be read: doublelock repair shows why", output.Count(len(rows), "row"))
}

func (m *moving) happened(ctx context.Context, id string) error {
	machine, err := m.open(ctx)
	if err != nil {
		return err
	}
	secret, err := secretNamed(ctx, m.env, machine, id)
	if err != nil {
		return err
	}
	job, err := machine.Store.Load(ctx, secret)
	switch {
	case err != nil:
		return err
	case job.Revision == 0:
		return fmt.Errorf("migrate history: no migration of %s was begun", output.Printable(secret))
	}
	all, unreadable, err := machine.Happened(ctx, job)
	if err != nil {
		return err
	}
	if m.env.AsJSON() {
		if err := m.env.JSON(append([]migration.Happened{}, all...)); err != nil {
			return err
		}
		return unread(unreadable)
	}
	rows := m.env.Rows("AT", "WHAT", "BY", "DETAIL")
	for _, h := range all {
		rows.Add(h.At.Format(time.RFC3339), h.What, h.By, h.Detail)
	}
	if err := rows.Print(); err != nil {
		return err
	}
	return unread(unreadable)
}

// secretNamed is the ARN of a secret that a migration knows by its name. An ARN is taken as it is.
func secretNamed(ctx context.Context, env *command.Env, machine *fleet.Migrations, id string) (string, error) {
	if arn.Is(id) {
		return id, nil
	}
	jobs, _, err := listJobs(ctx, env, machine.Store)
	if err != nil {
		return "", err
	}
	var found []string
	for _, j := range jobs {
		if j.Name == id {
			found = append(found, j.Secret)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("migrate history: no migration knows a secret %s; name it by its ARN", output.Printable(id))
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", fmt.Errorf("migrate history: %s is several secrets; name one of %s", output.Printable(id), strings.Join(found, ", "))
}

// fields are the values of an entry as "name=value", sorted by name.
func fields(values map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, fmt.Sprintf("%s=%q", name, values[name]))
	}
	return strings.Join(out, " ")
}
