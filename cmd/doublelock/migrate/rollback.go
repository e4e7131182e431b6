package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/store"
)

// goingBack is what the flags of migrate rollback ask for.
type goingBack struct {
	moving
	secret, wave, plan, reason string
	dryRun                     bool
}

func migrateRollbackCommand(env *command.Env) *cobra.Command {
	g := &goingBack{moving: moving{env: env}}
	cmd := &cobra.Command{
		Use:   "rollback (--secret SECRET | --wave WAVE | --plan PLAN_ID) --reason TEXT",
		Short: "Set secrets back to what was recorded before the first change: key, copies and our tags",
		Long: `Rollback sets the key again that the secret had before its first change, makes copies again under their previous
keys, and restores our own tags; tags of others are left as they are now. It proves that every labelled version opens
with the previous key. A version that was written under the new key alone goes back only with the right to decrypt it;
where that is missing rollback says so, and the owner has to write a new version.

People go back with the role doublelock-operator, which changes nothing itself: the hub does what it is asked, under the
person's name and reason.

Exit codes: 0 all are set back, or asked of the hub, 1 an error, 2 a secret could not be set back, or was never
changed; a dry run: one of whose secrets the next call is not known.`,
		Example: `  doublelock migrate rollback --secret shop/db --reason "the app broke"
  doublelock migrate rollback --wave canary --reason "wrong key policy" --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd.Context()) },
	}
	output.Tabular(cmd)
	g.configFlag(cmd)
	g.regionFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&g.secret, "secret", "", "`SECRET` to set back, by ARN or name")
	flags.Choice(cmd, &g.wave, waveNames(), "wave", "`WAVE` to set back: canary, dev, test or prod")
	f.StringVar(&g.plan, "plan", "", "`ID` of the plan to set back")
	f.StringVar(&g.reason, "reason", "", "why, for the journal and the owners")
	f.BoolVar(&g.dryRun, "dry-run", false, "say what would be set back, and do nothing")
	return cmd
}

func (g *goingBack) run(ctx context.Context) error {
	asked := 0
	for _, flag := range []string{g.secret, g.wave, g.plan} {
		if flag != "" {
			asked++
		}
	}
	switch {
	case asked != 1:
		return errors.New("migrate rollback: say what, with one of --secret, --wave and --plan")
	case g.reason == "":
		return errors.New("migrate rollback: say why: --reason TEXT")
	}
	m, err := g.open(ctx)
	if err != nil {
		return err
	}
	jobs, unread, err := g.chosen(ctx, m)
	if err != nil {
		return err
	}
	byHub, err := g.isOperator(ctx)
	if err != nil {
		return err
	}
	m.Engine.By = g.caller
	left := map[string]string{}
	if !byHub {
		accounts := make([]string, 0, len(jobs))
		for _, j := range jobs {
			accounts = append(accounts, j.Account)
		}
		if left, err = g.leftAccounts(ctx, m, accounts); err != nil {
			return err
		}
	}
	if g.dryRun {
		var steps []dryStep
		for _, j := range jobs {
			back, err := dryBack(ctx, m, j, left)
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil: // its neighbours can be looked at
				back = []dryStep{unknownStep(j.Secret, j.Name, err.Error())}
			}
			steps = append(steps, back...)
		}
		for _, bad := range unread {
			steps = append(steps, unknownStep(bad.ID, bad.ID, unreadJob(bad)))
		}
		return writeDry(g.env, steps)
	}
	if byHub {
		return g.backByHub(ctx, jobs, unread)
	}
	return g.back(ctx, m, jobs, unread, left)
}

// chosen are the jobs that were asked for and have something to go back to, and those that may be among them and cannot be
// read.
func (g *goingBack) chosen(ctx context.Context, m *fleet.Migrations) ([]migration.Job, []store.Unreadable, error) {
	all, unread, err := listJobs(ctx, g.env, m.Store)
	if err != nil {
		return nil, nil, err
	}
	if g.secret != "" { // a name is not known of what cannot be read
		unread = slices.DeleteFunc(unread, func(bad store.Unreadable) bool { return bad.ID != g.secret })
	}
	var out []migration.Job
	for _, j := range all {
		asked := j.Secret == g.secret || (g.secret != "" && j.Name == g.secret) || (g.wave != "" && string(j.Wave) == g.wave) || (g.plan != "" && j.Plan == g.plan)
		if asked && (j.Phase != migration.RolledBack || j.Again != nil) {
			out = append(out, j)
		}
	}
	if len(out) == 0 {
		return nil, nil, errors.New("migrate rollback: nothing that could be set back; doublelock migrate status shows what there is")
	}
	return out, unread, nil
}

// unreadJob says of a job that cannot be read what stands still.
func unreadJob(bad store.Unreadable) string {
	return "its migration cannot be read (" + bad.Reason + "), and may be one of these: see doublelock repair"
}

// dryBack are the calls that set a secret back, as it is now. Left are the accounts in which these credentials make none.
func dryBack(ctx context.Context, m *fleet.Migrations, j migration.Job, left map[string]string) ([]dryStep, error) {
	s, err := m.Engine.Secrets.Describe(ctx, guard.SecretRef{Account: j.Account, Region: j.Region, ID: j.Secret})
	switch {
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", j.Name, err)
	case s.PendingDeletion():
		return []dryStep{unknownStep(j.Secret, j.Name, "its deletion is scheduled, and AWS changes no such secret: restore it first")}, nil
	}
	commands := j.BackCommands(s)
	switch held := m.Engine.Held(ctx, j); {
	case len(commands) == 0:
		return []dryStep{{Secret: j.Secret, Name: j.Name, Reason: migration.ErrNothingToUndo.Error()}}, nil
	case held != nil:
		return drySteps(j.Secret, j.Name, nil, held.Error()), nil
	case left[j.Account] != "":
		return []dryStep{unknownStep(j.Secret, j.Name, left[j.Account])}, nil
	}
	return drySteps(j.Secret, j.Name, commands, ""), nil
}

// result is what became of one secret.
type result struct {
	Secret string          `json:"secret"`
	Name   string          `json:"name"`
	Phase  migration.Phase `json:"phase"`
	Error  string          `json:"error,omitempty"`
}

func (g *goingBack) back(ctx context.Context, m *fleet.Migrations, jobs []migration.Job, unread []store.Unreadable, left map[string]string) error {
	results, failed, unmoved := []result{}, 0, 0
	for _, j := range jobs {
		if why := left[j.Account]; why != "" {
			failed++
			results = append(results, result{j.Secret, j.Name, j.Phase, why})
			continue
		}
		after, err := m.Engine.Rollback(ctx, j.Secret, g.reason)
		if ctx.Err() != nil {
			return fmt.Errorf("stopped (run it again to go on): %w", ctx.Err())
		}
		r := result{j.Secret, j.Name, after.Phase, why(err)}
		switch {
		case errors.Is(err, migration.ErrNothingToUndo):
			unmoved++
		case errors.Is(err, migration.ErrLeft): // it is asked for, and r says so
		case err != nil:
			failed++
		}
		results = append(results, r)
	}
	return g.end(results, unread, failed, unmoved)
}

// backByHub asks the hub for each secret, and shows what came of it.
func (g *goingBack) backByHub(ctx context.Context, jobs []migration.Job, unread []store.Unreadable) error {
	var all []operator.Instruction
	for _, j := range jobs {
		all = append(all, operator.Instruction{Do: operator.SetBack, Secret: j.Secret, Reason: g.reason})
	}
	found, err := g.ask(ctx, all)
	if err != nil {
		return err
	}
	results, failed, unmoved := []result{}, 0, 0
	for n, j := range jobs {
		r := result{j.Secret, j.Name, j.Phase, notAnswered}
		if o, answered := found[n]; answered {
			r.Phase, r.Error = o.Phase, o.Problem
			switch {
			case o.Unchanged:
				unmoved++
			case o.Problem != "":
				failed++
			case o.Phase != migration.RolledBack:
				r.Error = o.Reason
			}
		}
		results = append(results, r)
	}
	return g.end(results, unread, failed, unmoved)
}

// end reports what was done, and what cannot be read.
func (g *goingBack) end(results []result, unread []store.Unreadable, failed, unmoved int) error {
	for _, bad := range unread {
		failed++
		results = append(results, result{Secret: bad.ID, Name: bad.ID, Error: unreadJob(bad)})
	}
	if err := writeResults(g.env, results); err != nil {
		return err
	}
	switch {
	case failed > 0:
		return command.Finding("%s could not be set back", output.Count(failed, "secret"))
	case unmoved > 0:
		return command.Finding("nothing was changed about %s, so there was nothing to set back; what was planned for it is ended", output.Count(unmoved, "secret"))
	}
	return nil
}

func writeResults(env *command.Env, results []result) error {
	if env.AsJSON() {
		return env.JSON(map[string]any{"secrets": results})
	}
	table := env.Rows("SECRET", "PHASE", "PROBLEM")
	for _, r := range results {
		table.Add(r.Name, r.Phase, r.Error)
	}
	return table.Print()
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
