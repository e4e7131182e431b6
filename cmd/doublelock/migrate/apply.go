package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/window"
)

// applying is what the flags of migrate apply ask for.
type applying struct {
	planning
	waves   []string
	windows []string
	dryRun  bool
	goAhead string
	reason  string
	rules   migration.Rules
	left    map[string]string // why these credentials change nothing, by account
	held    []migration.Drift // what is left out, because the plan does not hold for it any more
	jobs    []migration.Job   // as they were listed last, or left by us since
	stop    string            // why a wave sets no more keys, so that only what was begun goes on
	stops   []string          // the same of waves in single accounts, or since this run began
	listed  time.Time
}

// listedFor is how long a list of jobs says whether a wave is halted: another worker moves few meanwhile, and what we move
// is written into it.
const listedFor = 20 * time.Second

func migrateApplyCommand(env *command.Env) *cobra.Command {
	a := &applying{planning: planning{moving: moving{env: env}}}
	cmd := &cobra.Command{
		Use:   "apply PLAN_FILE",
		Short: "Do what a plan says, as far as it can go now; run it again to go on",
		Long: `Apply inspects everything again and leaves out each secret whose facts have changed, or cannot be read, naming them:
plan those again. Then it takes each other secret of the first wave that is not done as far as it can go now: sets the
key, proves it, observes, seals where a rotation does that. One that fails holds up none of the others. A wave begins
when the ones before it are past observing, and halts when too many of its secrets fail or break a reader.

People apply with the role doublelock-operator, which changes nothing itself: the hub does what it is asked, under the
person's name and reason, and goes on by itself when time has passed. It takes plans only as an operator recorded them.

Exit codes: 0 all went as far as it can go now, 1 an error, 2 partial: a secret is blocked or failed, could not be looked
at or moved, or its facts have changed. Those of a dry run are the same.`,
		Example: `  doublelock migrate apply plan.json --dry-run     # exactly the calls that would be made now
  doublelock migrate apply plan.json --reason "CHG-4711"
  doublelock migrate apply plan.json --reason "CHG-4711" --wave canary --window "Mon-Thu 22:00-04:00"`,
		Args: onePlanFile("migrate apply"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args[0]) },
	}
	output.Tabular(cmd)
	a.configFlag(cmd)
	a.regionFlag(cmd)
	f := cmd.Flags()
	flags.Choices(cmd, &a.waves, waveNames(), "wave", "`WAVE` to move when it is its turn (canary, dev, test, prod); may be repeated (default: the first that is not done)")
	f.StringArrayVar(&a.windows, "window", nil, "`WINDOW` in which changes may begin, in UTC; may be repeated; stored with the jobs, so that it binds the hub too (default: always)")
	f.StringVar(&a.reason, "reason", "", "why, for the job and the journal; operators have to say it")
	f.BoolVar(&a.dryRun, "dry-run", false, "print the calls that would be made, and make none")
	f.StringVar(&a.goAhead, "go-ahead", "", "`NAME` of who says not to wait for readers that have not read since, when the hours of observing are over")
	f.StringVarP(&a.snapshot, "snapshot", "s", "", `check against a snapshot FILE of "doublelock inventory" instead of asking AWS again`)
	f.StringArrayVar(&a.trails, "trail", nil, "CloudTrail `FILE` the plan was made with; may be repeated")
	return cmd
}

func (a *applying) run(ctx context.Context, path string) error {
	if err := a.checkSnapshot("migrate apply"); err != nil {
		return err
	}
	if a.dryRun && a.goAhead != "" {
		return errors.New("migrate apply: --go-ahead ends observing, which a dry run does not; leave out --dry-run, or --go-ahead")
	}
	p, err := input.Plan(a.env, path)
	if err != nil {
		return err
	}
	windows, err := parseWindows(a.windows)
	if err != nil {
		return err
	}
	m, err := a.open(ctx)
	if err != nil {
		return err
	}
	byHub, err := a.isOperator(ctx)
	if err != nil {
		return err
	}
	if byHub {
		if a.reason == "" {
			return errors.New("migrate apply: say why: --reason TEXT")
		}
		if err := a.recorded(ctx, p); err != nil {
			return err
		}
	}
	m.Engine.By, m.Engine.Why = a.caller, a.reason
	jobs, _, err := listJobs(ctx, a.env, m.Store)
	if err != nil {
		return err
	}
	if jobs, err = a.verify(ctx, m, p, jobs); err != nil {
		return err
	}
	items, err := a.choose(p, jobs, m.Engine.Rules)
	if err != nil {
		return err
	}
	a.rules = a.terms(m, p, windows)
	a.sayRules(items, jobs, p.ID)
	accounts := make([]string, 0, len(items))
	for _, i := range items {
		accounts = append(accounts, i.Account)
	}
	if byHub {
		accounts = nil // it changes nothing itself
	}
	if a.left, err = a.leftAccounts(ctx, m, accounts); err != nil {
		return err
	}
	switch {
	case a.dryRun:
		return a.dry(ctx, m, p, items)
	case byHub:
		return a.applyByHub(ctx, p, items, windows)
	}
	return a.apply(ctx, m, p, items)
}

// terms are the rules that the jobs of the plan are begun under, and moved under by everybody later: those of plan and
// settings, and what the flags say differently, with the name of the caller.
func (a *applying) terms(m *fleet.Migrations, p migration.Plan, windows []window.Window) migration.Rules {
	rules := p.Terms(m.Engine.Rules)
	if len(windows) > 0 {
		rules = rules.WithWindows(windows, a.caller, a.env.Now())
	}
	return rules
}

// sayRules prints the rules that bind: those that a job has already may be stricter than the plan's, or overridden.
func (a *applying) sayRules(items []migration.Item, jobs []migration.Job, plan string) {
	names := map[string][]string{} // of secrets, by rules
	var order []string
	for _, i := range items {
		rules := jobFor(jobs, i.Secret).Binding(plan, a.rules).String()
		if names[rules] == nil {
			order = append(order, rules)
		}
		names[rules] = append(names[rules], output.Printable(i.Name))
	}
	for _, rules := range order {
		whose := ""
		if len(order) > 1 {
			whose = " of " + strings.Join(names[rules], ", ")
		}
		fmt.Fprintf(a.env.Stderr, "doublelock: rules%s: %s\n", whose, rules)
	}
}

func parseWindows(texts []string) ([]window.Window, error) {
	var windows []window.Window
	for _, text := range texts {
		w, err := window.Parse(text)
		if err != nil {
			return nil, err
		}
		windows = append(windows, w)
	}
	return windows, nil
}

// listJobs lists the jobs that can be read, and says which cannot.
func listJobs(ctx context.Context, env *command.Env, s migration.Store) ([]migration.Job, []store.Unreadable, error) {
	jobs, unreadable, err := migration.All(ctx, s)
	if err != nil {
		return nil, nil, fmt.Errorf("list migrations: %w", err)
	}
	for _, bad := range unreadable {
		env.Note("the migration of %s cannot be read (%s): nothing is begun or set back before doublelock repair", bad.ID, bad.Reason)
	}
	return jobs, unreadable, nil
}

func jobFor(jobs []migration.Job, secret string) migration.Job {
	for _, j := range jobs {
		if j.Secret == secret {
			return j
		}
	}
	return migration.Job{}
}

// dry prints what would be done now, and does nothing.
func (a *applying) dry(ctx context.Context, m *fleet.Migrations, p migration.Plan, items []migration.Item) error {
	var steps []dryStep
	preview := m.Engine.Preview()
	for _, i := range items {
		if why := a.left[i.Account]; why != "" {
			steps = append(steps, unknownStep(i.Secret, i.Name, why))
			continue
		}
		j, step, err := preview.Next(ctx, i, p.ID, a.rules)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			steps = append(steps, unknownStep(i.Secret, i.Name, err.Error()))
		case step.Action == migration.DoMove && (step.Phase == migration.Blocked || step.Phase == migration.Failed):
			steps = append(steps, unknownStep(i.Secret, i.Name, step.Reason))
		default:
			steps = append(steps, drySteps(i.Secret, i.Name, step.Commands(j), dryReason(j, step))...)
		}
	}
	for _, d := range a.held {
		steps = append(steps, unknownStep(d.Secret, d.Name, leftOut(d)))
	}
	return writeDry(a.env, steps)
}

// outcome is how far one secret came.
type outcome struct {
	Secret  string          `json:"secret"`
	Name    string          `json:"name"`
	Wave    migration.Wave  `json:"wave"`
	Phase   migration.Phase `json:"phase"`
	Reason  string          `json:"reason,omitempty"`
	Until   time.Time       `json:"until,omitzero"`
	Problem string          `json:"problem,omitempty"` // why nothing was done about it, or not to its end
}

func (a *applying) apply(ctx context.Context, m *fleet.Migrations, p migration.Plan, items []migration.Item) error {
	bar := a.env.Progress("secrets", len(items))
	defer bar.Done()
	var done []outcome
	m.Engine.Halt = func(j migration.Job) string { return cmp.Or(a.stop, migration.Halted(a.jobs, j, m.Engine.Rules)) }
	for _, i := range items {
		if m.Engine.Halt(jobOf(p.ID, i)) != "" && !begun(a.jobs, i.Secret, true) {
			continue
		}
		o, err := a.one(ctx, m, p, i)
		bar.Step(i.Name)
		if ctx.Err() != nil {
			return fmt.Errorf("stopped (run it again to go on): %w", ctx.Err())
		}
		if err != nil {
			o.Problem = err.Error()
		}
		done = append(done, o)
		halted, unread := a.halted(ctx, m, p.ID, i)
		if unread != nil { // nobody knows whether it must not go on
			a.stops = append(a.stops, unread.Error())
			break
		}
		if halted != "" {
			a.stops = append(a.stops, halted)
		}
	}
	return a.end(p, done, a.stopped())
}

// applyByHub asks the hub for each secret, and shows what came of it.
func (a *applying) applyByHub(ctx context.Context, p migration.Plan, items []migration.Item, windows []window.Window) error {
	parts, err := p.Parts()
	if err != nil {
		return err
	}
	var all []operator.Instruction
	for _, i := range items {
		part := parts[i.Secret]
		all = append(all, operator.Instruction{Do: operator.Apply, Plan: p.ID, Digest: p.Digest, Part: &part, Reason: a.reason, Windows: windows, GoAhead: a.goAhead})
	}
	found, err := a.ask(ctx, all)
	if err != nil {
		return err
	}
	var done []outcome
	for n, i := range items {
		o := outcome{Secret: i.Secret, Name: i.Name, Wave: i.Wave, Reason: notAnswered}
		got, answered := found[n]
		switch {
		case answered:
			o.Phase, o.Reason, o.Until, o.Problem = got.Phase, got.Reason, got.Until, got.Problem
		case !i.Safe(): // whatever the hub will answer
			o.Problem = "the plan blocks it: " + strings.Join(i.Blocked, "; ")
		}
		done = append(done, o)
	}
	return a.end(p, done, a.stopped())
}

// end reports what was done, and what was left out.
func (a *applying) end(p migration.Plan, done []outcome, stop string) error {
	for _, d := range a.held {
		done = append(done, outcome{Secret: d.Secret, Name: d.Name, Wave: waveOf(p, d.Secret), Problem: leftOut(d)})
	}
	if err := a.report(done); err != nil {
		return err
	}
	return a.exit(p, done, stop)
}

// halted says why the wave of an item, which was just moved, must not go on.
func (a *applying) halted(ctx context.Context, m *fleet.Migrations, plan string, i migration.Item) (string, error) {
	if now := a.env.Now(); now.Sub(a.listed).Abs() >= listedFor {
		jobs, _, err := listJobs(ctx, a.env, m.Store)
		if err != nil {
			return "", err
		}
		a.jobs, a.listed = jobs, now
	} else {
		j, err := m.Store.Load(ctx, i.Secret)
		if err != nil {
			return "", nil //nolint:nilerr // its own row cannot be read: what was done about it said so, and it halts nothing
		}
		a.jobs = append(slices.DeleteFunc(a.jobs, func(was migration.Job) bool { return was.Secret == j.Secret }), j)
	}
	return migration.Halted(a.jobs, jobOf(plan, i), m.Engine.Rules), nil
}

func (a *applying) one(ctx context.Context, m *fleet.Migrations, p migration.Plan, i migration.Item) (outcome, error) {
	o := outcome{Secret: i.Secret, Name: i.Name, Wave: i.Wave}
	if o.Problem = a.left[i.Account]; o.Problem != "" {
		return o, nil
	}
	j, err := m.Engine.Start(ctx, i, p.ID, a.rules)
	if err != nil {
		return o, err
	}
	if a.goAhead != "" && j.Waits() {
		switch err := m.Engine.GoAhead(ctx, i.Secret, a.goAhead); {
		case errors.Is(err, migration.ErrObserving):
			a.env.Note("%s: --go-ahead is not taken: %s; it ends waiting for readers, and shortens no hours", i.Name, migration.ErrObserving)
		case err != nil:
			return o, err
		}
	}
	if j.Phase == migration.RolledBack {
		o.Phase, o.Reason = j.Phase, standing(j)
		return o, nil
	}
	j, step, err := m.Engine.Advance(ctx, i.Secret)
	if err != nil { // another worker may have taken it on
		if now, unread := m.Store.Load(ctx, i.Secret); unread == nil {
			j = now
		}
	}
	o.Phase, o.Reason, o.Until = j.Phase, j.Reason, step.Until
	return o, err
}

func (a *applying) report(done []outcome) error {
	if a.env.AsJSON() {
		return a.env.JSON(map[string]any{"secrets": append([]outcome{}, done...)})
	}
	table := a.env.Rows("WAVE", "SECRET", "PHASE", "NEXT")
	for _, o := range done {
		next := cmp.Or(o.Problem, o.Reason)
		if !o.Until.IsZero() {
			next += until(o.Until)
		}
		table.Add(o.Wave, o.Name, o.Phase, next)
	}
	return table.Print()
}

// exit is how the run ends: what did not go as far as it can is said, and why a wave stopped.
func (a *applying) exit(p migration.Plan, done []outcome, stop string) error {
	stuck, problems := 0, 0
	for _, o := range done {
		switch {
		case o.Problem != "":
			problems++
		case o.Phase == migration.Blocked || o.Phase == migration.Failed:
			stuck++
		}
	}
	problems -= len(a.held)
	var said []string
	if stop != "" {
		said = append(said, stop)
	}
	if stuck > 0 {
		said = append(said, output.Count(stuck, "secret is", "secrets are")+" blocked or failed")
	}
	if problems > 0 {
		said = append(said, output.Count(problems, "secret")+" could not be moved now: run it again, and see the reasons above")
	}
	if len(a.held) > 0 {
		said = append(said, a.outdated(p))
	}
	if len(said) == 0 {
		return nil
	}
	return command.Finding("%s", strings.Join(said, "; "))
}
