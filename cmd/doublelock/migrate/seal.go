package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

func migrateSealCommand(env *command.Env) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "seal SECRET_ARN",
		Short: "Write the value of a secret again, with the owner's own credentials, so that no older copy is current",
		Long: `Seal is for the owner of a secret that has no rotation. With the owner's own credentials it reads the current value
and writes it again as a new version, in memory: the value is never printed, logged or stored. The new version opens
with the secret's key alone. What somebody else writes meanwhile is kept.

After the first time AWSPREVIOUS still opens with the previous key; a second time, ten minutes later or more, seals
that one too. Nothing else of Doublelock ever reads a value.

It needs secretsmanager:GetSecretValue, PutSecretValue, UpdateSecretVersionStage, DescribeSecret and
ListSecretVersionIds on the secret, and kms:Decrypt and kms:GenerateDataKey on its key.

Exit codes: 0 a new version was written, or none is needed, 1 an error.`,
		Example: "  doublelock migrate seal arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-AbCdEf",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || arn.Of(args[0]).Service != "secretsmanager" {
				return errors.New("migrate seal: name one secret by ARN, such as " + flags.ExampleARN("secretsmanager"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runSeal(cmd.Context(), env, args[0], key) },
	}
	output.Plain(cmd)
	flags.ARN(cmd, &key, "kms", "key", "`KEY_ARN` that the secret must be under (default: whatever customer managed key it is under)")
	return cmd
}

func runSeal(ctx context.Context, env *command.Env, id, key string) error {
	options := cloud.FromEnv(env.Getenv)
	options.AssumeRoles, options.Now = false, env.Now
	options.Region = cmp.Or(options.Region, arn.Of(id).Region)
	client, err := profile.Open(ctx, options)
	if err != nil {
		return err
	}
	ref := guard.SecretRef{ID: id}
	s, err := secrets.New(client).Describe(ctx, ref)
	if err != nil {
		return err
	}
	switch {
	case s.Key.Manager != guard.ManagerCustomer:
		return fmt.Errorf("seal %s: it is under the AWS managed key: a new version would seal nothing; move it to a customer managed key first", s.Name)
	case key != "" && s.Key.ARN != key:
		return fmt.Errorf("seal %s: it is under %s, not under %s", s.Name, s.Key.ARN, key)
	case s.RotationEnabled:
		return fmt.Errorf("seal %s: it has a rotation, which writes new versions by itself: rotate it instead", s.Name)
	case guard.StateOf(s, "") == guard.StateSealed:
		fmt.Fprintf(env.Stdout, "%s: sealed already\n", s.Name)
		return nil
	}
	if _, err := secrets.Seal(ctx, client, id); err != nil {
		return err
	}
	if s, err = secrets.New(client).Describe(ctx, ref); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, sealedLine(s))
	return nil
}

func sealedLine(s guard.Secret) string {
	switch {
	case guard.StateOf(s, "") == guard.StateSealed:
		return s.Name + ": sealed: every labelled version opens with " + s.Key.ARN + " alone"
	case migration.CurrentSealed(s):
		return s.Name + ": AWSCURRENT is sealed; AWSPREVIOUS still opens with the previous key: run this again in ten minutes or later, when nobody needs the previous value"
	}
	return s.Name + ": not sealed: the new version does not open with " + s.Key.ARN + " alone"
}
