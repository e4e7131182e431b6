package demo

import (
	"context"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/guard"
)

// Prepare founds the organization of a demo. The first function plays the story and returns how many events were handled; the
// second ends it.
func Prepare(ctx context.Context, env *command.Env, seed uint64) (func(context.Context) (int, error), func(), error) {
	s, stop, err := newShow(ctx, env, local.Options{Seed: seed})
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (int, error) {
		err := play(ctx, s.org, s.reporter)
		return s.reporter.inspected, err
	}, stop, nil
}

// Show prints notices as the timeline does.
func Show(env *command.Env, notices ...guard.Notice) {
	r := newReporter(newTimeline(env, env.Now, nil))
	for _, n := range notices {
		r.notice(n)
	}
}
