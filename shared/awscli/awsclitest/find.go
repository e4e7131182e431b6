// Package awsclitest finds the real AWS CLI for tests that run what a person pastes, and pastes it into a shell.
package awsclitest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Find is the path of the aws CLI that `make setup` installs in the repository, or of the machine's own. Without one the
// test is skipped, or fails where CI is set.
func Find(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		own := filepath.Join(folder, ".venv", "bin", "aws")
		if _, err := os.Stat(own); err == nil {
			return own
		}
		above := filepath.Dir(folder)
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil || above == folder {
			break
		}
		folder = above
	}
	found, err := exec.LookPath("aws")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no aws CLI: run make setup")
		}
		t.Skip("no aws CLI: run make setup")
	}
	return found
}

// Paste pastes lines into a shell that stops at the first failure, as a terminal gives them to it: what reads standard
// input reads what was pasted after it. It answers what was printed.
func Paste(ctx context.Context, folder string, env []string, lines ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-e")
	shell.Stdin, shell.Env, shell.Dir = strings.NewReader("{\n"+strings.Join(lines, "\n")+"\n}\n"), env, folder
	out, err := shell.CombinedOutput()
	return string(out), err
}
