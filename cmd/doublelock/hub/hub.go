// Package hub opens the hub's table for commands that work on its rows, with the caller's own credentials.
package hub

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/settings"
)

// Open opens the hub's table with the environment's credentials: in the environment contract, or by the configuration that --config
// names. Command is what the caller is called.
func Open(ctx context.Context, env *command.Env, config, command string) (*cloud.Cloud, *table.Table, error) {
	o := cloud.FromEnv(env.Getenv)
	o.Now, o.Session, o.AssumeRoles = env.Now, command, false
	runtime := settings.Runtime{}
	text := env.Getenv(settings.EnvConfig)
	_, missing := os.Stat(cmp.Or(config, input.ConfigName))
	switch {
	case text != "" && config == "":
		var err error
		if runtime, err = settings.ParseRuntime(text); err != nil {
			return nil, nil, err
		}
	case config != "" || missing == nil:
		read, _, err := input.Config(env, config)
		if err != nil {
			return nil, nil, err
		}
		runtime, o.Region = read.Runtime(), cmp.Or(o.Region, read.Regions.Home)
	}
	o.KeepGone = time.Duration(runtime.Keep) * 24 * time.Hour
	c, err := profile.Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return c, table.Open(c, cmp.Or(env.Getenv(settings.EnvTable), settings.HubName)), nil
}
