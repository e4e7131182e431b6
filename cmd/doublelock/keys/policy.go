package keys

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/preventive"
)

func keysPolicyCommand(env *command.Env) *cobra.Command {
	var r preventive.KeyRequest
	shape, as := "", "json"
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write the least key policy for an application, a vendor or named accounts",
		Long: `Policy writes a key policy for one of three shapes: administrators manage, users use the key through Secrets Manager
alone. Before it is printed it is tried for every principal that is named, and each line "checked:" is what came out.

  app      the secrets of one application: --reader, --writer, --secret
  vendor   one secret for one role of somebody else: --reader, --writer, --secret
  central  a key for the secrets of several accounts: --use-account

Exit codes: 0 fine, 1 an error.`,
		Example: `  doublelock keys policy --shape app --account 111122223333 --region eu-central-1 \
      --reader arn:aws:iam::111122223333:role/app --writer arn:aws:iam::111122223333:role/deploy
  doublelock keys policy --shape vendor --account 111122223333 --region eu-central-1 --as terraform \
      --reader arn:aws:iam::555566667777:role/acme --writer arn:aws:iam::111122223333:role/deploy \
      --secret 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:vendor/acme-??????'
  doublelock keys policy --shape central --account 222222222222 --region eu-central-1 --use-account 111122223333 --as cdk`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if env.AsJSON() && as != "json" {
				return fmt.Errorf("keys policy: -o json and --as %s are two languages; leave out one", as)
			}
			r.Shape = preventive.Shape(shape)
			return runKeysPolicy(env, r, as)
		},
	}
	flags.Choice(cmd, &shape, []string{string(preventive.ShapeApp), string(preventive.ShapeVendor), string(preventive.ShapeCentral)}, "shape", "`SHAPE` of the policy: app, vendor or central")
	flags.Account(cmd, &r.Account, "account", "`ACCOUNT` that owns the key")
	flags.Region(cmd, &r.Region, "region", "`REGION` of the key and the secrets")
	flags.ARNs(cmd, &r.Admins, "iam", "admin", "`ARN` of a role that manages the key; may be repeated (default: by IAM in the account)")
	flags.ARNs(cmd, &r.Readers, "iam", "reader", "`ARN` of a role that reads; may be repeated")
	flags.ARNs(cmd, &r.Writers, "iam", "writer", "`ARN` of a role that creates, writes or rotates; may be repeated")
	flags.ARNs(cmd, &r.Secrets, "secretsmanager", "secret", "`ARN` of a secret, with * and ?; may be repeated")
	flags.Accounts(cmd, &r.Accounts, "use-account", "`ACCOUNT` that uses a central key; may be repeated")
	flags.Choice(cmd, &as, []string{"json", "cdk", "terraform"}, "as", "`LANGUAGE` to write it in: json, cdk or terraform")
	return cmd
}

func runKeysPolicy(env *command.Env, r preventive.KeyRequest, as string) error {
	print := map[string]func(preventive.Document) (string, error){
		"json": preventive.Document.Indented, "cdk": preventive.KeyCDK, "terraform": preventive.KeyTerraform,
	}[as]
	d, checked, err := preventive.KeyPolicy(r)
	if err != nil {
		return err
	}
	text, err := print(d)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.Stdout, strings.TrimSuffix(text, "\n")); err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	for _, s := range d.Statement {
		fmt.Fprintf(env.Stderr, "%-14s %s\n", s.Sid, s.Why)
	}
	for _, sentence := range checked {
		fmt.Fprintln(env.Stderr, "checked:", output.Printable(sentence))
	}
	return nil
}
