package main

import (
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
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	env.Flag(root)
	root.AddCommand(
		audit.New(env), can.New(env), demo.New(env), doctor.New(env), config.New(env), inventory.New(env), keys.New(env),
		migrate.New(env), readers.New(env), replay.New(env), scp.New(env), policy.New(env), version.New(env),
	)
	return root
}
