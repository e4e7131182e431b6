package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live"
	"github.com/doublelock/doublelock/shared/settings"
)

type doctorOptions struct {
	config string
	all    bool
	canary canaryOptions
}

func New(env *command.Env) *cobra.Command {
	var options doctorOptions
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check that Doublelock is deployed everywhere and alive",
		Long: `Doctor looks into every account and Region and at the hub, and says for each whether Doublelock is there and alive:

  organization   every SCP of the configuration there, unchanged and attached to every target
  hub            the bus open to the organization alone; each function running with this configuration; each queue
                 there, and nothing in the queues of what could not be handled
  account        the role doublelock-read can be taken; the roles that tag, change and forward are there
  Region         a trail records; each forward rule there, unchanged, sending to the hub; no event lost on the way

It only reads. The credentials are those of the environment: of a role of the security account that is named under
operations.roles in the configuration, and that may read the hub's bus, queues and functions. An account that cannot
be entered is a row, and the others are still looked at.

With --canary it also makes a harmless secret on the default key, follows it through the hub and removes it again.

Exit codes: 0 all is well, 1 an error, 2 something is not.`,
		Example: `  doublelock doctor
  doublelock doctor --all -o json | jq 'select(.status != "ok")'
  AWS_PROFILE=security doublelock doctor --canary
  doublelock doctor --canary --canary-account 333333333333 --canary-role Deployer`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runDoctor(command.Context(), env, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.config, "config", input.ConfigName, "the configuration that was deployed")
	flags.BoolVar(&options.all, "all", false, "list what is well, too (JSON always does)")
	options.canary.flags(flags)
	return command
}

func runDoctor(ctx context.Context, env *command.Env, options doctorOptions) error {
	file, err := input.File(env, options.config)
	if err != nil {
		return err
	}
	config := file.Config
	door, err := openHub(ctx, env, config)
	if err != nil {
		return err
	}
	d, err := live.Doctor(door, config, handlers.Names())
	if err != nil {
		return err
	}
	bar := env.Progress("accounts", 1)
	d.Progress = bar.Set
	rows := d.Run(ctx)
	bar.Done()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("look at the organization: %w", err)
	}
	if options.canary.wanted {
		rows = append(rows, runCanaries(ctx, env, config, door, options.canary)...)
	}
	return reportRows(env, rows, options.all)
}

// openHub opens AWS with the environment's credentials, which are those of a person in the hub's account.
func openHub(ctx context.Context, env *command.Env, config settings.Config) (*cloud.Cloud, error) {
	o := cloud.FromEnv(env.Getenv)
	o.Region, o.HubAccount, o.ManagementAccount = config.Regions.Home, config.Organization.SecurityAccount, config.Organization.ManagementAccount
	o.Regions, o.Session = config.Regions.Guarded, "cli"
	return profile.Open(ctx, o)
}

var statusWords = map[fleet.Status]string{
	fleet.OK: "ok", fleet.Fail: "FAIL", fleet.Unknown: "UNKNOWN", fleet.Skipped: "skipped",
}

// reportRows prints the rows, all of them as JSON, and those that are not well as a table.
func reportRows(env *command.Env, rows []fleet.Row, all bool) error {
	if env.Format == output.JSON {
		encoder := json.NewEncoder(env.Stdout)
		for _, row := range rows {
			if err := encoder.Encode(row); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
		}
	} else if err := printRows(env, rows, all); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	fmt.Fprintln(env.Stderr, doctorSummary(rows))
	if !fleet.Healthy(rows) {
		return command.Found()
	}
	return nil
}

func printRows(env *command.Env, rows []fleet.Row, all bool) error {
	var shown []fleet.Row
	for _, row := range rows {
		if all || row.Status != fleet.OK || row.Check == fleet.CheckCanary {
			shown = append(shown, row)
		}
	}
	if len(shown) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "STATUS\tACCOUNT\tREGION\tCHECK\tSUBJECT\tDETAIL")
	for _, row := range shown {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", statusWords[row.Status], output.Cell(row.Account), output.Cell(row.Region), row.Check, output.Cell(row.Subject), clip(output.Cell(row.Detail), maxDetail))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printFixes(env, shown)
}

// maxDetail is how many characters of a detail a table has room for; JSON has all of it.
const maxDetail = 160

func clip(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

// printFixes says each thing to do once, however many rows ask for it.
func printFixes(env *command.Env, rows []fleet.Row) error {
	said := map[string]bool{}
	for _, row := range rows {
		if row.Fix == "" || said[row.Fix] {
			continue
		}
		if len(said) == 0 {
			fmt.Fprint(env.Stdout, "\nWhat to do\n")
		}
		said[row.Fix] = true
		if _, err := fmt.Fprintf(env.Stdout, "  %s: %s\n", row.Check, row.Fix); err != nil {
			return err
		}
	}
	return nil
}

func doctorSummary(rows []fleet.Row) string {
	counts := map[fleet.Status]int{}
	accounts := map[string]bool{}
	for _, row := range rows {
		counts[row.Status]++
		accounts[row.Account] = true
	}
	line := fmt.Sprintf("%s in %s: %d ok", output.Count(len(rows), "check"), output.Count(len(accounts), "account"), counts[fleet.OK])
	for _, status := range []fleet.Status{fleet.Fail, fleet.Unknown, fleet.Skipped} {
		if counts[status] > 0 {
			line += fmt.Sprintf(", %d %s", counts[status], status)
		}
	}
	return line
}
