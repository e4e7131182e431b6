package main

import (
	"context"

	"github.com/doublelock/doublelock/handlers/doctor"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/spf13/pflag"
)

type canaryOptions struct{ wanted bool }

func (o *canaryOptions) flags(f *pflag.FlagSet) {}

func runCanaries(ctx context.Context, env *environment, config settings.Config, o canaryOptions) []doctor.Row {
	return nil
}
