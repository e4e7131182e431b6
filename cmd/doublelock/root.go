package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// environment is everything a command may touch outside its arguments.
type environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	output         string // "table" or "json"
	color          bool
}

// exitError carries the exit code of a command: 1 for an error, 2 for findings. A nil err prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

const (
	exitFailure  = 1
	exitFindings = 2
)

func rootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "doublelock",
		Short: "Keep every AWS Secrets Manager secret under two locks",
		Long: `Doublelock keeps every AWS Secrets Manager secret of an organization double-locked: reading it takes permission
on the secret and on a customer managed KMS key that the organization can switch off.

Exit codes: 0 fine, 1 an error, 2 findings.`,
		Example: `  doublelock demo                 # an organization on this laptop, no AWS account needed
  doublelock replay trail/        # what Doublelock would do with recorded CloudTrail
  doublelock demo -o json | jq .  # the same, one JSON object a line`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if env.output != "table" && env.output != "json" {
				return fmt.Errorf("output %q: use -o table or -o json", env.output)
			}
			return nil
		},
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	flags := root.PersistentFlags()
	flags.StringVarP(&env.output, "output", "o", "table", "output format: table or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(commands(env)...)
	return root
}

// colorWanted follows NO_COLOR (no-color.org) and leaves pipes and files plain.
func colorWanted(out io.Writer, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
