package config

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

func New(env *command.Env) *cobra.Command {
	config := &cobra.Command{
		Use:   "config",
		Short: "Write, check and describe doublelock.yaml",
	}
	config.AddCommand(configInitCommand(env), configValidateCommand(env), configSchemaCommand(env))
	return config
}

func configSchemaCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of doublelock.yaml, for editors",
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
	live := false
	command := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check doublelock.yaml and say what is wrong where, and how to fix it",
		Long: `Checks configuration files (doublelock.yaml when none is named, - for standard input) before anything is deployed.
Every problem is a line: file:line:column: what is wrong; how to fix it. With --live it also asks AWS Organizations
whether the organization, its accounts and OUs are the ones written down; that takes credentials that may read it.`,
		Example: `  doublelock config validate
  doublelock config validate --live prod.yaml
  doublelock config validate -o json *.yaml`,
		RunE: func(command *cobra.Command, files []string) error {
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
				if err := v.compare(command.Context(), file); err != nil {
					return err
				}
			}
			return v.finish(len(files))
		},
	}
	command.Flags().BoolVar(&live, "live", false, "compare with AWS Organizations, with the credentials of the environment")
	return command
}

// validation collects what is wrong over all files.
type validation struct {
	env   *command.Env
	count int
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
	return file, err
}

// tooLong makes of a configuration what AWS limits the length of: the SCPs and what the functions are told.
func tooLong(config settings.Config) error {
	if _, err := preventive.SCPs(config); err != nil {
		return err
	}
	_, err := config.Runtime().Env()
	return err
}

// print writes problems to standard error as lines, or to standard output as JSON, an object a line.
func (v *validation) print(problems settings.Problems) error {
	v.count += len(problems)
	for _, problem := range problems {
		if v.env.Format == output.JSON {
			if err := json.NewEncoder(v.env.Stdout).Encode(problem); err != nil {
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
		return &command.ExitError{Code: command.Failure, Err: fmt.Errorf("%s in %s", output.Count(v.count, "problem"), output.Count(files, "file"))}
	}
	if v.env.Format == output.JSON {
		return nil
	}
	_, err := fmt.Fprintf(v.env.Stdout, "%s: no problems\n", output.Count(files, "file"))
	return err
}
