// Package doublestest runs a double for the length of a test.
package doublestest

import (
	"os"
	"testing"

	"github.com/doublelock/doublelock/shared/doubles"
)

// Start runs a double for as long as the test lasts; root is the way to the repository's root. Options.Program and .Dir
// are filled in. Where the double is not installed the test is skipped at a desk and fails in CI; where it does not start,
// or ends before the test does, the test fails with a message that says so.
func Start(t testing.TB, d doubles.Double, root string, o doubles.Options) *doubles.Process {
	t.Helper()
	o.Program, o.Dir = Program(t, d, root), t.TempDir()
	p, err := doubles.Start(t.Context(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended := p.Err()
		p.Stop()
		switch {
		case ended != nil:
			t.Error(ended)
		case t.Failed():
			t.Logf("the log of %s ends:\n%s", d, p.Log())
		}
	})
	return p
}

// Program is the double's program. Where it is not installed the test is skipped at a desk and fails in CI.
func Program(t testing.TB, d doubles.Double, root string) string {
	t.Helper()
	program, err := d.Program(root)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return program
}
