// Package commandtest runs one command in the process of a test, as a shell would run the binary.
package commandtest

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// Line is a command line: the command, the time and what is on standard input.
type Line struct {
	New   func(*command.Env) *cobra.Command
	Now   func() time.Time // nil is the wall clock
	Stdin string
	Ends  context.Context // with a signal; nil is with the test
	Again context.Context // with the second signal; nil never does
}

// Run runs the command with its name and arguments, and returns what it printed and its exit code.
func (l Line) Run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	if l.Now == nil {
		l.Now = time.Now
	}
	if l.Ends == nil {
		l.Ends = t.Context()
	}
	env := &command.Env{Printer: output.New(&out, &errs, os.Getenv), Stdin: strings.NewReader(l.Stdin), Now: l.Now, Getenv: os.Getenv, Again: l.Again}
	root := &cobra.Command{Use: "doublelock", SilenceUsage: true, SilenceErrors: true}
	env.Flag(root)
	root.AddCommand(l.New(env))
	flags.RefuseRepeated(root)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	code = command.Code(env, root.ExecuteContext(l.Ends))
	return out.String(), errs.String(), code
}
