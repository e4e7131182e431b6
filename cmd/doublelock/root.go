package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/audit"
	"github.com/doublelock/doublelock/cmd/doublelock/can"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/config"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/doctor"
	"github.com/doublelock/doublelock/cmd/doublelock/inventory"
	"github.com/doublelock/doublelock/cmd/doublelock/keys"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/cmd/doublelock/policy"
	"github.com/doublelock/doublelock/cmd/doublelock/readers"
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

Exit codes: 0 fine, 1 an error, 2 findings.`,
		Example: `  doublelock demo                 # an organization on this laptop, no AWS account needed
  doublelock replay trail/        # what Doublelock would do with recorded CloudTrail
  doublelock demo -o json | jq .  # the same, one JSON object a line`,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		SilenceErrors:              true,
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
		audit.New(env), can.New(env), demo.New(env), doctor.New(env), config.New(env), inventory.New(env), keys.New(env),
		migrate.New(env), readers.New(env), replay.New(env), scp.New(env), policy.New(env), version.New(env),
	)
	refuseUnknown(root)
	return root
}

// refuseUnknown makes every command that only holds others refuse what it does not hold, in one line. Alone it prints
// its help.
func refuseUnknown(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		refuseUnknown(cmd)
	}
	if parent.Runnable() || !parent.HasSubCommands() {
		return
	}
	parent.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		fix := cmd.CommandPath() + " --help lists them"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			fix = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("unknown command %q for %q; %s", args[0], cmd.CommandPath(), fix)
	}
	parent.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}
