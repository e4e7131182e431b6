package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live"
	"github.com/doublelock/doublelock/shared/settings"
)

type canaryOptions struct {
	wanted   bool
	accounts []string
	role     string
	region   string
	patience time.Duration
}

func (o *canaryOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.wanted, "canary", false, "also make a harmless secret on the default key, follow it through the hub and remove it")
	f.StringSliceVar(&o.accounts, "canary-account", nil, "make it in these accounts (default: the security account)")
	f.StringVar(&o.role, "canary-role", "", "name of the role to make it with, which the credentials at hand may take (default: those credentials)")
	f.StringVar(&o.region, "canary-region", "", "make it in this Region (default: the home Region)")
	f.DurationVar(&o.patience, "canary-wait", 5*time.Minute, "how long to wait for each hop")
}

// runCanaries lets one canary after the other fly, and stops between two when the user has had enough.
func runCanaries(ctx context.Context, env *command.Env, config settings.Config, door *cloud.Cloud, o canaryOptions) []fleet.Row {
	accounts := o.accounts
	if len(accounts) == 0 {
		accounts = []string{config.Organization.SecurityAccount}
	}
	var rows []fleet.Row
	for _, account := range accounts {
		if ctx.Err() != nil {
			break
		}
		canary, err := live.Canary(ctx, door, config, live.CanaryAt{
			Account: account, Region: cmp.Or(o.region, config.Regions.Home), Role: o.role, ID: canaryID(),
		})
		if err != nil {
			rows = append(rows, fleet.Row{Account: account, Check: fleet.CheckCanary, Status: fleet.Unknown, Detail: err.Error(),
				Fix: "Run it with credentials that may look at the organization."})
			continue
		}
		canary.Patience, canary.Now = o.patience, env.Now
		rows = append(rows, canary.Fly(ctx)...)
	}
	return rows
}

func canaryID() string {
	id := make([]byte, 6)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}
