package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/canary"
	"github.com/doublelock/doublelock/shared/settings"
)

type canaryOptions struct {
	wanted   bool
	accounts []string
	role     string
	region   string
	patience time.Duration
}

func (o *canaryOptions) flags(cmd *cobra.Command) {
	o.patience = 5 * time.Minute
	f := cmd.Flags()
	f.BoolVar(&o.wanted, "canary", false, "also make a harmless secret on the default key, follow it through the hub and remove it")
	flags.Accounts(cmd, &o.accounts, "canary-account", "`ACCOUNT` of the organization to make it in; may be repeated (default: the security account)")
	f.StringVar(&o.role, "canary-role", "", "name of the `ROLE` to make it with, which the credentials at hand may take (default: those credentials, in their own account)")
	flags.Region(cmd, &o.region, "canary-region", "guarded `REGION` to make it in (default: the home Region)")
	flags.Duration(cmd, &o.patience, "canary-wait", "how long to wait for each hop")
}

// check refuses flags that say how to make a canary which nobody asked for.
func (o *canaryOptions) check(given *pflag.FlagSet) error {
	if o.wanted {
		return nil
	}
	for _, name := range []string{"canary-account", "canary-role", "canary-region", "canary-wait"} {
		if given.Changed(name) {
			return command.Fail("doctor: --%s does nothing without --canary; add --canary", name)
		}
	}
	return nil
}

// asking is how long the questions before a canary may take.
const asking = time.Minute

// refuse says before anything is made why a canary cannot be made where it was asked for, or would prove nothing there.
func (o *canaryOptions) refuse(ctx context.Context, client *cloud.Cloud, config settings.Config) error {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if o.region != "" && !slices.Contains(config.Regions.Guarded, o.region) {
		return command.Fail("doctor: --canary-region %s is not guarded, so no event would come from there; use %s", o.region, strings.Join(config.Regions.Guarded, " or "))
	}
	if o.role == "" {
		own, err := client.Own(ctx)
		if err != nil {
			return fmt.Errorf("doctor: find the account of the credentials: %w", err)
		}
		for _, account := range o.where(config) {
			if account != own {
				return command.Fail("doctor: a canary in %s would be made in %s, to which the credentials belong; name a role of %s with --canary-role", account, own, account)
			}
		}
	}
	return o.members(ctx, client, config)
}

// members refuses accounts that are not of the organization.
func (o *canaryOptions) members(ctx context.Context, client *cloud.Cloud, config settings.Config) error {
	if len(o.accounts) == 0 {
		return nil // the security account: doctor inspects it in any case
	}
	accounts, err := organization.New(client).Accounts(ctx)
	if err != nil {
		return fmt.Errorf("doctor: find out whether --canary-account is of the organization: %w", err)
	}
	for _, id := range o.accounts {
		if !slices.ContainsFunc(accounts, func(a organization.Account) bool { return a.ID == id && a.Active() }) {
			return command.Fail("doctor: --canary-account %s is no active account of %s; use one of its accounts", id, config.Organization.ID)
		}
	}
	return nil
}

func (o *canaryOptions) where(config settings.Config) []string {
	if len(o.accounts) > 0 {
		return o.accounts
	}
	return []string{config.Organization.SecurityAccount}
}

// hops is how many waits a canary has at most: it is made, found, tagged and notified of.
const hops = 4

// runCanaries lets one canary after the other fly, and stops between two when the user has had enough.
func runCanaries(ctx context.Context, env *command.Env, config settings.Config, client *cloud.Cloud, o canaryOptions) []fleet.Row {
	var rows []fleet.Row
	for _, account := range o.where(config) {
		if ctx.Err() != nil {
			break
		}
		rows = append(rows, o.run(ctx, env, config, client, account)...)
	}
	return rows
}

func (o *canaryOptions) run(ctx context.Context, env *command.Env, config settings.Config, client *cloud.Cloud, account string) []fleet.Row {
	region := cmp.Or(o.region, config.Regions.Home)
	ctx, cancel := context.WithTimeout(ctx, hops*o.patience)
	defer cancel()
	defer env.Wait("the canary in %s %s to come through the hub, up to %s a hop", account, region, o.patience)()
	canary, err := canary.New(ctx, client, config, canary.At{Account: account, Region: region, Role: o.role, ID: canaryID()})
	if err != nil {
		return []fleet.Row{{Account: account, Check: fleet.CheckCanary, Status: fleet.Unknown, Detail: err.Error(),
			Fix: "Run it with credentials that may inspect the organization."}}
	}
	canary.Patience, canary.Now = o.patience, env.Now
	return canary.Fly(ctx)
}

func canaryID() string {
	id := make([]byte, 6)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}
