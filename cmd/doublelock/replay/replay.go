// Package replay is doublelock replay: what Doublelock would do with recorded CloudTrail.
package replay

import (
	"bufio"
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
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/trail"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	var only filter
	cmd := &cobra.Command{
		Use:   "replay FILE…",
		Short: "Show what Doublelock would do with recorded CloudTrail",
		Long: `Replay reads recorded CloudTrail and prints for each event what Doublelock would do with it. It changes nothing
and needs no AWS account.

FILE is a file, a directory (with all below it) or "-" for standard input. Whatever CloudTrail is exported in is read, by
what is in it and not by its name: log files, EventBridge events, the output of lookup-events, receive-message and
filter-log-events, subscriptions and exports of CloudWatch Logs, messages of SNS, SQS and Kinesis, CSV and JSON of Athena,
CloudTrail Lake and Logs Insights, Security Lake's OCSF as JSON, hits of Elastic and Splunk; gzipped or not. Digests,
Insights and whatever else holds no events are passed over with a note.

Decisions:
  look_at_secret  a secret may have changed: Describe it, judge it
  look_at_key     who may use a key, or what leads to it, changed
  key_lifecycle   a key was enabled, disabled or deleted: blast radius
  denied_read     a reader did not get a value: the watchdog's business
  attempt_denied  somebody tried and was stopped: nothing exists
  tamper          a trail, one of our rules, roles or stacks, our bus or what binds the organization was touched
  policy_binds    policies of the organization bind more than before
  unknown         a table or query left out the column that decides; the reason names it
  ignored         nothing to do; the reason says why

What is done to our roles and stacks, a Region that is disabled, an account that closes itself and who stops to be a delegated administrator
are tamper without a RULE: no rule brings these calls to the hub, so they are seen in a trail alone. SCPs deny most of them to members.

The table leaves out what is ignored; --decision ignored shows it, and so does -o json, which has every event. An event
that does not say its account or time is shown whatever --account or --since say.

The summary goes to standard error and counts every event. What cannot be read, or is not as CloudTrail writes it, is named
there with file, line, record and reason, the rest is still read, and the exit code is 1. So it is when there was no event at all, nor a file that holds none.

Exit codes: 0 every event was read, 1 an error, or something could not be read.`,
		Example: `  doublelock replay trail/                                     # all log files of a downloaded trail
  doublelock replay event.json trail.jsonl 2026-06-02.json.gz  # several at once
  doublelock replay --since 7d --decision tamper,denied_read trail/
  doublelock replay -o json trail/ | jq -c 'select(.decision == "look_at_secret")'
  aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=CreateSecret | doublelock replay -
  aws s3 cp s3://my-trail/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/06/02/some.json.gz - | doublelock replay -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New(`replay: name a file, a directory or "-" for standard input`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return newReplay(env, only).run(cmd.Context(), args)
		},
	}
	output.Tabular(cmd)
	var words []string
	for _, kind := range trail.Kinds() {
		words = append(words, string(kind))
	}
	flags.Choices(cmd, &only.decisions, words, "decision", "`DECISION` to show; may be repeated (default: in the table all but ignored)")
	flags.Accounts(cmd, &only.accounts, "account", "`ACCOUNT` whose events to show; may be repeated")
	flags.Since(cmd, &only.since, env.Now, "since", "`TIME` before which events are left out: 24h, 7d, 2026-05-04 or 2026-05-04T07:00:00Z")
	return cmd
}

// filter is which events are shown.
type filter struct {
	decisions []string
	accounts  []string
	since     time.Time
}

// asked reports whether an event is one that was asked for. What an event does not say excludes it from nothing.
func (f filter) asked(c trail.Change) bool {
	switch {
	case len(f.decisions) > 0 && !slices.Contains(f.decisions, string(c.Kind)):
		return false
	case len(f.accounts) > 0 && c.Account != "" && !slices.Contains(f.accounts, c.Account):
		return false
	}
	return c.Time.IsZero() || !c.Time.Before(f.since)
}

// replay prints what is decided for each event, and counts.
type replay struct {
	env    *command.Env
	out    *bufio.Writer // between the printer and standard output
	print  func(trail.Change) error
	rows   *output.Rows
	input  *input.Trail
	only   filter
	counts map[trail.Kind]int
	others int // that were not asked for
}

func newReplay(env *command.Env, only filter) *replay {
	r := &replay{env: env, only: only, out: bufio.NewWriterSize(env.Stdout, 64<<10), counts: map[trail.Kind]int{}}
	printer := *env.Printer
	printer.Stdout = r.out
	r.rows = printer.Stream([]string{"DECISION", "EVENT", "ACCOUNT", "REGION", "RULE", "RESOURCE", "ACTOR", "REASON"}, 14, 24, 12, 14, 26, 44, 28, 44)
	r.input = &input.Trail{Env: env, Event: r.event, Broken: r.broken}
	r.print = r.printRow
	if env.AsJSON() {
		r.print = func(c trail.Change) error { return printer.JSON(replayLineOf(c)) }
	}
	return r
}

func (r *replay) run(ctx context.Context, paths []string) error {
	for _, path := range paths {
		if err := r.input.Read(ctx, path); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	fmt.Fprintln(r.env.Stderr, r.summary())
	if n := r.input.Unread(); n > 0 {
		return command.Fail("%s could not be read, see above", output.Count(n, "part of the input", "parts of the input"))
	}
	if r.input.Nothing() {
		return input.NoEvents("replay", paths)
	}
	return nil
}

func (r *replay) event(record trail.Record) error {
	change := record.InTrail()
	r.counts[change.Kind]++
	if !r.only.asked(change) {
		r.others++
		return nil
	}
	if err := r.print(change); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// broken names what could not be read, behind the events before it.
func (r *replay) broken(reason error) error {
	if err := r.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(r.env.Stderr, "doublelock: replay:", output.Printable(reason.Error()))
	return err
}

func (r *replay) flush() error {
	if !r.env.AsJSON() {
		if err := r.rows.Print(); err != nil {
			return err
		}
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

func (r *replay) summary() string {
	var parts []string
	events := 0
	for _, kind := range trail.Kinds() {
		if n := r.counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
			events += n
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing was looked at")
	}
	line := output.Count(events, "event") + " in " + output.Count(r.input.Files, "file") + ": " + strings.Join(parts, ", ")
	if r.others > 0 {
		line += fmt.Sprintf("; %d not asked for", r.others)
	}
	if n := r.input.Unread(); n > 0 {
		line += fmt.Sprintf("; %d unreadable", n)
	}
	return line
}

// replayLine is one event in -o json.
type replayLine struct {
	EventID   string     `json:"eventID"`
	EventName string     `json:"eventName"`
	Account   string     `json:"account"`
	Region    string     `json:"region"`
	Actor     string     `json:"actor"`
	Resource  string     `json:"resource"`
	Decision  trail.Kind `json:"decision"`
	Rule      string     `json:"rule"`
	Reason    string     `json:"reason"`
}

func replayLineOf(c trail.Change) replayLine {
	return replayLine{
		EventID: c.EventID, EventName: c.EventName, Account: c.Account, Region: c.Region,
		Actor: c.Actor.String(), Resource: c.Resource(), Decision: c.Kind, Rule: c.Rule, Reason: c.Reason,
	}
}

// printRow leaves out what is ignored, unless that was asked for: it is most of any trail, and counted in the summary.
func (r *replay) printRow(c trail.Change) error {
	if c.Kind == trail.Ignored && len(r.only.decisions) == 0 {
		return nil
	}
	decision := output.Cell{Text: string(c.Kind), Color: kindColors[c.Kind]}
	r.rows.Add(decision, c.EventName, c.Account, c.Region, c.Rule, rowResource(c), rowActor(c.Actor), c.Reason)
	return r.rows.Err()
}

var kindColors = map[trail.Kind]string{
	trail.LookAtSecret:  "36",
	trail.LookAtKey:     "34",
	trail.KeyLifecycle:  "35",
	trail.DeniedRead:    "33",
	trail.AttemptDenied: "33",
	trail.Tamper:        "31",
	trail.PolicyBinds:   "32",
	trail.Unknown:       "33",
	trail.Ignored:       "2",
}

// rowResource drops what account and Region columns say already; a resource elsewhere keeps its ARN.
func rowResource(c trail.Change) string {
	at := arn.Of(c.Resource())
	if at.Resource != "" && at.Region == c.Region && at.Account == c.Account {
		return strings.TrimPrefix(at.Resource, "secret:")
	}
	return c.Resource()
}

// rowActor is the end of the ARN: role/session, user, root. For people of IAM Identity Center the permission set
// says more than the role that is made of it.
func rowActor(a trail.Actor) string {
	if set := a.PermissionSet(); set != "" {
		return set + "/" + a.SessionName
	}
	who := arn.Of(a.String()).Resource
	if who == "" {
		return a.String() // an account, a service
	}
	return strings.TrimPrefix(strings.TrimPrefix(who, "assumed-role/"), "user/")
}
