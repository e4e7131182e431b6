// Package doctor is doublelock doctor: is Doublelock deployed everywhere, and active?
package doctor

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/deployment"
	"github.com/doublelock/doublelock/shared/settings"
)

type doctorOptions struct {
	config string
	all    bool
	canary canaryOptions
}

// New is the command.
func New(env *command.Env) *cobra.Command {
	var options doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that Doublelock is deployed everywhere and alive",
		Long: `Doctor inspects every account, every Region and the hub, and says for each whether Doublelock is there and alive:

  organization   every SCP of the configuration there, unchanged and attached to every target
  hub            the bus open to the organization alone; no row of the table in quarantine; each function running with
                 this configuration; each queue there, and nothing in the queues of what could not be handled
  account        the role doublelock-read can be taken; the roles that tag, change and forward are there, and the hub can
                 take its own
  Region         a trail records; each forward rule there, unchanged, sending to the hub; no event lost on the way

It only reads. The credentials are those of the environment: of a role of the security account that is named under
operations.roles in the configuration, and that may read the hub's bus, table, queues and functions. An account that cannot
be entered is a row, and the others are still inspected.

With --canary it also makes a harmless secret on the default key, follows it through the hub and removes it again.

Only the hub's own functions may take the roles that tag and change. Doctor fails where a trust policy refuses them, and
where it does not the answer is UNKNOWN, never ok: nobody else can prove it. That alone does not change the exit code.

Exit codes: 0 all is well that can be found out, 1 an error, 2 something is not.`,
		Example: `  doublelock doctor
  doublelock doctor --all -o json | jq 'select(.status != "ok")'
  AWS_PROFILE=security doublelock doctor --canary
  doublelock doctor --canary --canary-account 333333333333 --canary-role Deployer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.canary.check(cmd.Flags()); err != nil {
				return err
			}
			return runDoctor(cmd.Context(), env, options)
		},
	}
	output.Tabular(cmd)
	options.config = input.ConfigName
	input.ConfigFlag(cmd, &options.config, "configuration `FILE` that was deployed")
	cmd.Flags().BoolVar(&options.all, "all", false, "list what is well, too (JSON always does)")
	options.canary.flags(cmd)
	return cmd
}

func runDoctor(ctx context.Context, env *command.Env, options doctorOptions) error {
	file, err := input.File(env, options.config)
	if err != nil {
		return err
	}
	config := file.Config
	client, err := openHub(ctx, env, config)
	if err != nil {
		return err
	}
	d, err := deployment.Doctor(client, config, handlers.Names())
	if err != nil {
		return err
	}
	if options.canary.wanted {
		if err := options.canary.refuse(ctx, client, config); err != nil {
			return err
		}
	}
	bar := env.Progress("accounts", 1)
	d.Progress = bar.Set
	done := env.Wait("every account, Region and the hub to answer")
	rows := d.Run(ctx)
	done()
	bar.Done()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("inspect the organization: %w", err)
	}
	if options.canary.wanted {
		rows = append(rows, runCanaries(ctx, env, config, client, options.canary)...)
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
	if err := printRows(env, rows, all); err != nil {
		return err
	}
	noteHubOnly(env, rows)
	fmt.Fprintln(env.Stderr, doctorSummary(rows))
	if !fleet.Healthy(rows) {
		return command.Found()
	}
	return nil
}

func printRows(env *command.Env, rows []fleet.Row, all bool) error {
	if env.AsJSON() {
		for _, row := range rows {
			if err := env.JSON(row); err != nil {
				return err
			}
		}
		return nil
	}
	var shown []fleet.Row
	table := env.Rows("STATUS", "ACCOUNT", "REGION", "CHECK", "SUBJECT", "DETAIL")
	for _, row := range rows {
		if all || row.Status != fleet.OK && !row.HubOnly || row.Check == fleet.CheckCanary {
			shown = append(shown, row)
			table.Add(statusWords[row.Status], row.Account, row.Region, row.Check, row.Subject, row.Detail)
		}
	}
	if len(shown) == 0 {
		return nil
	}
	if err := table.Print(); err != nil {
		return err
	}
	return printFixes(env.Text(), shown)
}

// noteHubOnly says in one line what is unknown of every account alike; each is a row with --all.
func noteHubOnly(env *command.Env, rows []fleet.Row) {
	roles, accounts := map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		if row.HubOnly {
			roles[row.Subject], accounts[row.Account] = true, true
		}
	}
	if len(accounts) > 0 {
		env.Note("unknown in %s: whether the hub can take %s; the trust policies let it, and only its functions can prove it: search their logs for a refused sts:AssumeRole",
			output.Count(len(accounts), "account"), strings.Join(slices.Sorted(maps.Keys(roles)), " and "))
	}
}

// printFixes says each thing to do once, however many rows ask for it.
func printFixes(out io.Writer, rows []fleet.Row) error {
	said := map[string]bool{}
	for _, row := range rows {
		if row.Fix == "" || said[row.Fix] {
			continue
		}
		if len(said) == 0 {
			fmt.Fprint(out, "\nWhat to do\n")
		}
		said[row.Fix] = true
		if _, err := fmt.Fprintf(out, "  %s: %s\n", row.Check, row.Fix); err != nil {
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
