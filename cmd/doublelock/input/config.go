// Package input reads the files that commands name: doublelock.yaml, a snapshot, a plan, cases and recorded CloudTrail.
package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/settings"
)

// ConfigName is where the configuration is when nobody says otherwise.
const ConfigName = "doublelock.yaml"

// ConfigFlag adds --config with what the help says about it. Config holds its default.
func ConfigFlag(cmd *cobra.Command, config *string, usage string) {
	cmd.Flags().StringVarP(config, "config", "c", *config, usage)
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// StandIn is the help of --config for commands that Config reads for.
const StandIn = "configuration `FILE` (default: " + ConfigName + " if it is there, else what a new organization would get)"

// OrEnvironment is the help of --config for commands that run in the hub's environment, too.
const OrEnvironment = "configuration `FILE` (default: " + ConfigName + " if it is there, else the environment)"

// Config reads the configuration that --config names, and says which. Without one it stands in for a new organization.
func Config(env *command.Env, path string) (settings.Config, string, error) {
	if path == "" {
		if _, err := os.Stat(ConfigName); errors.Is(err, fs.ErrNotExist) {
			env.Note("no %s here; an organization with the defaults stands in for yours", ConfigName)
			return newOrganization(), "the defaults", nil
		}
		path = ConfigName
	}
	if path == "-" || !plain(path) {
		file, err := File(env, path)
		if err != nil {
			return settings.Config{}, path, err
		}
		return file.Config, path, nil
	}
	config, err := settings.Load(path)
	return config, path, err
}

// newOrganization is the least a configuration says.
func newOrganization() settings.Config {
	return settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", RootID: "r-ab12", ManagementAccount: "111111111111", SecurityAccount: "222222222222"},
		Regions:      settings.Regions{Home: "us-east-1", Guarded: []string{"us-east-1"}},
		Rollout:      []settings.RolloutStage{{Name: "everything", Targets: []string{"r-ab12"}, SCP: true, BacklogMigrated: true}},
	}
}

// File reads a configuration with the places of what it says, from standard input for "-".
func File(env *command.Env, name string) (*settings.File, error) {
	if name != "-" && plain(name) {
		file, err := settings.Open(name, env.Now())
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w; doublelock config init writes one", err)
		}
		return file, err
	}
	raw, err := ReadFile(env, name, settings.MaxBytes)
	if err != nil {
		return nil, err
	}
	if name == "-" {
		name = "standard input"
	}
	return settings.Read(name, raw, env.Now())
}
