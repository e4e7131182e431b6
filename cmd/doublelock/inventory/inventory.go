// Package inventory is doublelock inventory: one snapshot file of who can open what.
package inventory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/snapshots"
	"github.com/doublelock/doublelock/shared/inventory"
)

// request is what the flags of inventory ask for.
type request struct {
	env      *command.Env
	out      string
	config   string
	accounts []string
	regions  []string
	atOnce   int
	own      bool
	maxAge   time.Duration
}

// New is the command.
func New(env *command.Env) *cobra.Command {
	s := &request{env: env, atOnce: 4, maxAge: 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Take a snapshot of principals, policies, secrets and keys, for can, readers and keys",
		Long: `Inventory reads, account by account, what decides who can open which secret: roles, users, groups and their
policies, SCPs and RCPs, secrets with their resource policies, keys with their policies and grants. It reads no secret
value, needs the role doublelock-read in every account, and writes one snapshot file.

An account that cannot be entered is a line in the snapshot's "unread": every answer that it could change is unknown.
The run can be stopped and taken up again: what is read of an account is kept beside the file, in FILE.parts, until
all are read. What is written to standard output is not kept.

Exit codes: 0 a snapshot was written (its blind spots are named), 1 an error, or nothing could be read.`,
		Example: `  doublelock inventory --out org.json
  doublelock inventory --out shop.json --account 111122223333 --region eu-central-1
  doublelock inventory --out here.json --own          # the account of your own credentials, without any role`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), cmd.Flags()) },
	}
	f := cmd.Flags()
	f.StringVar(&s.out, "out", "", "snapshot `FILE` to write, - for standard output")
	input.ConfigFlag(cmd, &s.config, input.OrEnvironment)
	flags.Accounts(cmd, &s.accounts, "account", "`ACCOUNT` to read; may be repeated (default: every active account of the organization)")
	flags.Regions(cmd, &s.regions, "region", "`REGION` to read; may be repeated (default: the guarded Regions)")
	flags.Count(cmd, &s.atOnce, "at-once", "`NUMBER` of accounts to read at once")
	f.BoolVar(&s.own, "own", false, "read the account of the credentials, with the credentials themselves")
	flags.Duration(cmd, &s.maxAge, "max-age", "how old the parts of a run that was stopped may be")
	return cmd
}

func (s *request) run(ctx context.Context, given *pflag.FlagSet) error {
	if s.out == "" {
		return errors.New("inventory: say where to: --out FILE")
	}
	switch {
	case s.own && len(s.accounts) > 0:
		return errors.New("inventory: --own reads the account of the credentials; leave out --account, or --own")
	case s.own && given.Changed("at-once"):
		return errors.New("inventory: --own reads a single account; leave out --at-once, or --own")
	}
	if err := s.env.CheckFile(s.out); err != nil { // before minutes of reading
		return err
	}
	if err := s.parts().check(); err != nil {
		return err
	}
	client, reader, err := s.open(ctx)
	if err != nil {
		return err
	}
	known := s.accounts
	if s.own {
		own, err := client.Own(ctx)
		if err != nil {
			return fmt.Errorf("find the account of the credentials: %w", err)
		}
		s.accounts, known = []string{own}, []string{own}
	}
	done := s.env.Wait("AWS Organizations for its accounts and policies")
	organization := reader.Organization(ctx, known)
	done()
	parts, err := s.readAccounts(ctx, reader, organization)
	if err != nil {
		return err
	}
	if err := somethingRead(parts); err != nil {
		return err
	}
	all := inventory.Merge(append([]inventory.Snapshot{organization}, parts...)...)
	all.Keys = append(all.Keys, reader.ForeignKeys(ctx, all)...)
	all = inventory.Merge(all)
	s.note(&all)
	var text bytes.Buffer
	if err := inventory.Save(&text, all); err != nil {
		return err
	}
	if err := s.env.WriteFile(s.out, text.Bytes()); err != nil {
		return err
	}
	if err := s.parts().remove(); err != nil {
		return err
	}
	return s.report(all)
}

// open finds Regions and accounts in the environment contract, and in the configuration where there is one.
func (s *request) open(ctx context.Context) (*cloud.Cloud, *fleet.Snapshots, error) {
	options := cloud.FromEnv(s.env.Getenv)
	options.KeyDetails, options.Now = true, s.env.Now
	if _, err := os.Stat(cmp.Or(s.config, input.ConfigName)); s.config != "" || err == nil {
		config, _, err := input.Config(s.env, s.config)
		if err != nil {
			return nil, nil, err
		}
		options.Region = cmp.Or(options.Region, config.Regions.Home)
		options.HubAccount = cmp.Or(options.HubAccount, config.Organization.SecurityAccount)
		options.ManagementAccount = cmp.Or(options.ManagementAccount, config.Organization.ManagementAccount)
		if len(options.Regions) == 0 {
			options.Regions = config.Regions.Guarded
		}
	}
	if len(s.regions) > 0 {
		options.Regions = s.regions
	}
	if s.own {
		options.AssumeRoles, options.ManagementAccount = false, ""
	}
	regions := options.Regions
	if len(regions) == 0 {
		regions = []string{options.Region}
	}
	if err := flags.CheckRegions(regions); err != nil {
		return nil, nil, fmt.Errorf("inventory: %w", err)
	}
	client, err := profile.Open(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	return client, snapshots.New(client, regions, s.env.Now), nil
}

// readAccounts reads what is asked for and is not left from a run that was stopped.
func (s *request) readAccounts(ctx context.Context, reader *fleet.Snapshots, organization inventory.Snapshot) ([]inventory.Snapshot, error) {
	ids := s.accounts
	if len(ids) == 0 {
		for _, account := range organization.Accounts {
			ids = append(ids, account.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no account to read: %s; name one with --account, or use --own", organization.Unread[0].Why)
	}
	kept := s.parts()
	parts, left, err := kept.load(ids, s.env.Now().Add(-s.maxAge))
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		fmt.Fprintf(s.env.Stderr, "taking up: %s of %d left from before\n", output.Count(len(parts), "account"), len(ids))
	}
	bar := s.env.Progress("accounts", len(ids))
	bar.Set(len(parts), len(ids), "accounts")
	defer bar.Done()
	err = reader.Accounts(ctx, left, s.atOnce, func(id string, part inventory.Snapshot) error {
		parts = append(parts, part)
		bar.Step(id)
		return kept.save(id, part)
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts (run it again to go on): %w", err)
	}
	return parts, nil
}

// note adds that the rest of the organization was not asked for.
func (s *request) note(all *inventory.Snapshot) {
	if len(s.accounts) == 0 {
		return
	}
	for _, account := range all.Accounts {
		if slices.Contains(s.accounts, account.ID) {
			continue
		}
		for _, part := range []inventory.Part{inventory.PartPrincipals, inventory.PartSecrets, inventory.PartKeys} {
			all.Unread = append(all.Unread, inventory.Unread{Part: part, Account: account.ID, Why: "not asked for"})
		}
	}
	*all = inventory.Merge(*all)
}

func (s *request) report(all inventory.Snapshot) error {
	env := s.env.Beside(s.out)
	if env.AsJSON() {
		return env.JSON(map[string]any{"file": s.out, "accounts": len(all.Accounts), "principals": len(all.Principals),
			"secrets": len(all.Secrets), "keys": len(all.Keys), "unread": append([]inventory.Unread{}, all.Unread...)})
	}
	fmt.Fprintf(env.Stdout, "%s: %s, %s, %s, %s\n", s.out, output.Count(len(all.Accounts), "account"),
		output.Count(len(all.Principals), "principal"), output.Count(len(all.Secrets), "secret"), output.Count(len(all.Keys), "key"))
	input.NoteUnread(env, all.Unread)
	return nil
}

// somethingRead refuses a snapshot of nothing but blind spots: whoever asks it later would take it for an organization
// without secrets.
func somethingRead(parts []inventory.Snapshot) error {
	var why string
	for _, part := range parts {
		if len(part.Unread) == 0 || len(part.Principals)+len(part.Secrets)+len(part.Keys) > 0 {
			return nil
		}
		why = cmp.Or(why, part.Unread[0].Why)
	}
	return command.Fail("inventory: %s asked and none could be read, so nothing is written: %s; let the credentials take the role doublelock-read there, or use --own",
		output.Count(len(parts), "account was", "accounts were"), output.Printable(why))
}
