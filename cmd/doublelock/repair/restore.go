package repair

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// Actions in the journal.
const (
	actionRestore = "repair_restore"
	actionDiscard = "repair_discard"
)

func restoreCommand(env *command.Env) *cobra.Command {
	r, file, replace, lose := &repairing{env: env}, "", false, false
	cmd := &cobra.Command{
		Use:   "restore COPY --file FILE",
		Short: "Put a corrected body back into its row",
		Long: `Restore puts a corrected body back into the row that a copy is of, and ends the quarantine: the row is a record or a
migration again, and the finding DL.ORG.2 resolves with the next sweep. It writes only if the file is what the row is to
hold, and if nobody wrote the row meanwhile. Who did it and when is journaled with the SHA-256 of the file.

A record that the hub made anew since is left alone, unless --replace says that the file is to stand in its place. A
migration is not put back without the state that going back restores ("before"), where the row had it or its phase needs
it, unless --without-way-back says that the secret needs none. What was stopped in the middle is finished by the same
command.

Exit codes: 0 it is restored, 1 an error, 2 the file is none for the row, or the row was written meanwhile.`,
		Example: `  doublelock repair show 0123456789ab --body > corrected.json
  doublelock repair restore 0123456789ab --file corrected.json`,
		Args: oneCopy("restore"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.restore(cmd.Context(), args[0], file, replace, lose)
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&file, "file", "", "`FILE` with the corrected body, - is standard input")
	_ = cmd.MarkFlagFilename("file", "json")
	cmd.Flags().BoolVar(&replace, "replace", false, "put it in the place of a record that was made anew since")
	cmd.Flags().BoolVar(&lose, "without-way-back", false, "put a migration back that does not know the state before its first change")
	return cmd
}

func (r *repairing) restore(ctx context.Context, name, file string, replace, lose bool) error {
	if file == "" {
		return errors.New("repair restore: name the corrected body: --file FILE")
	}
	body, err := input.Text(r.env, file, input.MaxDocument)
	if err != nil {
		return err
	}
	q, now, err := r.row(ctx, "restore", name)
	if err != nil {
		return err
	}
	if q.Open() && now.There && now.Unreadable == nil && bytes.Equal(now.Body, body) { // an earlier try was stopped after it wrote
		if err := r.rows.End(ctx, q.Copy, store.EndedRestored); err != nil {
			return err
		}
		return r.restored(q)
	}
	if err := restorable(q, now, replace); err != nil {
		return err
	}
	switch why, err := unfit(q, body, lose); {
	case err != nil:
		return err
	case why != "":
		return command.Finding("repair restore: %s is no %s of %s: %s", output.Printable(file), q.Kind, output.Printable(q.ID), output.Printable(why))
	}
	sum := sha256.Sum256(body)
	if err := r.journal(ctx, actionRestore, q, map[string]string{"sha256": hex.EncodeToString(sum[:])}); err != nil {
		return err
	}
	if err := r.rows.Restore(ctx, q, now, body); err != nil {
		return meanwhile(err)
	}
	return r.restored(q)
}

func (r *repairing) restored(q store.Quarantined) error {
	_, err := fmt.Fprintf(r.env.Stdout, "%s of %s is restored\n", q.Kind, output.Printable(q.ID))
	return err
}

// restorable refuses what must not be put back, or needs a word more.
func restorable(q store.Quarantined, now store.Original, replace bool) error {
	switch {
	case !q.Open():
		return fmt.Errorf("repair restore: %s has ended: %s", q.Copy, q.End)
	case q.Newer:
		return newerWrote("restore")
	case q.Kind != store.KindRecord && q.Kind != migration.DocumentKind:
		return fmt.Errorf("repair restore: a row of kind %s is not written again; doublelock repair discard %s ends its quarantine", output.Printable(q.Kind), q.Copy)
	case now.There && now.Unreadable == nil && !replace:
		return command.Finding("repair restore: the row can be read, at revision %d: a new one was made since. Say --replace to put the file in its place, or doublelock repair discard %s to keep the new one", now.Revision, q.Copy)
	}
	return nil
}

func newerWrote(doing string) error {
	return fmt.Errorf("repair %s: a newer version wrote the row, and nothing is wrong with it: use that version", doing)
}

func meanwhile(err error) error {
	if errors.Is(err, guard.ErrConflict) {
		return command.Finding("the row was written meanwhile; look at it again with doublelock repair show")
	}
	return err
}

func discardCommand(env *command.Env) *cobra.Command {
	r, reason, lose := &repairing{env: env}, "", false
	cmd := &cobra.Command{
		Use:   "discard COPY --reason TEXT",
		Short: "Forget a row that could not be read",
		Long: `Discard ends the quarantine of a row without putting it back. What is left of it is its copy, for 90 days. Who did it,
when and why is journaled.

A record is made anew by the next look. A migration is forgotten with its way back: Doublelock then cannot set the
secret's previous key again, and a new plan takes what it finds as the first state. So that is refused for a secret that
the journal says was changed, unless --without-way-back says that it needs none.

Exit codes: 0 it is discarded, 1 an error, 2 its way back would be lost, or the row was written meanwhile.`,
		Example: `  doublelock repair discard 0123456789ab --reason "the secret was deleted years ago"
  doublelock migrate history arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-AbCdEf`,
		Args: oneCopy("discard"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.discard(cmd.Context(), args[0], reason, lose) },
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&lose, "without-way-back", false, "forget a migration although the journal says that it changed the secret, or an entry of the journal")
	return cmd
}

func (r *repairing) discard(ctx context.Context, name, reason string, lose bool) error {
	if reason == "" {
		return errors.New("repair discard: say why: --reason TEXT")
	}
	q, now, err := r.row(ctx, "discard", name)
	switch {
	case err != nil:
		return err
	case !q.Open():
		return fmt.Errorf("repair discard: %s has ended: %s", q.Copy, q.End)
	case q.Newer:
		return newerWrote("discard")
	}
	if now.There && now.Unreadable != nil && !lose {
		if err := r.hasNoWayBack(ctx, q); err != nil {
			return err
		}
	}
	after := map[string]string{"reason": reason}
	if lose {
		after["withoutWayBack"] = "true"
	}
	if err := r.journal(ctx, actionDiscard, q, after); err != nil {
		return err
	}
	if err := r.rows.Discard(ctx, q, now); err != nil {
		return meanwhile(err)
	}
	fmt.Fprintf(r.env.Stdout, "%s of %s is discarded\n", q.Kind, output.Printable(q.ID))
	return nil
}

// hasNoWayBack refuses an entry of the journal, and a migration whose secret was changed as far as the journal says.
func (r *repairing) hasNoWayBack(ctx context.Context, q store.Quarantined) error {
	switch q.Kind {
	case "journal":
		return command.Finding("repair discard: an entry of the journal is the way back of a change. Say --without-way-back if the secret needs none")
	case migration.DocumentKind:
	default:
		return nil
	}
	entries, unreadable, err := r.rows.Journal().List(ctx, q.ID, time.Time{})
	if err != nil {
		return err
	}
	changes := len(unreadable)
	for _, e := range entries {
		if e.Action != actionRestore && e.Action != actionDiscard {
			changes++
		}
	}
	if changes == 0 {
		return nil
	}
	return command.Finding("repair discard: the journal has %s of %s, and with its migration the way back would be lost. Restore it, or say --without-way-back if the secret needs none",
		output.Count(changes, "entry", "entries"), output.Printable(q.ID))
}
