package migrate

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
)

// resuming is what the flags of migrate resume ask for.
type resuming struct {
	moving
	wave, plan, reason string
}

func migrateResumeCommand(env *command.Env) *cobra.Command {
	r := &resuming{moving: moving{env: env}}
	cmd := &cobra.Command{
		Use:   "resume --wave WAVE --reason TEXT",
		Short: "Let a halted wave go on, when the cause is mended",
		Long: `Resume lets a wave go on that is halted. What failed, went back or broke a reader until now does not count any more; what
does later halts the wave again. It changes no secret: those that went wrong go on by themselves where they can, and are planned again where
they cannot. Each of them keeps who said so, when and why: doublelock migrate history shows it.

Exit codes: 0 the wave goes on, 1 an error, 2 it is not halted, or some secret could not be excused.`,
		Example: `  doublelock migrate resume --wave dev --reason "CHG-4712: the key policy is mended"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context()) },
	}
	output.Tabular(cmd)
	r.configFlag(cmd)
	f := cmd.Flags()
	flags.Choice(cmd, &r.wave, waveNames(), "wave", "`WAVE` that goes on: canary, dev, test or prod")
	f.StringVar(&r.plan, "plan", "", "`ID` of the plan of which it is (default: all)")
	f.StringVar(&r.reason, "reason", "", "why, for the history of each secret")
	return cmd
}

func (r *resuming) run(ctx context.Context) error {
	switch {
	case r.wave == "":
		return errors.New("migrate resume: say which, with --wave")
	case r.reason == "":
		return errors.New("migrate resume: say why: --reason TEXT")
	}
	m, err := r.open(ctx)
	if err != nil {
		return err
	}
	jobs, _, err := listJobs(ctx, r.env, m.Store)
	if err != nil {
		return err
	}
	halts := migration.HaltsOf(jobs, m.Engine.Rules)
	var wrong []migration.Job
	for _, j := range jobs {
		if string(j.Wave) == r.wave && (r.plan == "" || j.Plan == r.plan) && j.WentWrong() && halts.Of(j) != "" {
			wrong = append(wrong, j)
		}
	}
	if len(wrong) == 0 {
		return command.Finding("migrate resume: wave %s is not halted; doublelock migrate status shows what waits for whom", r.wave)
	}
	byHub, err := r.isOperator(ctx)
	if err != nil {
		return err
	}
	results, failed, err := r.excuse(ctx, m, wrong, byHub)
	if err != nil {
		return err
	}
	if err := writeResults(r.env, results); err != nil {
		return err
	}
	if failed > 0 {
		return command.Finding("%s could not be excused, and may hold up the wave", output.Count(failed, "secret"))
	}
	return nil
}

// excuse lets the wave of each go on, or asks the hub for it.
func (r *resuming) excuse(ctx context.Context, m *fleet.Migrations, jobs []migration.Job, byHub bool) (results []result, failed int, err error) {
	var found map[int]operator.Outcome
	if byHub {
		var all []operator.Instruction
		for _, j := range jobs {
			all = append(all, operator.Instruction{Do: operator.Resume, Secret: j.Secret, Reason: r.reason})
		}
		if found, err = r.ask(ctx, all); err != nil {
			return nil, 0, err
		}
	}
	m.Engine.By = r.caller
	for n, j := range jobs {
		one := result{Secret: j.Secret, Name: j.Name, Phase: j.Phase}
		switch o, answered := found[n]; {
		case !byHub:
			_, err := m.Engine.Excuse(ctx, j.Secret, r.reason)
			one.Error = why(err)
		case !answered:
			one.Error = notAnswered
		default:
			one.Error = o.Problem
		}
		if one.Error != "" {
			failed++
		}
		results = append(results, one)
	}
	return results, failed, nil
}
