package input

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/inventory"
)

// SnapshotFlag adds --snapshot, without which the command has nothing to ask.
func SnapshotFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("snapshot", "s", "", `snapshot file from "doublelock inventory", or "-" for standard input`)
	_ = cmd.MarkFlagFilename("snapshot", "json")
	return path
}

// Snapshot reads a snapshot file, from standard input for "-", ready to be asked.
func Snapshot(env *command.Env, path string) (*inventory.Access, error) {
	if path == "" {
		return nil, errors.New(`no snapshot: take one with "doublelock inventory", then name it with --snapshot FILE`)
	}
	in, err := readJSON(env, path, snapshotKind)
	if in == nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	snapshot, err := inventory.Load(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return inventory.Prepare(snapshot), nil
}

// NoteUnread names on standard error the blind spots that an answer has.
func NoteUnread(env *command.Env, unread []inventory.Unread) {
	for _, u := range unread {
		fmt.Fprintln(env.Stderr, "doublelock: unread:", output.Printable(unreadLine(u)))
	}
}

func unreadLine(u inventory.Unread) string {
	line := string(u.Part)
	if u.Account != "" {
		line += " of " + u.Account
	}
	if u.Region != "" {
		line += " in " + u.Region
	}
	return line + ": " + u.Why
}
