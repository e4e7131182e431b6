// Package repair is doublelock repair: rows of the hub's table that could not be read are shown, put back or forgotten.
package repair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/hub"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// repairing is what every repair command needs.
type repairing struct {
	env    *command.Env
	config string
	cloud  *cloud.Cloud
	rows   *table.Table
}

// New is the command.
func New(env *command.Env) *cobra.Command {
	r, all := &repairing{env: env}, false
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "List rows of the hub's table that could not be read; show, restore and discard them",
		Long: `Repair lists the rows of the hub's table that could not be read, and were copied into quarantine: what is wrong with
each, and what stands still until it is mended. A record of a secret is made anew by the next look; what the old one
knew comes back with repair restore. A migration that cannot be read stays where it is: nothing is begun, moved on or set
back for its secret until it is restored, because its way back would be lost.

No row ever holds the value of a secret.

Exit codes: 0 every row can be read, 1 an error, 2 rows are in quarantine.`,
		Example: `  doublelock repair
  doublelock repair show 0123456789ab
  doublelock repair -o json | jq -r .copy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.list(cmd.Context(), all) },
	}
	output.Tabular(cmd)
	r.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list those that were mended in the last 90 days, too")
	cmd.AddCommand(showCommand(env), restoreCommand(env), discardCommand(env))
	return cmd
}

func (r *repairing) flags(cmd *cobra.Command) { input.ConfigFlag(cmd, &r.config, input.OrEnvironment) }

// open opens the hub's table.
func (r *repairing) open(ctx context.Context) (err error) {
	r.cloud, r.rows, err = hub.Open(ctx, r.env, r.config, "repair")
	return err
}

func (r *repairing) list(ctx context.Context, all bool) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	var found []store.Quarantined
	open := 0
	err := r.rows.Quarantined(ctx, func(q store.Quarantined) error {
		if q.Open() {
			open++
		}
		if q.Open() || all {
			found = append(found, q)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.print(found); err != nil {
		return err
	}
	if open > 0 {
		return command.Finding("%s could not be read; doublelock repair show COPY says more", output.Count(open, "row"))
	}
	return nil
}

func (r *repairing) print(found []store.Quarantined) error {
	if r.env.AsJSON() {
		for _, q := range found {
			q.Item = "" // repair show prints it
			if err := r.env.JSON(q); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		fmt.Fprintln(r.env.Text(), "every row of the table can be read")
		return nil
	}
	rows := r.env.Rows("COPY", "KIND", "OF", "SINCE", "STATE", "WRONG")
	for _, q := range found {
		rows.Add(q.Copy, q.Kind, q.ID, q.At.Format(time.RFC3339), stateOf(q), q.Reason)
	}
	return rows.Print()
}

// stateOf says what stands still for a row.
func stateOf(q store.Quarantined) string {
	switch {
	case !q.Open():
		return q.End
	case q.Newer:
		return "newer"
	case migration.Blocks(q.Kind):
		return "BLOCKS"
	}
	return "open"
}

// row finds a copy and the row as it is now.
func (r *repairing) row(ctx context.Context, doing, name string) (q store.Quarantined, now store.Original, err error) {
	if err := r.open(ctx); err != nil {
		return q, now, err
	}
	if name == "" {
		return q, now, fmt.Errorf("repair %s: name a copy; doublelock repair lists them", doing)
	}
	if q, err = r.rows.Copy(ctx, name); errors.Is(err, guard.ErrGone) {
		return q, now, fmt.Errorf("repair %s: nothing in quarantine is called %s; doublelock repair lists what is", doing, output.Printable(name))
	}
	if err != nil {
		return q, now, err
	}
	if now, err = r.rows.Original(ctx, q); err != nil {
		return q, now, err
	}
	if now.There && now.Unreadable == nil {
		now.Unreadable, err = check(q, now.Body)
	}
	return q, now, err
}

// check says why a body is none for the row of a copy; nil: it is one.
func check(q store.Quarantined, body []byte) (*store.Unreadable, error) {
	var err error
	switch q.Kind {
	case store.KindRecord:
		err = table.CheckRecord(q.ID, body)
	case migration.DocumentKind:
		_, err = migration.ReadJob(q.Group, q.ID, body)
	}
	bad, is := errors.AsType[*store.Unreadable](err)
	if is {
		err = nil
	}
	return bad, err
}

// journal writes down what is done about a row, before it is done.
func (r *repairing) journal(ctx context.Context, action string, q store.Quarantined, after map[string]string) error {
	caller, err := r.cloud.Identity(ctx)
	if err != nil {
		return fmt.Errorf("find out who repairs: %w", err)
	}
	after["copy"], after["kind"] = q.Copy, q.Kind
	resource, _, _ := strings.Cut(q.ID, " ") // of an entry of the journal: the rest is its sort key
	return r.rows.Journal().Append(ctx, store.JournalEntry{
		ID: action + "|" + q.Copy, Resource: resource, Action: action, At: r.env.Now().UTC(), By: caller.ARN,
		Before: map[string]string{"unreadable": q.Reason}, After: after,
	})
}

func oneCopy(doing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New("repair " + doing + ": name one copy, as doublelock repair lists them")
		}
		return nil
	}
}
