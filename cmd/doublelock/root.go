package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/audit"
	"github.com/doublelock/doublelock/cmd/doublelock/can"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/config"
	"github.com/doublelock/doublelock/cmd/doublelock/conformance"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/doctor"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/inventory"
	"github.com/doublelock/doublelock/cmd/doublelock/keys"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/cmd/doublelock/pause"
	"github.com/doublelock/doublelock/cmd/doublelock/policy"
	"github.com/doublelock/doublelock/cmd/doublelock/readers"
	"github.com/doublelock/doublelock/cmd/doublelock/repair"
	"github.com/doublelock/doublelock/cmd/doublelock/replay"
	"github.com/doublelock/doublelock/cmd/doublelock/scp"
	"github.com/doublelock/doublelock/cmd/doublelock/version"
)

func rootCommand(env *command.Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "doublelock",
		Short: "Keep every AWS Secrets Manager secret under two locks",
		Long: `Doublelock keeps every AWS Secrets Manager secret of an organization double-locked: reading it takes permission
on the secret and on a customer managed KMS key that the organization can switch off.

Exit codes: 0 fine, 1 an error, 2 findings; conformance has a third.`,
		Example: `  doublelock demo                 # an organization on this laptop, no AWS account needed
  doublelock replay trail/        # what Doublelock would do with recorded CloudTrail
  doublelock demo -o json | jq .  # the same, one JSON object a line`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	env.Flag(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown ") {
			return fmt.Errorf("%w; %s --help lists them", err, cmd.CommandPath())
		}
		return err
	})
	root.AddCommand(
		audit.New(env), can.New(env), conformance.New(env), demo.New(env), doctor.New(env), config.New(env), inventory.New(env), keys.New(env),
		migrate.New(env), pause.New(env), readers.New(env), repair.New(env), replay.New(env), pause.NewResume(env), scp.New(env), policy.New(env), version.New(env),
	)
	addCobras(root)
	refuseUnknown(root)
	flags.RefuseRepeated(root)
	return root
}

// addCobras adds completion and help now, not when the command line is read, so that they refuse what they do not know as
// the others do.
func addCobras(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Example = "  doublelock completion bash > doublelock.bash"
			for _, shell := range cmd.Commands() {
				shell.Long = strings.TrimSpace(shell.Long) + "\n\nExit codes: 0 fine, 1 an error."
				shell.Example = "  doublelock completion " + shell.Name()
			}
		case "help":
			cmd.Long += "\n\nExit codes: 0 fine, 1 there is no such command."
			cmd.Example = "  doublelock help migrate plan"
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = unknown(found, rest[0])
				}
				return err
			}
		}
	}
}

// refuseUnknown makes every command that only holds others refuse what it does not hold, in one line. Alone it prints
// its help.
func refuseUnknown(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		refuseUnknown(cmd)
	}
	if parent.Args != nil {
		parent.Args = withFix(parent.Args)
	}
	if parent.Runnable() || !parent.HasSubCommands() {
		return
	}
	parent.SuggestionsMinimumDistance = 2
	parent.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknown(cmd, args[0])
	}
	parent.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

func unknown(parent *cobra.Command, name string) error {
	fix := parent.CommandPath() + " --help lists them"
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		fix = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q; %s", name, parent.CommandPath(), fix)
}

// withFix says of arguments that a command does not take what would do. Cobra calls them unknown commands.
func withFix(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil || len(args) == 0 || cmd.HasSubCommands():
			return err
		case strings.HasPrefix(err.Error(), "unknown command ") && cmd.Name() != "help":
			return fmt.Errorf("%s: unexpected argument %q; leave it out, or see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
		case strings.HasPrefix(err.Error(), "accepts "):
			return fmt.Errorf("%s: it %w; see %s --help", cmd.CommandPath(), err, cmd.CommandPath())
		}
		return err
	}
}
