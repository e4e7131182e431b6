// Package scp is doublelock scp: service control policies are printed, and tried before they are attached.
package scp

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scp",
		Short: "Print the service control policies, and try them before they are attached",
		Example: `  doublelock scp render
  doublelock scp simulate --trail trail/`,
	}
	cmd.AddCommand(scpRenderCommand(env), scpSimulateCommand(env))
	return cmd
}

func scpRenderCommand(env *command.Env) *cobra.Command {
	var config, folder string
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Print the SCPs that the configuration asks for, their size, and what each statement is for",
		Long: `Render prints the service control policies that doublelock.yaml asks for: name, size, targets and what each
statement is for. With -o json the documents come with it; with --dir each is written to a file of its own, minified
as it counts against the quota. A configuration in which no stage asks for SCPs is rendered as if every stage did, and
the output says so.

Exit codes: 0 fine, 1 an error.`,
		Example: `  doublelock scp render
  doublelock scp render --config prod.yaml --dir policies/
  doublelock scp render -o json | jq -r '.[0].document'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runRender(env, config, folder) },
	}
	input.ConfigFlag(cmd, &config, input.StandIn)
	cmd.Flags().StringVar(&folder, "dir", "", "write each document to `FOLDER`/NAME.json")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func runRender(env *command.Env, config, folder string) error {
	read, name, err := input.Config(env, config)
	if err != nil {
		return err
	}
	scps, err := renderSCPs(env, read, name)
	if err != nil {
		return err
	}
	if folder != "" {
		if err := writeSCPs(env, folder, scps); err != nil {
			return err
		}
	}
	if env.AsJSON() {
		return writeSCPsJSON(env, scps)
	}
	for _, scp := range scps {
		targets := strings.Join(scp.Targets, ", ")
		fmt.Fprintf(env.Stdout, "%s: %s\n  %d of %d characters; attached to %s\n", scp.Name, scp.Description, scp.Characters(), scp.Quota(), output.OrDash(targets))
		for _, s := range scp.Statements {
			fmt.Fprintf(env.Stdout, "  %-16s %s\n", s.Sid, s.Why)
		}
		fmt.Fprintln(env.Stdout, "  "+scp.Content)
	}
	return nil
}

// renderSCPs renders a configuration. Without stages that ask for SCPs there is nothing to try, so it takes them all.
func renderSCPs(env *command.Env, config settings.Config, name string) ([]preventive.SCP, error) {
	scps, err := preventive.Policies(config)
	if err != nil {
		return nil, err
	}
	if len(scps) > 0 {
		return scps, nil
	}
	env.Note("no stage of %s has scp: true; this is what all of them would get", name)
	for i := range config.Rollout {
		config.Rollout[i].SCP, config.Rollout[i].BacklogMigrated = true, true
	}
	return preventive.Policies(config)
}

func writeSCPs(env *command.Env, folder string, scps []preventive.SCP) error {
	to, err := files.Make(folder)
	if err != nil {
		return fmt.Errorf("scp render --dir: %w", err)
	}
	defer func() { _ = to.Close() }()
	for _, scp := range scps { // all or nothing
		if err := to.Check(fileOf(scp)); err != nil {
			return fmt.Errorf("scp render --dir: %w", err)
		}
	}
	for _, scp := range scps {
		if err := to.Write(fileOf(scp), []byte(scp.Content)); err != nil {
			return fmt.Errorf("scp render --dir: %w", err)
		}
		fmt.Fprintln(env.Stderr, "wrote", filepath.Join(folder, fileOf(scp)))
	}
	return nil
}

func fileOf(scp preventive.SCP) string { return scp.Name + ".json" }

type scpJSON struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Characters  int             `json:"characters"`
	Limit       int             `json:"limit"` // CloudFormation's; Organizations takes quota
	Quota       int             `json:"quota"`
	Targets     []string        `json:"targets"`
	Statements  []statementJSON `json:"statements"`
	Document    json.RawMessage `json:"document"`
}

type statementJSON struct {
	Sid string `json:"sid"`
	Why string `json:"why"`
}

func writeSCPsJSON(env *command.Env, scps []preventive.SCP) error {
	out := []scpJSON{}
	for _, scp := range scps {
		one := scpJSON{Name: scp.Name, Description: scp.Description, Characters: scp.Characters(), Limit: preventive.MaxDeployed,
			Quota: preventive.Quota(), Targets: scp.Targets, Document: json.RawMessage(scp.Content)}
		for _, s := range scp.Statements {
			one.Statements = append(one.Statements, statementJSON{s.Sid, s.Why})
		}
		out = append(out, one)
	}
	return env.IndentedJSON(out)
}
