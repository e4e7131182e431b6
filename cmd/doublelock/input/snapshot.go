package input

import (
	"errors"
	"fmt"
	"strings"

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

// WithoutControlsFlag adds --without-scps, for snapshots of those who may not read the organization.
func WithoutControlsFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("without-scps", false, "take SCPs and RCPs that could not be read to be none; each row says so")
}

// NoteAssumed says on standard error what an answer rests on that nobody read.
func NoteAssumed(env *command.Env, assumed string) {
	if assumed != "" {
		env.Note("%s: what could not be read of the organization is taken to deny nobody", assumed)
	}
}

// Snapshot reads a snapshot file, from standard input for "-", ready to be asked.
func Snapshot(env *command.Env, path string) (*inventory.Access, error) {
	return readSnapshot(env, path, inventory.Prepare)
}

// SnapshotWith is Snapshot, without SCPs and RCPs that could not be read where that is asked for.
func SnapshotWith(env *command.Env, path string, withoutControls bool) (*inventory.Access, error) {
	if withoutControls {
		return readSnapshot(env, path, inventory.PrepareWithoutControls)
	}
	return Snapshot(env, path)
}

func readSnapshot(env *command.Env, path string, prepare func(inventory.Snapshot) *inventory.Access) (*inventory.Access, error) {
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
	return prepare(snapshot), nil
}

// NoteUnread names on standard error the blind spots that an answer has.
func NoteUnread(env *command.Env, unread []inventory.Unread) {
	for _, u := range unread {
		fmt.Fprintln(env.Stderr, "doublelock: unread:", output.Printable(UnreadLine(u)))
	}
}

// NotCounted says in a count which blind spots it leaves out; "" for none.
func NotCounted(unread []inventory.Unread) string {
	const most = 3
	var parts []string
	for _, u := range unread[:min(most, len(unread))] {
		part := unreadPart(u)
		if u.Part == inventory.PartOrganization {
			part = "accounts of the organization"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	if more := len(unread) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return "; not counted one by one, since not read: " + output.Printable(strings.Join(parts, ", "))
}

// UnreadLine says what was not read, and why.
func UnreadLine(u inventory.Unread) string {
	return unreadPart(u) + ": " + u.Why
}

func unreadPart(u inventory.Unread) string {
	part := string(u.Part)
	if u.Account != "" {
		part += " of " + u.Account
	}
	if u.Region != "" {
		part += " in " + u.Region
	}
	return part
}
