// Package config is doublelock config: doublelock.yaml is written, checked and described.
package config

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	config := &cobra.Command{
		Use:   "config",
		Short: "Write, check and describe doublelock.yaml",
		Example: `  doublelock config init
  doublelock config validate --live
  doublelock config schema > doublelock.schema.json`,
	}
	config.AddCommand(configInitCommand(env), configValidateCommand(env), configSchemaCommand(env))
	return config
}

func configSchemaCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of doublelock.yaml, for editors",
		Long: `Schema prints the JSON Schema of doublelock.yaml, with which editors complete and check it while it is written.

Exit codes: 0 fine, 1 an error.`,
		Example: `  doublelock config schema > doublelock.schema.json
  # and in the first line of doublelock.yaml:
  # yaml-language-server: $schema=doublelock.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := settings.Schema()
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(schema)
			return err
		},
	}
}

func configValidateCommand(env *command.Env) *cobra.Command {
	live, config := false, ""
	cmd := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check doublelock.yaml and say what is wrong where, and how to fix it",
		Long: `Checks configuration files (doublelock.yaml when none is named, - for standard input) before anything is deployed.
Every problem is a line: file:line:column: what is wrong; how to fix it. What is valid, and does less than it seems to,
is a line with "warning:", such as an approved alias that its owner can move because no SCP of the stage forbids it. With --live it also asks AWS Organizations
whether the organization, its accounts and OUs are the ones written down; that takes credentials that may read it.

Exit codes: 0 no problems, 1 a problem or an error.`,
		Example: `  doublelock config validate
  doublelock config validate --live prod.yaml
  doublelock config validate -o json *.yaml`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if config != "" {
				files = append(files, config)
			}
			if len(files) == 0 {
				files = []string{input.ConfigName}
			}
			v := validation{env: env}
			for _, name := range files {
				file, err := v.check(name)
				if err != nil {
					return err
				}
				if file == nil || !live {
					continue
				}
				if err := v.compare(cmd.Context(), file); err != nil {
					return err
				}
			}
			return v.finish(len(files))
		},
	}
	input.ConfigFlag(cmd, &config, "configuration `FILE` to check, as if it were named behind the command (default: "+input.ConfigName+")")
	cmd.Flags().BoolVar(&live, "live", false, "compare with AWS Organizations, with the credentials of the environment")
	return cmd
}

// validation collects what is wrong over all files.
type validation struct {
	env   *command.Env
	count int // of problems

	warned int
}

// check reads a file and prints its problems. It answers nil for a file that has some, and errs only when nothing can
// be said.
func (v *validation) check(name string) (*settings.File, error) {
	file, err := input.File(v.env, name)
	if err == nil {
		err = file.Locate(tooLong(file.Config))
	}
	var problems settings.Problems
	if errors.As(err, &problems) {
		return nil, v.print(problems)
	}
	if err != nil {
		return file, err
	}
	return file, v.warn(file.Warnings())
}

// tooLong makes of a configuration what AWS limits the length of: the SCPs and what the functions are given.
func tooLong(config settings.Config) error {
	if _, err := preventive.Policies(config); err != nil {
		return err
	}
	_, err := config.Runtime().Env()
	return err
}

// warn prints what is valid, and does less than it seems to.
func (v *validation) warn(warnings settings.Problems) error {
	before := v.count
	err := v.print(warnings)
	v.count, v.warned = before, v.warned+len(warnings)
	return err
}

// print writes problems to standard error as lines, or to standard output as JSON, an object a line.
func (v *validation) print(problems settings.Problems) error {
	v.count += len(problems)
	for _, problem := range problems {
		if v.env.AsJSON() {
			if err := v.env.JSON(problem); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintln(v.env.Stderr, problem); err != nil {
			return err
		}
	}
	return nil
}

func (v *validation) finish(files int) error {
	if v.count > 0 {
		return command.Fail("%s in %s", output.Count(v.count, "problem"), output.Count(files, "file"))
	}
	if v.env.AsJSON() {
		return nil
	}
	said := ""
	if v.warned > 0 {
		said = ", " + output.Count(v.warned, "warning")
	}
	_, err := fmt.Fprintf(v.env.Stdout, "%s: no problems%s\n", output.Count(files, "file"), said)
	return err
}
