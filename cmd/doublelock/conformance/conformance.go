// Package conformance is doublelock conformance: what AWS's documents leave open, asked in a sandbox account.
package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
)

type options struct {
	region, second string
	questions      []string
	yes            bool
	printRights    bool
	cleanup        bool
	state, report  string
	onlyRun        string
	against        string
	program        string
	behavior       string
	organization   bool
	ou, account    string
	role           string
}

// incomplete is the exit code of a run in which nothing differs and something is unanswered.
const incomplete = 3

// New is the command.
func New(env *command.Env) *cobra.Command {
	o := options{role: "OrganizationAccountAccessRole"}
	cmd := &cobra.Command{
		Use:   "conformance",
		Short: "Ask AWS, in a sandbox account, what its documents leave open",
		Long: `Conformance plays each open question of docs/live-checks.md in an account of yours that nobody needs: which copy of a
re-keyed version is tried first, what a read answers whose key is disabled, what an empty key is to a policy, and more.
It makes its own keys, secrets, roles and rules, all named doublelock-conformance-RUN-… and tagged with the run, and
removes them afterwards, also when it is stopped. What it makes is written down first, in a file for you alone; after a
kill, --cleanup removes it; what is of a run that is alive, or that began less than two hours ago and left no state
here, stays unless it is named with --run; what a killed run had been answered is printed first. A run against a URL has no state: --cleanup --against URL finds what it made.
Neither touches anything without that name and that tag. Keys wait seven days for their deletion.

Before it starts it says the account, the cost, the time and the rights that it takes, and asks. It reads no secret but
its own, whose values are random. The report names no account, key or organization. Standard error does: what it says of
the run and of what could not be removed is for you, and for nobody else.

The second set (--organization) attaches a service control policy for some minutes to an OU that you name and that holds
your sandbox account and nothing else. It needs credentials of the management account, and a role in the sandbox account:
--print-rights prints a policy for each of the two then, as {"management": …, "sandbox": …}.

With --against a stand-in is asked: localaws (in this process), ministack or moto (a program of that name is started on
loopback), or one that listens on this machine, by its URL. Then nothing is asked of you.

With --behavior the local AWS follows a report, newer ones as far as this version knows their questions. An answer that
it does not give all the same has the verdict "not followed", with the reason. These it cannot follow, and every other
one it can:
` + conformance.CannotFollow() + `
Exit codes: 0 every answer is what the local AWS assumes, 1 an error, or a stand-in did not start or ended too early, 2 an answer differs, 3 none differs and a question
is unanswered, 4 the local AWS does not follow an answer of --behavior, whatever else differs. What could not be removed
is named on standard error; the exit code is then 1 in place of 0, and the others stay. Ctrl-C ends the questions and
removes what was made: the exit code is 1, and 130 where something is left, also because a second Ctrl-C stopped the
removal. Then the command is printed that removes the rest.`,
		Example: `  doublelock conformance --print-rights > policy.json
  doublelock conformance --organization --account 111122223333 --print-rights | jq .management
  AWS_PROFILE=sandbox doublelock conformance --region eu-central-1 --second-region eu-west-1 --report conformance.json
  doublelock conformance --cleanup --region eu-central-1
  doublelock conformance --against localaws -o json | jq 'select(.verdict != "agrees")'
  doublelock conformance --against moto --program .venv/bin/moto_server
  doublelock conformance --against localaws --behavior conformance.json
  AWS_PROFILE=management doublelock conformance --organization --ou ou-ab12-11111111 --account 111122223333 --region eu-central-1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags(), env.Getenv); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	output.Tabular(cmd)
	o.flags(cmd)
	return cmd
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	flags.Region(cmd, &o.region, "region", "`REGION` to ask in (default: AWS_REGION)")
	flags.Region(cmd, &o.second, "second-region", "another `REGION`, for questions about replicas")
	flags.Choices(cmd, &o.questions, ids(), "question", "`ID` of a question to ask; may be repeated (default: all)")
	f.BoolVar(&o.yes, "yes", false, "start without asking")
	f.BoolVar(&o.printRights, "print-rights", false, "print an IAM policy that allows what a run takes, and end")
	f.BoolVar(&o.cleanup, "cleanup", false, "remove what runs that were killed left behind, and end")
	f.StringVar(&o.onlyRun, "run", "", "`ID` of the one run that --cleanup removes, also when it may be alive")
	f.StringVar(&o.state, "state", "", "`FILE` in which a run writes down what it makes (default: one for each run in the user's cache folder)")
	f.StringVar(&o.report, "report", "", "`FILE` or folder to write the report to, as JSON and beside it as Markdown; earlier reports there are replaced; - for standard output, JSON alone")
	f.StringVar(&o.against, "against", "", "ask a stand-in instead of AWS: localaws, ministack, moto, or the `URL` of one on this machine")
	f.StringVar(&o.program, "program", "", "`FILE` of the program of ministack or moto (default: found in PATH)")
	f.StringVar(&o.behavior, "behavior", "", "`FILE` of a report that localaws follows")
	f.BoolVar(&o.organization, "organization", false, "ask the second set as well, with the credentials of the management account")
	f.StringVar(&o.ou, "ou", "", "`ID` of an OU that holds the sandbox account and nothing else")
	flags.Account(cmd, &o.account, "account", "id of the sandbox account in that OU")
	f.StringVar(&o.role, "role", o.role, "name of the `ROLE` to take in the sandbox account")
	_ = cmd.MarkFlagFilename("state", "json")
	_ = cmd.MarkFlagFilename("report", "json")
	_ = cmd.MarkFlagFilename("behavior", "json")
	_ = cmd.RegisterFlagCompletionFunc("against", cobra.FixedCompletions([]string{localAWS, ministack, moto}, cobra.ShellCompDirectiveNoFileComp))
}

func ids() []string {
	var all []string
	for _, q := range conformance.Questions() {
		all = append(all, q.ID)
	}
	return all
}

// check refuses what does not go together, in one line that says what does.
func (o *options) check(given *pflag.FlagSet, getenv func(string) string) error {
	with := func(name string) bool { return given.Changed(name) }
	if o.region == "" {
		o.region = getenv("AWS_REGION")
	}
	if o.region == "" && (o.against != "" || o.printRights) {
		o.region = "us-east-1"
	}
	switch {
	case o.against != "" && o.against != localAWS && o.against != ministack && o.against != moto && !onThisMachine(o.against):
		return command.Fail("conformance: --against %s: use localaws, ministack, moto, or the URL of a stand-in on this machine, such as http://127.0.0.1:5000", o.against)
	case with("program") && o.against != ministack && o.against != moto:
		return command.Fail("conformance: --program is for --against ministack or moto")
	case with("behavior") && o.against != localAWS:
		return command.Fail("conformance: --behavior is what localaws follows; add --against localaws")
	case o.organization && (o.against == ministack || o.against == moto):
		return command.Fail("conformance: --organization is for AWS, and %s has no organization; leave it out, or use --against localaws, which always asks both sets", o.against)
	case o.organization && onThisMachine(o.against):
		return command.Fail("conformance: --organization does not go with --against; leave it out, or set AWS_ENDPOINT_URL=%s in place of --against, with credentials of the management account there", o.against)
	case !o.organization && o.against != localAWS && !o.printRights && !o.cleanup && o.ofOrganization() != "":
		return command.Fail("conformance: --question %s needs --organization, with --ou and --account; or ask localaws", o.ofOrganization())
	case o.organization && o.cleanup && o.against == "" && o.account == "":
		return command.Fail("conformance: --cleanup --organization needs --account, the sandbox account")
	case o.organization && o.against == "" && !o.printRights && !o.cleanup && (o.ou == "" || o.account == ""):
		return command.Fail("conformance: --organization needs --ou, an OU that holds the sandbox account and nothing else, and --account")
	case !o.organization && (with("ou") || with("account") || with("role")):
		return command.Fail("conformance: --ou, --account and --role are for --organization; add it")
	case with("run") && !o.cleanup:
		return command.Fail("conformance: --run is for --cleanup; add it")
	case with("run") && !sandbox.Run(o.onlyRun).Valid():
		return command.Fail("conformance: --run %s: the id of a run has ten lower-case letters and digits from 2 to 7", o.onlyRun)
	case o.cleanup && (o.against != "" && !onThisMachine(o.against) || o.printRights || with("report")):
		return command.Fail("conformance: --cleanup goes with --run, --state, --region, --second-region, --question, --yes, the flags of --organization, and --against with a URL")
	case o.second != "" && o.second == o.region:
		return command.Fail("conformance: --second-region is %s as well; use another", o.region)
	case o.second != "" && arn.PartitionOf(o.second) != arn.PartitionOf(o.region):
		return command.Fail("conformance: %s and %s are in different partitions of AWS; use two Regions of one", o.region, o.second)
	}
	return flags.CheckRegions([]string{o.region})
}

// ofOrganization is a question that was named and needs an organization; "" is none.
func (o *options) ofOrganization() string {
	for _, id := range o.questions {
		if q, _ := conformance.Find(id); q.Need == conformance.NeedsOrganization {
			return id
		}
	}
	return ""
}

func (o *options) run(ctx context.Context, env *command.Env) error {
	questions := conformance.Asked(o.questions, o.organization || o.against == localAWS)
	switch {
	case o.printRights:
		return o.rights(env, questions)
	case o.cleanup:
		return o.runCleanup(ctx, env)
	}
	if o.report != "" { // before anything is made
		asJSON, asText, err := o.reportFiles()
		if err == nil {
			err = o.overwrites(env, asJSON, asText)
		}
		if err != nil {
			return err
		}
	}
	if o.state != "" {
		if _, err := o.stateFile(env, ""); err != nil {
			return err
		}
	}
	var w *world
	var err error
	if o.against != "" {
		w, err = o.standIn(ctx, env)
	} else {
		w, err = o.openAWS(ctx, env, questions)
	}
	if err != nil {
		return err
	}
	defer w.stop()
	return o.ask(ctx, env, w, len(questions))
}

// ask asks, removes what was made, and reports. A second signal ends it at once, whatever it waits for.
func (o *options) ask(ctx context.Context, env *command.Env, w *world, total int) error {
	awaited, cancel := whileAwaited(ctx, env)
	defer cancel()
	ended := make(chan error, 1)
	kept := newAnswers(o, env, w)
	go func() { ended <- o.askAll(ctx, awaited, env, w, total, kept) }()
	select {
	case err := <-ended:
		return err
	case <-awaited.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(unwound):
	}
	reported := make(chan error, 1)
	go func() { reported <- kept.soFar() }()
	select {
	case err := <-reported:
		return &command.ExitError{Code: command.Interrupted, Err: errors.Join(err, w.interrupted())}
	case <-time.After(unwound): // nobody reads what is printed
		return w.interrupted()
	}
}

// askAll asks until a context ends, and removes what was made while that is awaited.
func (o *options) askAll(ctx, awaited context.Context, env *command.Env, w *world, total int, kept *answers) error {
	bar := env.Progress("questions", total)
	asked := w.options
	asked.Only, asked.Now = o.questions, env.Now
	asked.Progress = func(done, total int, question string) {
		bar.Set(done, total, question)
		if !env.Live {
			fmt.Fprintf(env.Stderr, "doublelock: %d of %d: %s\n", done, total, question)
		}
	}
	asked.Answered = kept.add
	results := conformance.Ask(ctx, asked)
	bar.Done()
	if gone := w.alive(); gone != nil && ctx.Err() == nil {
		return command.Fail("conformance: %s", ends(gone))
	}
	for n := range results {
		results[n] = w.followed.Judge(results[n])
	}
	for _, r := range w.followed.Unasked(results) {
		results = append(results, r)
		kept.add(r)
	}
	report, err := kept.report(results) // before the removal, which may take minutes or be cut off
	cleaned := w.remove(ctx, awaited, env)
	if err != nil {
		return errors.Join(err, cleaned)
	}
	if awaited.Err() != nil && (w.ends || cleaned != nil) {
		return cmp.Or(cleaned, w.interrupted())
	}
	if w.against == conformance.AWS {
		fmt.Fprintf(env.Stderr, "doublelock: send the report in, so that the local AWS learns from it: %s\n", form)
	}
	if ctx.Err() != nil && w.ends && cleaned == nil {
		return fmt.Errorf("conformance: stopped, and what was made ended with %s: %w", w.against, ctx.Err())
	}
	return ended(ctx.Err(), report, cleaned)
}

// ended is how a run ends. The verdict has the exit code and what is left has a line on standard error, also beside a
// verdict; what is left is the exit code only where the verdict has none.
func ended(stopped error, report conformance.Report, cleaned error) error {
	switch {
	case stopped != nil && cleaned != nil:
		return &command.ExitError{Code: command.Interrupted, Err: cleaned}
	case stopped != nil:
		return fmt.Errorf("conformance: stopped, and everything was removed: %w", stopped)
	case report.Count(conformance.NotFollowed) > 0:
		return &command.ExitError{Code: command.NotFollowed, Err: cleaned}
	case report.Count(conformance.Differs) > 0:
		return &command.ExitError{Code: command.Findings, Err: cleaned}
	case report.Count(conformance.Unanswered) > 0:
		return &command.ExitError{Code: incomplete, Err: cleaned}
	}
	return cleaned
}

// form is where a report is sent in: .github/ISSUE_TEMPLATE/conformance.yml.
const form = "https://github.com/doublelock/doublelock/issues/new?template=conformance.yml"

// table prints the results.
func table(env *command.Env, report conformance.Report) error {
	rows := env.Rows("QUESTION", report.Against, "LOCAL AWS", "VERDICT", "WHY")
	for _, one := range report.Results {
		verdict := string(one.Verdict)
		if one.Verdict == conformance.Differs || one.Verdict == conformance.NotFollowed {
			verdict = strings.ToUpper(verdict)
		}
		rows.Add(one.Question, output.OrDash(string(one.Answer)), output.OrDash(string(one.Assumed)), verdict, output.OrDash(one.Why()))
	}
	if err := rows.Print(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Text(), "%s: %s\n", output.Count(len(report.Results), "question"), report.Counts())
	return err
}

// reportFiles are where the report goes, as JSON and as Markdown.
func (o *options) reportFiles() (asJSON, asText string, err error) {
	asJSON = o.report
	if asJSON == "-" {
		return asJSON, "", nil
	}
	if info, err := os.Stat(asJSON); err == nil && info.IsDir() {
		asJSON = strings.TrimSuffix(asJSON, "/") + "/conformance.json"
	}
	if strings.HasSuffix(asJSON, ".md") {
		return "", "", command.Fail("conformance: --report %s: it names the JSON, and Markdown is written beside it; use %s", asJSON, strings.TrimSuffix(asJSON, ".md")+".json")
	}
	asText = strings.TrimSuffix(asJSON, ".json") + ".md"
	if err := files.Check(asJSON); err != nil {
		return "", "", err
	}
	return asJSON, asText, files.Check(asText)
}

// overwrites refuses files that a report would replace and that are worth more than it: the report that is followed, one of AWS, which
// took a sandbox account and most of an hour, where a stand-in is asked, and what is no report.
func (o *options) overwrites(env *command.Env, asJSON, asText string) error {
	refuse := func(file, what string) error {
		return command.Fail("conformance: --report: %s is %s, and would be overwritten; name another file", file, what)
	}
	if was, err := os.Stat(asJSON); err == nil && was.Size() > 0 {
		if followed, err := os.Stat(o.behavior); err == nil && os.SameFile(was, followed) {
			return refuse(asJSON, "the report that --behavior follows")
		}
		text, err := input.ReadFile(env, asJSON, conformance.MaxReport)
		report, unread := conformance.ReadReport(bytes.NewReader(text))
		switch {
		case err != nil || unread != nil:
			return refuse(asJSON, "no report")
		case report.Against == conformance.AWS && o.against != "":
			return refuse(asJSON, "a report of "+conformance.AWS)
		}
	}
	if was, err := os.Stat(asText); err == nil && was.Size() > 0 {
		if text, err := input.ReadFile(env, asText, conformance.MaxReport); err != nil || !conformance.IsMarkdown(text) {
			return refuse(asText, "no report")
		}
	}
	return nil
}

func (o *options) write(env *command.Env, report conformance.Report) error {
	if o.report == "" {
		return nil
	}
	asJSON, asText, err := o.reportFiles()
	if err != nil {
		return err
	}
	text, err := indented(report)
	if err != nil {
		return err
	}
	if err := env.WriteFile(asJSON, text); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	if asText == "" { // standard output
		return nil
	}
	if err := files.Write(asText, []byte(report.Markdown())); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	fmt.Fprintf(env.Stderr, "doublelock: report in %s and %s\n", asJSON, asText)
	return nil
}

// rights prints what IAM is to allow: of the second set for each of the two that act in it.
func (o *options) rights(env *command.Env, questions []conformance.Question) error {
	partition := arn.PartitionOf(o.region)
	text := conformance.Policy(questions, partition, cmp.Or(o.account, "*"))
	if o.organization {
		management, own := conformance.OrganizationPolicies(questions, partition, cmp.Or(o.account, "*"), o.role)
		both, err := json.MarshalIndent(map[string]json.RawMessage{"management": json.RawMessage(management), "sandbox": json.RawMessage(own)}, "", "  ")
		if err != nil {
			return fmt.Errorf("conformance: write policies: %w", err)
		}
		text = string(both)
		env.Note("two policies: .management is for the credentials of the management account, .sandbox for the role %s in the sandbox account, which has to trust them", o.role)
	}
	for _, line := range conformance.Reach(questions) {
		env.Note("%s", line)
	}
	_, err := fmt.Fprintln(env.Stdout, text)
	return err
}

// rightsText is the rights in lines that fit a terminal.
func rightsText(actions []string) string {
	var out strings.Builder
	for line := range slices.Chunk(actions, 3) {
		fmt.Fprintf(&out, "    %s\n", strings.Join(line, "  "))
	}
	return out.String()
}
