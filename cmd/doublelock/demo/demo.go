package demo

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/world"
)

func New(env *command.Env) *cobra.Command {
	var options demoOptions
	command := &cobra.Command{
		Use:   "demo",
		Short: "Play an organization on this machine: real handlers, real SDK, a local AWS",
		Long: `Demo starts an AWS organization in this process, deploys the templates that the CDK app synthesizes into it, and plays a
story through the real handlers and the real SDK. No AWS account is needed and nothing leaves this machine. The same
seed gives the same output.`,
		Example: `  doublelock demo
  doublelock demo -o json | jq -r 'select(.stage == "finding_opened") | .control + " " + .resource'
  doublelock demo --keep          # then, in another terminal, use the aws CLI against it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), env, options)
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&options.seed, "seed", 1, "where ids and faults come from; the same seed gives the same output")
	flags.BoolVar(&options.keep, "keep", false, "leave the local AWS listening afterwards, until Ctrl-C, and print what to export")
	return command
}

type demoOptions struct {
	seed uint64
	keep bool
}

func runDemo(ctx context.Context, env *command.Env, options demoOptions) error {
	s, stop, err := newShow(ctx, env, options.seed)
	if err != nil {
		return err
	}
	defer stop()
	if err := play(ctx, s.world, s.reporter); err != nil {
		return err
	}
	if err := s.reporter.close(ctx, s.world); err != nil || !options.keep {
		return err
	}
	return keep(ctx, env, s.world)
}

// show is a world and who reports what happens in it.
type show struct {
	world    *world.World
	reporter *reporter
}

func newShow(ctx context.Context, env *command.Env, seed uint64) (show, func(), error) {
	c := world.NewClock()
	r := newReporter(newTimeline(env, c.Now, world.AccountNames()))
	w, stop, err := world.New(ctx, seed, c, c.Now, r.watcher())
	return show{w, r}, stop, err
}

// Play plays the whole story, prints it, and leaves the world as it is then. The returned function ends it.
func Play(ctx context.Context, env *command.Env, seed uint64) (*world.World, func(), error) {
	s, stop, err := newShow(ctx, env, seed)
	if err != nil {
		return nil, nil, err
	}
	if err := play(ctx, s.world, s.reporter); err != nil {
		stop()
		return nil, nil, err
	}
	return s.world, stop, nil
}

// play plays every scene of the story in a world.
func play(ctx context.Context, w *world.World, r *reporter) error {
	r.start()
	s := &stage{world: w, timeline: r.timeline}
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
