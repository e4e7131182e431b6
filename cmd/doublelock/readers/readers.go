// Package readers is doublelock readers: who can open a secret, by a snapshot.
package readers

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/locks"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "readers SECRET",
		Short: "List who can open a secret, and which of its two locks each holds",
		Long: `Readers lists the principals that can open a secret, by what a snapshot of the organization says: policies, groups,
boundaries, SCPs and RCPs, the secret's resource policy, key policy and grants. SECRET is an ARN, or a name that only
one secret has.

  OPENS    yes: both locks; no: a lock is closed; unknown: what was not read, or a condition on the caller's address,
           VPC, MFA or session, would decide. Unknown is neither a yes nor a no.

Principals of accounts outside the snapshot are unknown at best. Who holds only the key lock is counted, and listed
with --all.

Exit codes: 0 the question was answered, 1 an error.`,
		Example: `  doublelock readers payments/db --snapshot org.json
  doublelock readers arn:aws:secretsmanager:eu-central-1:111122223333:secret:payments/db-AbCdEf -s org.json -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("readers: name one secret, by ARN or by name")
			}
			return nil
		},
	}
	output.Tabular(cmd)
	path := input.SnapshotFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list principals that hold only the key lock, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return runReaders(env, *path, args[0], all) }
	return cmd
}

func runReaders(env *command.Env, path, id string, all bool) error {
	access, err := input.Snapshot(env, path)
	if err != nil {
		return err
	}
	secret, err := access.Secret(id)
	if err != nil {
		return err
	}
	readers, unread, err := access.Readers(secret.Facts.ARN)
	if err != nil {
		return err
	}
	shown, counts, keyOnly := countReaders(readers, all)
	if env.AsJSON() {
		err = writeReadersJSON(env, secret.Facts.ARN, shown, unread)
	} else {
		err = writeReaders(env, shown)
	}
	if err != nil {
		return fmt.Errorf("write readers: %w", err)
	}
	fmt.Fprintf(env.Stderr, "%s: %s, %d unknown, %d with the secret lock alone, %d with the key lock alone\n", secret.Facts.ARN,
		output.Count(counts[policy.Allowed], "principal can open it", "principals can open it"), counts[policy.Unknown], counts[policy.ImplicitlyDenied], keyOnly)
	input.NoteUnread(env, unread)
	return nil
}

// countReaders sorts out those with the key lock alone: under the AWS managed key that is everybody in the account.
func countReaders(readers []inventory.Reader, all bool) (shown []inventory.Reader, counts map[policy.Answer]int, keyOnly int) {
	counts = map[policy.Answer]int{}
	for _, r := range readers {
		if secret, _ := r.Holds(); r.Answer == policy.ImplicitlyDenied && !secret && r.SecretLock.Answer != policy.Unknown {
			keyOnly++
			if !all {
				continue
			}
		} else {
			counts[r.Answer]++
		}
		shown = append(shown, r)
	}
	return shown, counts, keyOnly
}

func writeReaders(env *command.Env, readers []inventory.Reader) error {
	table := env.Rows("OPENS", "SECRET LOCK", "KEY LOCK", "PRINCIPAL", "WHY")
	for _, r := range readers {
		table.Add(locks.ReaderWords[r.Answer], locks.LockWords[r.SecretLock.Answer], locks.LockWords[r.KeyLock.Answer], r.Principal, locks.Decisive(r))
	}
	return table.Print()
}

func writeReadersJSON(env *command.Env, secret string, readers []inventory.Reader, unread []inventory.Unread) error {
	out := struct {
		Secret  string             `json:"secret"`
		Readers []locks.Reader     `json:"readers"`
		Unread  []inventory.Unread `json:"unread"`
	}{Secret: secret, Readers: []locks.Reader{}, Unread: append([]inventory.Unread{}, unread...)}
	for _, r := range readers {
		out.Readers = append(out.Readers, locks.ReaderOf(r))
	}
	return env.JSON(out)
}
