// Package migrate is doublelock migrate: secrets are moved to customer managed keys, and back.
package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// moving is what the flags of the migrate commands ask for.
type moving struct {
	env          *command.Env
	config       string
	regions      []string
	inspects     bool // and not the hub's table alone
	accounts     []string
	accept       []string
	acceptUnread bool
	runtime      settings.Runtime
	cloud        *cloud.Cloud // once opened
	caller       string       // ARN, once asked for
}

// New is the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move secrets to customer managed keys without breaking a reader, and back",
		Long: `Migrate takes secrets from the AWS managed key to sealed in phases: planned, rekeyed, observing, sealing, sealed.
The plan says who would lose access and what mends it; apply refuses a plan whose facts have changed; every change is
journaled before it is made, and rollback goes back. Jobs live in the hub's table: a run that is stopped anywhere is
taken up by the next one, or by the hub.`,
		Example: `  doublelock migrate plan --out plan.json
  doublelock migrate apply plan.json --dry-run
  doublelock migrate apply plan.json
  doublelock migrate status`,
	}
	cmd.AddCommand(migratePlanCommand(env), migrateShowCommand(env), migrateApplyCommand(env), migrateStatusCommand(env),
		migrateSealCommand(env), migrateRollbackCommand(env), migrateResumeCommand(env), migrateHistoryCommand(env))
	return cmd
}

// configFlag is for every command that opens the hub.
func (m *moving) configFlag(cmd *cobra.Command) {
	input.ConfigFlag(cmd, &m.config, input.OrEnvironment)
}

// regionFlag is for those that inspect secrets, too.
func (m *moving) regionFlag(cmd *cobra.Command) {
	m.inspects = true
	flags.Regions(cmd, &m.regions, "region", "`REGION` to inspect; may be repeated (default: the guarded Regions)")
}

func (m *moving) acceptFlag(cmd *cobra.Command) {
	flags.ARNs(cmd, &m.accept, "iam", "accept", "`PRINCIPAL_ARN` that may lose access; may be repeated")
	cmd.Flags().BoolVar(&m.acceptUnread, "accept-unread-uses", false, "let secrets move of which CloudTrail recorded more uses than were read: whoever is among them may lose access")
}

// open finds hub, Regions and limits in the environment contract, and in the configuration where there is one.
func (m *moving) open(ctx context.Context) (*fleet.Migrations, error) {
	options := cloud.FromEnv(m.env.Getenv)
	options.KeyDetails, options.Now, options.Session = true, m.env.Now, "migrate"
	var err error
	if m.runtime, err = m.readRuntime(&options); err != nil {
		return nil, err
	}
	if len(m.regions) > 0 {
		options.Regions = m.regions
	}
	if len(options.Regions) == 0 {
		options.Regions = []string{options.Region}
	}
	if m.inspects {
		if err := flags.CheckRegions(options.Regions); err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
	}
	if m.cloud, err = profile.Open(ctx, options); err != nil {
		return nil, err
	}
	return migrations.Parts{
		Cloud: m.cloud, Table: m.table(), Bus: cmp.Or(m.env.Getenv(settings.EnvBus), settings.HubName),
		Regions: options.Regions, Runtime: m.runtime, By: settings.SessionPrefix + "migrate", Now: m.env.Now,
	}.Open(), nil
}

// leftAccounts says why these credentials cannot change secrets, by the accounts in which that is so.
func (m *moving) leftAccounts(ctx context.Context, machine *fleet.Migrations, accounts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, account := range slices.Compact(slices.Sorted(slices.Values(accounts))) {
		err := machine.Engine.MayChange(ctx, account)
		switch {
		case errors.Is(err, migration.ErrLeft):
			out[account] = m.mayNot(account)
		case ctx.Err() != nil:
			return nil, err
		case err != nil: // one account that does not answer holds up none of the others
			out[account] = "whether these credentials may change secrets in " + account + " could not be asked: run it again"
			m.env.Note("%s: %v", account, err)
		}
	}
	return out, nil
}

// table is the name of the hub's table.
func (m *moving) table() string { return cmp.Or(m.env.Getenv(settings.EnvTable), settings.HubName) }

// readRuntime prefers the environment contract, which the local run and the hub have, to a configuration file.
func (m *moving) readRuntime(options *cloud.Options) (settings.Runtime, error) {
	if text := m.env.Getenv(settings.EnvConfig); text != "" && m.config == "" {
		return settings.ParseRuntime(text)
	}
	if _, err := os.Stat(cmp.Or(m.config, input.ConfigName)); m.config == "" && err != nil {
		return settings.Runtime{}, nil //nolint:nilerr // no configuration: the defaults
	}
	config, _, err := input.Config(m.env, m.config)
	if err != nil {
		return settings.Runtime{}, err
	}
	options.Region = cmp.Or(options.Region, config.Regions.Home)
	options.HubAccount = cmp.Or(options.HubAccount, config.Organization.SecurityAccount)
	options.ManagementAccount = cmp.Or(options.ManagementAccount, config.Organization.ManagementAccount)
	if len(options.Regions) == 0 {
		options.Regions = config.Regions.Guarded
	}
	return config.Runtime(), nil
}

func waveNames() []string {
	var names []string
	for _, wave := range migration.Waves() {
		names = append(names, string(wave))
	}
	return names
}

func onePlanFile(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New(command + ": name one plan file, such as plan.json")
		}
		return nil
	}
}
