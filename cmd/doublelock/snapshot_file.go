package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// snapshotFlag adds --snapshot, without which the command has nothing to ask.
func snapshotFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("snapshot", "s", "", `snapshot file from "doublelock inventory", or "-" for standard input`)
	_ = cmd.MarkFlagFilename("snapshot", "json")
	return path
}

// loadSnapshot reads the snapshot file and says on standard error what it could not see.
func (env *environment) loadSnapshot(path string) (*inventory.Access, error) {
	if path == "" {
		return nil, errors.New(`no snapshot: take one with "doublelock inventory", then name it with --snapshot FILE`)
	}
	in := env.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read snapshot: %w", err)
		}
		defer func() { _ = file.Close() }() // only read: there is nothing to lose
		in = file
	}
	snapshot, err := inventory.Load(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return inventory.Prepare(snapshot), nil
}

// tellUnread names the blind spots that an answer has.
func tellUnread(w io.Writer, unread []inventory.Unread) {
	for _, u := range unread {
		fmt.Fprintln(w, "doublelock: unread:", printable(unreadLine(u)))
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

// lockWords are the answers of a lock as a table shows them.
var lockWords = map[policy.Answer]string{
	policy.Allowed: "open", policy.Unknown: "unknown", policy.ImplicitlyDenied: "closed", policy.ExplicitlyDenied: "denied",
}

// readerWords are the answers of both locks together.
var readerWords = map[policy.Answer]string{policy.Allowed: "yes", policy.Unknown: "unknown", policy.ImplicitlyDenied: "no"}

// lockJSON is one lock in -o json.
type lockJSON struct {
	Answer  policy.Answer `json:"answer"`
	Why     string        `json:"why"`
	Missing []string      `json:"missing,omitempty"` // condition keys that would decide
}

func lockOf(d policy.Decision) lockJSON {
	return lockJSON{Answer: d.Answer, Why: d.Why, Missing: d.Missing}
}

// readerJSON is one principal before one secret in -o json.
type readerJSON struct {
	Principal  string        `json:"principal"`
	Secret     string        `json:"secret"`
	Key        string        `json:"key"`
	Answer     policy.Answer `json:"answer"`
	SecretLock lockJSON      `json:"secretLock"`
	KeyLock    lockJSON      `json:"keyLock"`
}

func readerOf(r inventory.Reader) readerJSON {
	return readerJSON{Principal: r.Principal, Secret: r.Secret, Key: r.Key, Answer: r.Answer, SecretLock: lockOf(r.SecretLock), KeyLock: lockOf(r.KeyLock)}
}

// decisive is the reason of the lock that made the answer.
func decisive(r inventory.Reader) string {
	order := []policy.Decision{r.SecretLock, r.KeyLock}
	for _, want := range []policy.Answer{policy.ExplicitlyDenied, policy.ImplicitlyDenied, policy.Unknown} {
		for i, d := range order {
			if d.Answer == want {
				return []string{"secret: ", "key: "}[i] + d.Why
			}
		}
	}
	return r.Why()
}
