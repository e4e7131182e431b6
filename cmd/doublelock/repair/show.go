package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/store"
)

func showCommand(env *command.Env) *cobra.Command {
	r, body := &repairing{env: env}, false
	cmd := &cobra.Command{
		Use:   "show COPY",
		Short: "Print a row that could not be read, what is wrong with it, and how the row is now",
		Long: `Show prints what is in quarantine of one row: what it is of, what is wrong with it, how the row is now, and the item as
it was, whole, as DynamoDB's own JSON. With --body it prints the body of the row alone, as a file to correct for repair
restore.

Exit codes: 0 it was printed, 1 an error.`,
		Example: `  doublelock repair show 0123456789ab
  doublelock repair show 0123456789ab --body > corrected.json`,
		Args: oneCopy("show"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.show(cmd.Context(), args[0], body) },
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&body, "body", false, "print the body alone, as it is")
	return cmd
}

// shown is a row in JSON.
type shown struct {
	store.Quarantined
	Now string `json:"now"`
}

func (r *repairing) show(ctx context.Context, name string, body bool) error {
	q, now, err := r.row(ctx, "show", name)
	switch {
	case err != nil:
		return err
	case body:
		_, err := fmt.Fprintln(r.env.Stdout, bodyOf(q))
		return err
	case r.env.AsJSON():
		return r.env.JSON(shown{q, nowOf(now)})
	}
	out := r.env.Stdout
	fmt.Fprintf(out, "copy      %s\nkind      %s\nof        %s\nsince     %s\nwrong     %s\nnow       %s\n", q.Copy, q.Kind, output.Printable(q.ID),
		q.At.Format(time.RFC3339), output.Printable(q.Reason), output.Printable(nowOf(now)))
	if !q.Open() {
		fmt.Fprintf(out, "ended     %s, %s\n", q.EndedAt.Format(time.RFC3339), q.End)
	}
	_, err = fmt.Fprintf(out, "item      %s\n", output.Printable(q.Item))
	return err
}

func nowOf(now store.Original) string {
	switch {
	case !now.There:
		return "the row is away; the next look makes a new one"
	case now.Unreadable != nil:
		return "the row cannot be read: " + now.Unreadable.Reason
	}
	return fmt.Sprintf("the row can be read, at revision %d", now.Revision)
}

// bodyOf is the body of the row as it was copied; "" where it had none.
func bodyOf(q store.Quarantined) string {
	var it struct {
		Body struct{ S string } `json:"body"`
	}
	if json.Unmarshal([]byte(q.Item), &it) != nil {
		return ""
	}
	return it.Body.S
}
