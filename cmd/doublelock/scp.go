package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

func scpCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scp",
		Short: "Print the service control policies, and try them before they are attached",
	}
	cmd.AddCommand(scpRenderCommand(env), scpSimulateCommand(env))
	return cmd
}

func scpRenderCommand(env *environment) *cobra.Command {
	var config, folder string
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Print the SCPs that the configuration asks for, their size, and what each statement is for",
		Long: `Render prints the service control policies that doublelock.yaml asks for: name, size, targets and what each
statement is for. With -o json the documents come with it; with --dir each is written to a file of its own, minified
as it counts against the quota. A configuration in which no stage asks for SCPs is rendered as if every stage did, and
the output says so.`,
		Example: `  doublelock scp render
  doublelock scp render --config prod.yaml --dir policies/
  doublelock scp render -o json | jq -r '.[0].document'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runRender(env, config, folder) },
	}
	configFlag(cmd, &config)
	cmd.Flags().StringVar(&folder, "dir", "", "write each document to `FOLDER`/NAME.json")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

func configFlag(cmd *cobra.Command, config *string) {
	cmd.Flags().StringVarP(config, "config", "c", "", "configuration; "+configName+" if it is there, else what a new organization would get")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

func runRender(env *environment, config, folder string) error {
	read, name, err := env.readConfig(config)
	if err != nil {
		return err
	}
	scps, err := env.renderSCPs(read, name)
	if err != nil {
		return err
	}
	if folder != "" {
		if err := writeSCPs(env, folder, scps); err != nil {
			return err
		}
	}
	if env.output == "json" {
		return writeSCPsJSON(env, scps)
	}
	for _, scp := range scps {
		targets := strings.Join(scp.Targets, ", ")
		fmt.Fprintf(env.Stdout, "%s: %s\n  %d of %d characters; attached to %s\n", scp.Name, scp.Description, len([]rune(scp.Content)), preventive.MaxSCP, cell(targets))
		for _, s := range scp.Statements {
			fmt.Fprintf(env.Stdout, "  %-16s %s\n", s.Sid, s.Why)
		}
		fmt.Fprintln(env.Stdout, "  "+scp.Content)
	}
	return nil
}

// renderSCPs renders a configuration. Without stages that ask for SCPs there is nothing to try, so it takes them all.
func (env *environment) renderSCPs(config settings.Config, name string) ([]preventive.SCP, error) {
	scps, err := preventive.SCPs(config)
	if err != nil {
		return nil, err
	}
	if len(scps) > 0 {
		return scps, nil
	}
	fmt.Fprintf(env.Stderr, "doublelock: note: no stage of %s has scp: true; this is what all of them would get\n", name)
	for i := range config.Rollout {
		config.Rollout[i].SCP, config.Rollout[i].BacklogMigrated = true, true
	}
	return preventive.SCPs(config)
}

// readConfig reads the configuration; without one it stands in for a new organization.
func (env *environment) readConfig(path string) (settings.Config, string, error) {
	if path == "" {
		if _, err := os.Stat(configName); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(env.Stderr, "doublelock: note: no %s here; an organization with the defaults stands in for yours\n", configName)
			return newOrganization(), "the defaults", nil
		}
		path = configName
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

func writeSCPs(env *environment, folder string, scps []preventive.SCP) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write SCPs: %w", err)
	}
	for _, scp := range scps {
		path := filepath.Join(folder, scp.Name+".json")
		if err := os.WriteFile(path, []byte(scp.Content), 0o644); err != nil {
			return fmt.Errorf("write SCPs: %w", err)
		}
		fmt.Fprintln(env.Stderr, "wrote", path)
	}
	return nil
}

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

func writeSCPsJSON(env *environment, scps []preventive.SCP) error {
	out := []scpJSON{}
	for _, scp := range scps {
		one := scpJSON{Name: scp.Name, Description: scp.Description, Characters: len([]rune(scp.Content)), Limit: preventive.MaxSCP,
			Quota: policy.Limits[policy.PlaceSCP].Characters, Targets: scp.Targets, Document: json.RawMessage(scp.Content)}
		for _, s := range scp.Statements {
			one.Statements = append(one.Statements, statementJSON{s.Sid, s.Why})
		}
		out = append(out, one)
	}
	enc := json.NewEncoder(env.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
