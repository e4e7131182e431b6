package migrate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/trail"
)

// planning is what the flags of migrate plan ask for.
type planning struct {
	moving
	out      string
	snapshot string
	trails   []string
	secrets  []string
	found    *inventory.Snapshot // what the plan was made from
}

func migratePlanCommand(env *command.Env) *cobra.Command {
	p := &planning{moving: moving{env: env}}
	cmd := &cobra.Command{
		Use:   "plan --out FILE",
		Short: "Say who would lose access, what mends it, and what would be done in which order",
		Long: `Plan reads what decides who can read each secret (or takes it from a snapshot of "doublelock inventory"), finds in
CloudTrail who really read, asks for each reader whether it may decrypt with the key the secret would move to, and
writes a plan. Nothing is changed, and no value is read.

A secret or an account that cannot be read is named with its reason, and holds up none of the others.

Exit codes: 0 every secret can be moved, 1 an error, or no secret was found, 2 a secret is blocked: a reader would lose
access, or something is unknown; or the plan is partial: some of what was asked for is not in it.`,
		Example: `  doublelock migrate plan --out plan.json
  doublelock migrate plan --out plan.json --snapshot org.json --trail trail/
  doublelock migrate plan --out plan.json --secret shop/db --accept arn:aws:iam::111122223333:role/retired`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	output.Tabular(cmd)
	p.configFlag(cmd)
	p.regionFlag(cmd)
	p.acceptFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&p.out, "out", "", "plan `FILE` to write, - for standard output")
	f.StringVarP(&p.snapshot, "snapshot", "s", "", `snapshot FILE of "doublelock inventory" instead of asking AWS`)
	f.StringArrayVar(&p.trails, "trail", nil, "`FILE` or folder of recorded CloudTrail to find readers in, instead of asking CloudTrail; may be repeated")
	flags.Accounts(cmd, &p.accounts, "account", "`ACCOUNT` to plan; may be repeated (default: every account of the organization)")
	f.StringArrayVar(&p.secrets, "secret", nil, "`SECRET` to plan, by ARN or name; may be repeated (default: all)")
	return cmd
}

func (p *planning) run(ctx context.Context) error {
	if p.out == "" {
		return errors.New("migrate plan: say where to: --out FILE")
	}
	if err := p.checkSnapshot("migrate plan"); err != nil {
		return err
	}
	if err := p.env.CheckFile(p.out); err != nil { // before minutes of reading
		return err
	}
	m, err := p.open(ctx)
	if err != nil {
		return err
	}
	made, err := p.make(ctx, m)
	if err != nil {
		return err
	}
	if len(made.Items)+len(made.Outside) == len(made.Missing()) {
		for _, e := range made.Missing() {
			p.env.Note("%s: %s", e.Secret, e.Reason)
		}
		return command.Fail("migrate plan: no secret was found, so there is nothing to plan; check --secret, --account and --region, and what is unread above")
	}
	if err := p.checkAccepted(made); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := migration.SavePlan(&text, made); err != nil {
		return err
	}
	if err := p.env.WriteFile(p.out, text.Bytes()); err != nil {
		return err
	}
	if err := showPlan(p.env.Beside(p.out), made); err != nil {
		return err
	}
	fmt.Fprintf(p.env.Stderr, "%s: plan %s\n", p.out, made.ID)
	if err := p.record(ctx, made); err != nil {
		return err
	}
	return blockedExit(made)
}

// record has the hub remember the plan where an operator made it: the hub applies no other.
func (p *planning) record(ctx context.Context, made migration.Plan) error {
	if byHub, err := p.isOperator(ctx); err != nil || !byHub {
		return nil //nolint:nilerr // a plan can be made offline; apply says that it is not recorded
	}
	found, err := p.ask(ctx, []operator.Instruction{{Do: operator.Record, Plan: made.ID, Digest: made.Digest, Secrets: len(made.Items)}})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		p.env.Note("the hub has not recorded plan %s yet, and applies it only when it has", made.ID)
	default:
		p.env.Note("plan %s is recorded by %s", made.ID, found[0].By)
	}
	return nil
}

// checkSnapshot refuses what says where to read, beside a snapshot that was read elsewhere already.
func (p *planning) checkSnapshot(command string) error {
	switch {
	case p.snapshot != "" && len(p.accounts) > 0:
		return errors.New(command + ": a snapshot has the accounts it has; leave out --account, or --snapshot")
	case p.snapshot != "" && len(p.regions) > 0:
		return errors.New(command + ": a snapshot has the Regions it has; leave out --region, or --snapshot")
	}
	return nil
}

// make plans from fresh facts.
func (p *planning) make(ctx context.Context, m *fleet.Migrations) (migration.Plan, error) {
	facts, err := p.facts(ctx, m)
	if err != nil {
		return migration.Plan{}, err
	}
	facts.Accepted, p.found = p.accept, facts.Access.Snapshot()
	if p.acceptUnread {
		facts.Accepted = append(slices.Clone(p.accept), migration.UnreadUses)
	}
	return migration.Make(facts, p.secrets...)
}

func (p *planning) facts(ctx context.Context, m *fleet.Migrations) (migration.Facts, error) {
	snapshot, err := p.takeSnapshot(ctx, m)
	if err != nil {
		return migration.Facts{}, err
	}
	input.NoteUnread(p.env, snapshot.Unread)
	seen, err := p.readTrails(ctx)
	if err != nil {
		return migration.Facts{}, err
	}
	if p.snapshot != "" && seen == nil {
		seen = []migration.Sighting{}
		p.env.Note("without --trail only policies say who reads")
	}
	return m.Facts(ctx, snapshot, seen)
}

func (p *planning) takeSnapshot(ctx context.Context, m *fleet.Migrations) (inventory.Snapshot, error) {
	if p.snapshot == "" {
		defer p.env.Wait("the policies, secrets and keys of the accounts")()
		return m.Snapshots.Take(ctx, p.accounts...)
	}
	access, err := input.Snapshot(p.env, p.snapshot)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return *access.Snapshot(), nil
}

// readTrails finds readers in recorded files; nil when none are named.
func (p *planning) readTrails(ctx context.Context) ([]migration.Sighting, error) {
	if len(p.trails) == 0 {
		return nil, nil
	}
	found := []migration.Sighting{}
	reader := &input.Trail{Env: p.env}
	undecided, example := 0, trail.Record{}
	reader.Event = func(r trail.Record) error {
		if r.Change.MayRead {
			if undecided++; undecided == 1 {
				example = trail.Record{Name: r.Name, Line: r.Line, Change: r.Change}
			}
		}
		found = append(found, fleet.Sightings(r.Change)...)
		return nil
	}
	reader.Broken = func(reason error) error {
		_, err := fmt.Fprintln(p.env.Stderr, "doublelock: migrate plan:", output.Printable(reason.Error()))
		return err
	}
	for _, path := range p.trails {
		if err := reader.Read(ctx, path); err != nil {
			return nil, err
		}
	}
	switch n := reader.Unread(); {
	case n > 0: // a reader who stands there would be missed
		return nil, command.Fail("%s of the trail could not be read, see above", output.Count(n, "part"))
	case undecided > 0: // and here
		return nil, command.Fail("migrate plan: %s may be of readers, and the export does not say; select more columns, at least userIdentity, errorCode, requestParameters and resources; the first is %s:%d, without %s",
			output.Count(undecided, "event"), example.Name, example.Line, strings.Join(example.Change.Missing, ", "))
	case reader.Events == 0:
		return nil, input.NoEvents("migrate plan", p.trails)
	}
	return migration.Gather(found), nil
}

// blockedExit is exit code 2 for a plan that has secrets which would not be moved.
func blockedExit(p migration.Plan) error {
	blocked := 0
	for _, i := range p.Items {
		if !i.Safe() {
			blocked++
		}
	}
	var said []string
	if blocked > 0 {
		said = append(said, fmt.Sprintf("%s of %d would not be moved", output.Count(blocked, "secret"), len(p.Items)))
	}
	if n := len(p.Missing()); n > 0 {
		said = append(said, output.Count(n, "secret that was asked for is not in it", "secrets that were asked for are not in it"))
	}
	if n := len(p.Unread); n > 0 {
		said = append(said, "the secrets of "+output.Count(n, "location")+" could not be listed and are not in it")
	}
	if len(said) == 0 {
		return nil
	}
	return command.Finding("%s: see the reasons above, and what mends them by doublelock migrate show --fixes", strings.Join(said, "; "))
}

func migrateShowCommand(env *command.Env) *cobra.Command {
	var fixes bool
	cmd := &cobra.Command{
		Use:   "show PLAN_FILE",
		Short: "Show a plan: readers and their verdicts, fixes, cost, what can be undone",
		Long: `Show prints a plan of migrate plan: for each secret the key it would move to, who reads it and what becomes of them,
what can be undone, and which line of the owner's code changes. It asks nobody.

Exit codes: 0 the plan was shown, 1 an error.`,
		Example: "  doublelock migrate show plan.json\n  doublelock migrate show plan.json --fixes",
		Args:    onePlanFile("migrate show"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := input.Plan(env, args[0])
			if err != nil {
				return err
			}
			if err := showPlan(env, p); err != nil {
				return err
			}
			if !env.AsJSON() {
				showDetails(env.Text(), p, fixes)
			}
			return nil
		},
	}
	output.Tabular(cmd)
	cmd.Flags().BoolVar(&fixes, "fixes", false, "print the statements that mend what is in the way, as JSON, Terraform and CDK")
	return cmd
}

func showPlan(env *command.Env, p migration.Plan) error {
	if env.AsJSON() {
		return env.JSON(p)
	}
	table := env.Rows("WAVE", "SECRET", "ACCOUNT", "REGION", "STATE", "READERS", "SEAL", "VERDICT")
	for _, i := range p.Items {
		table.Add(i.Wave, i.Name, i.Account, i.Region, i.State, len(i.Readers), i.Seal, verdictOf(i))
	}
	if err := table.Print(); err != nil {
		return err
	}
	out := env.Text()
	for _, u := range p.Unread {
		fmt.Fprintf(out, "not planned: the secrets of %s in %s, which could not be listed: %s\n", u.Account, u.Region, output.Printable(u.Why))
	}
	for _, e := range p.Outside {
		if e.Missing {
			fmt.Fprintf(out, "not planned: %s: %s\n", output.Printable(e.Name), output.Printable(e.Reason))
			continue
		}
		at := arn.Of(e.Secret)
		fmt.Fprintf(out, "left alone: %s (%s, %s): %s\n", output.Printable(e.Name), at.Account, at.Region, output.Printable(e.Reason))
	}
	for _, t := range p.Users {
		fmt.Fprintf(out, "users: %s\n", t)
	}
	c := p.Cost
	fmt.Fprintf(out, "keys: %d now, %d then; $%.2f a month now, $%.2f then", c.KeysBefore, c.KeysAfter, c.Before, c.After)
	if c.StillOldKeys > 0 {
		fmt.Fprintf(out, " (and %s to delete when no copy needs it any more)", output.Count(c.StillOldKeys, "old key"))
	}
	fmt.Fprintln(out)
	fmt.Fprintf(out, "rules: %s (%s)\n", p.Rules, p.Rules.From)
	return nil
}

func verdictOf(i migration.Item) string {
	if i.Safe() {
		return "safe"
	}
	return "blocked: " + output.Printable(strings.Join(i.Blocked, "; "))
}

func showDetails(out io.Writer, p migration.Plan, fixes bool) {
	for _, i := range p.Items {
		fmt.Fprintf(out, "\n%s (%s, %s)\n  %s\n", output.Printable(i.Name), i.Account, i.Region, output.Printable(targetOf(i)))
		for _, r := range i.Readers {
			showReader(out, "  ", r, fixes)
		}
		for _, c := range i.Replicas {
			fmt.Fprintf(out, "  copy in %s to %s: %s\n", c.Region, c.Target, c.Interruption)
			for _, r := range c.Readers {
				showReader(out, "    ", r, fixes)
			}
		}
		if i.Unread != "" {
			fmt.Fprintf(out, "  accepted: %s\n", i.Unread)
		}
		for _, l := range i.Later {
			fmt.Fprintf(out, "  later: %s\n", output.Printable(l))
		}
		for _, u := range i.Undo {
			fmt.Fprintf(out, "  undo: %s\n", u)
		}
		if i.Tool != "" {
			fmt.Fprintf(out, "  made with %s: %s\n", i.Tool, i.Line)
		}
	}
}

func targetOf(i migration.Item) string {
	switch {
	case i.Target != "" && i.TargetWhy != "":
		return "to " + i.Target + ": " + i.TargetWhy
	case i.Target != "":
		return "to " + i.Target
	}
	return "to no key: " + cmp.Or(i.TargetWhy, strings.Join(i.Blocked, "; "), "none was found")
}

// showUse is a use with what it takes, such as "writes: kms:GenerateDataKey from the re-key on, keeps".
func showUse(u migration.Use) string {
	text := u.String()
	if len(u.Needs) > 0 {
		text += fmt.Sprintf(": %s from %s on", strings.Join(u.Needs, ", "), u.From)
	}
	text += ", " + string(u.Verdict)
	if !u.Until.IsZero() {
		text += " until " + u.Until.UTC().Format(time.RFC3339)
	}
	if u.Seen > 0 {
		text += fmt.Sprintf(", seen %s", output.Count(u.Seen, "time"))
	}
	return text
}

func showReader(out io.Writer, indent string, r migration.Reader, fixes bool) {
	seen := ""
	if !r.LastSeen.IsZero() {
		seen = fmt.Sprintf(", read %s, last %s", output.Count(r.Reads, "time"), r.LastSeen.Format(time.DateOnly))
	}
	note := ""
	switch {
	case r.AcceptedBy != "":
		note = " (accepted by " + output.Printable(r.AcceptedBy) + ")"
	case r.Accepted:
		note = " (accepted)"
	case r.Spared && r.Verdict != migration.Keeps:
		note = " (need not keep access)"
	}
	fmt.Fprintf(out, "%s%-7s %s (%s)%s%s\n", indent, r.Verdict, output.Printable(r.Principal), r.Class, note, seen)
	for _, u := range r.Uses {
		if u.Does != migration.Reads || u.Version != "" {
			fmt.Fprintf(out, "%s        %s\n", indent, output.Printable(showUse(u)))
		}
	}
	if r.Verdict == migration.Keeps && r.Until.IsZero() {
		return
	}
	fmt.Fprintf(out, "%s        %s\n", indent, output.Printable(r.Why))
	if r.Fix == nil || !fixes {
		return
	}
	remedy := r.Remedy()
	statements := slices.Concat(remedy.Statements, remedy.Then)
	remedy.Then = nil // printed below, over several lines
	if remedy.Decide != "" {
		fmt.Fprintf(out, "%s        %s\n", indent, output.Printable(remedy.String()))
	}
	for _, part := range statements {
		fmt.Fprintf(out, "%s        %s:\n%s\n", indent, output.Printable(part.Where), part.JSON)
	}
	if len(statements) == 0 {
		return
	}
	if remedy.Assumes != "" && remedy.Decide == "" {
		fmt.Fprintf(out, "%s        %s\n", indent, output.Printable(remedy.Assumes))
	}
	for _, code := range []struct{ name, text string }{{"Terraform", r.Fix.Terraform}, {"CDK", r.Fix.CDK}} {
		if code.text != "" {
			fmt.Fprintf(out, "%s        %s:\n%s\n", indent, code.name, strings.TrimRight(code.text, "\n"))
		}
	}
}
