package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/trail"
)

func New(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE…",
		Short: "Show what Doublelock would do with recorded CloudTrail",
		Long: `Replay reads recorded CloudTrail and prints for each event what Doublelock would do with it. It changes nothing
and needs no AWS account.

FILE is a file, a directory (read with all below it: .json, .jsonl, .ndjson and .gz) or "-" for standard input. Each
may hold EventBridge events, CloudTrail log files ({"Records":[…]}) or bare records, one after the other or one a
line, and may be gzipped.

Decisions:
  look_at_secret  a secret may have changed: Describe it, judge it
  look_at_key     who may use a key, or what leads to it, changed
  key_lifecycle   a key was enabled, disabled or deleted: blast radius
  denied_read     a reader did not get a value: the watchdog's business
  attempt_denied  somebody tried and was stopped: nothing exists
  tamper          a trail, one of our rules or an organization policy was touched
  ignored         nothing to do; the reason says why

The summary goes to standard error. What cannot be read is named there with file, line and reason, the rest is still
read, and the exit code is 1.`,
		Example: `  doublelock replay trail/                                     # all log files of a downloaded trail
  doublelock replay event.json trail.jsonl 2026-06-02.json.gz  # several at once
  doublelock replay -o json trail/ | jq -c 'select(.decision == "look_at_secret")'
  aws s3 cp s3://my-trail/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/06/02/some.json.gz - | doublelock replay -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New(`replay: name a file, a directory or "-" for standard input`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return newReplay(env).run(cmd.Context(), args)
		},
	}
}

// replay prints what is decided for each event, and counts.
type replay struct {
	env    *command.Env
	out    *bufio.Writer
	print  func(trail.Change) error
	input  *input.Trail
	counts map[trail.Kind]int
}

func newReplay(env *command.Env) *replay {
	r := &replay{env: env, out: bufio.NewWriterSize(env.Stdout, 64<<10), counts: map[trail.Kind]int{}}
	r.input = &input.Trail{Env: env, Event: r.event, Broken: r.tellBroken}
	r.print = r.printRow
	if env.Format == output.JSON {
		encoder := json.NewEncoder(r.out)
		encoder.SetEscapeHTML(false)
		r.print = func(c trail.Change) error { return encoder.Encode(replayLineOf(c)) }
	}
	return r
}

func (r *replay) run(ctx context.Context, paths []string) error {
	if r.env.Format != output.JSON {
		r.printHeader()
	}
	for _, path := range paths {
		if err := r.input.Read(ctx, path); err != nil {
			return err
		}
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	fmt.Fprintln(r.env.Stderr, r.summary())
	if n := r.input.Unread(); n > 0 {
		return &command.ExitError{Code: command.Failure, Err: fmt.Errorf("%s could not be read, see above", output.Count(n, "part of the input", "parts of the input"))}
	}
	return nil
}

func (r *replay) event(record trail.Record) error {
	r.counts[record.Change.Kind]++
	if err := r.print(record.Change); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// tellBroken names what could not be read, behind the events before it.
func (r *replay) tellBroken(reason error) error {
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	_, err := fmt.Fprintln(r.env.Stderr, "doublelock: replay:", output.Printable(reason.Error()))
	return err
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
	line := output.Count(events, "event") + " in " + output.Count(r.input.Files, "file")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
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

// replayRow has fixed widths, because a table that streams cannot wait for its widest cell.
const replayRow = "%-14s  %-24s  %-12s  %-14s  %-26s  %-44s  %-28s  %s\n"

func (r *replay) printHeader() {
	fmt.Fprintf(r.out, replayRow, "DECISION", "EVENT", "ACCOUNT", "REGION", "RULE", "RESOURCE", "ACTOR", "REASON")
}

func (r *replay) printRow(c trail.Change) error {
	decision := fmt.Sprintf("%-14s", c.Kind)
	if code := kindColors[c.Kind]; r.env.Color && code != "" {
		decision = code + decision + "\x1b[0m"
	}
	_, err := fmt.Fprintf(r.out, replayRow, decision, output.Cell(c.EventName), output.Cell(c.Account), output.Cell(c.Region), output.Cell(c.Rule),
		output.Cell(rowResource(c)), output.Cell(rowActor(c.Actor)), output.Printable(c.Reason))
	return err
}

var kindColors = map[trail.Kind]string{
	trail.LookAtSecret:  "\x1b[36m",
	trail.LookAtKey:     "\x1b[34m",
	trail.KeyLifecycle:  "\x1b[35m",
	trail.DeniedRead:    "\x1b[33m",
	trail.AttemptDenied: "\x1b[33m",
	trail.Tamper:        "\x1b[31m",
	trail.Ignored:       "\x1b[2m",
}

// rowResource drops what account and Region columns say already; a resource elsewhere keeps its ARN.
func rowResource(c trail.Change) string {
	id := c.Resource()
	fields := strings.SplitN(id, ":", 6)
	if len(fields) == 6 && fields[0] == "arn" && fields[3] == c.Region && fields[4] == c.Account {
		return strings.TrimPrefix(fields[5], "secret:")
	}
	return id
}

// rowActor is the end of the ARN: role/session, user, root. For people of IAM Identity Center the permission set
// says more than the role that is made of it.
func rowActor(a trail.Actor) string {
	if set := a.PermissionSet(); set != "" {
		return set + "/" + a.SessionName
	}
	arn := a.String()
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 || fields[0] != "arn" {
		return arn
	}
	return strings.TrimPrefix(strings.TrimPrefix(fields[5], "assumed-role/"), "user/")
}
