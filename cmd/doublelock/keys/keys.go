// Package keys is doublelock keys: keys of a snapshot are reviewed, and policies for new ones written.
package keys

import (
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Review the keys that secrets are under, and write policies for new ones",
		Example: `  doublelock keys review --snapshot org.json
  doublelock keys policy --shape app --account 111122223333 --region eu-central-1 \
      --reader arn:aws:iam::111122223333:role/app --writer arn:aws:iam::111122223333:role/deploy`,
	}
	cmd.AddCommand(keysReviewCommand(env), keysPolicyCommand(env))
	return cmd
}
