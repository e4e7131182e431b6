// Package demo is doublelock demo: a story played in an organization on this machine, through the real handlers.
package demo

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/testdata/config"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	options := demoOptions{partition: string(arn.Standard)}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play an organization on this machine: real handlers, real SDK, a local AWS",
		Long: `Demo starts an AWS organization in this process, deploys the templates that the CDK app synthesizes into it, and plays a
story through the real handlers and the real SDK. No AWS account is needed and nothing leaves this machine. The same
seed gives the same output.

With --behavior the local AWS follows a report of doublelock conformance, whose help lists what it cannot follow.

Exit codes: 0 the story ended well, 1 an error, or an event was lost, 4 it ended well and the local AWS does not follow an
answer of the report.`,
		Example: `  doublelock demo
  doublelock demo -o json | jq -r 'select(.stage == "finding_opened") | .control + " " + .resource'
  doublelock demo --partition aws-cn
  doublelock demo --behavior conformance.json
  doublelock demo --keep          # then, in another terminal, use the aws CLI against it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), env, options)
		},
	}
	cmd.Flags().Uint64Var(&options.seed, "seed", 1, "where ids and faults come from; the same seed gives the same output")
	flags.Choice(cmd, &options.partition, partitions(), "partition", "which part of AWS the organization is in")
	cmd.Flags().StringVar(&options.behavior, "behavior", "", "`FILE` of a report of doublelock conformance that the local AWS follows")
	_ = cmd.MarkFlagFilename("behavior", "json")
	cmd.Flags().BoolVar(&options.keep, "keep", false, "leave the local AWS listening afterwards, until Ctrl-C, and print what to export")
	return cmd
}

type demoOptions struct {
	seed      uint64
	partition string
	keep      bool
	behavior  string // file of a report
}

func partitions() []string {
	var names []string
	for _, p := range config.Partitions() {
		names = append(names, string(p))
	}
	return names
}

func runDemo(ctx context.Context, env *command.Env, options demoOptions) error {
	removeLeft()
	followed, err := conformance.ReadBehavior(options.behavior, arn.Partition(options.partition), func(path string) ([]byte, error) { return input.Report(env, path, conformance.MaxReport) })
	if err != nil {
		return command.Fail("demo: --behavior: %w", err)
	}
	for _, note := range followed.Notes() {
		env.Note("%s", note)
	}
	org, stop, err := Play(ctx, env, local.Options{Partition: arn.Partition(options.partition), Seed: options.seed, Behavior: followed.Behavior})
	if err != nil {
		return err
	}
	defer stop()
	if options.keep {
		err = keep(ctx, env, org)
	}
	if left := len(followed.Left); err == nil && left > 0 {
		return &command.ExitError{Code: command.NotFollowed, Err: fmt.Errorf("demo: --behavior: %s not followed", output.Count(left, "answer is", "answers are"))}
	}
	return err
}

// show is an organization and who reports what happens in it.
type show struct {
	org      *local.Organization
	reporter *reporter
}

func newShow(ctx context.Context, env *command.Env, o local.Options) (show, func(), error) {
	o.Clock = local.NewClock()
	r := newReporter(newTimeline(env, o.Clock.Now, local.AccountNames()))
	decide := o.Watch.Decide
	o.Watch = r.watcher()
	o.Watch.Decide = decide
	w, stop, err := local.New(ctx, o)
	return show{w, r}, stop, err
}

// Play plays the whole story in an organization with the demo's clock and reporter, prints it, and leaves the organization as it is then. The returned function
// ends it. A story that did not end well, in which an event was lost or a function failed, is an error.
func Play(ctx context.Context, env *command.Env, o local.Options) (*local.Organization, func(), error) {
	s, stop, err := newShow(ctx, env, o)
	if err != nil {
		return nil, nil, err
	}
	if err := play(ctx, s.org, s.reporter); err != nil {
		stop()
		return nil, nil, err
	}
	if err := s.reporter.close(ctx, s.org); err != nil {
		stop()
		return nil, nil, err
	}
	return s.org, stop, nil
}

// play plays every scene of the story in an organization.
func play(ctx context.Context, w *local.Organization, r *reporter) error {
	r.start(w.Home())
	s := &runner{org: w, timeline: r.timeline}
	r.timeline.print("%s\n", r.timeline.paint.dim(wrap(demoIntroduction, "", 112)))
	for i, scene := range story() {
		r.timeline.heading(i+1, scene.title, scene.why)
		if err := scene.play(ctx, s); err != nil {
			return fmt.Errorf("scene %d, %s: %w", i+1, scene.title, err)
		}
	}
	return nil
}

const demoIntroduction = `An AWS organization in this process: a management account, a security account that holds the hub, and four member
accounts in two OUs and two Regions. The SCPs, rules, queues, roles and keys are those that the CDK app synthesizes; the
handlers and the SDK are the real ones. Only the address of AWS is another.`
