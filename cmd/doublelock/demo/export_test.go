package demo

import (
	"context"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
)

// Prepare founds the organization of a demo. The first function plays the story and returns how many events were handled; the
// second ends it.
func Prepare(ctx context.Context, env *command.Env, seed uint64) (func(context.Context) (int, error), func(), error) {
	return Watched(ctx, env, seed, nil)
}

// Watched is Prepare with somebody who sees every evaluation of policies.
func Watched(ctx context.Context, env *command.Env, seed uint64, decide func(localaws.Decision)) (func(context.Context) (int, error), func(), error) {
	s, stop, err := newShow(ctx, env, local.Options{Seed: seed, Watch: local.Watcher{Decide: decide}})
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (int, error) {
		err := play(ctx, s.org, s.reporter)
		return s.reporter.inspected, err
	}, stop, nil
}

// KeepText is what --keep prints, before its blanks are filled in.
const KeepText = keepText

// Show prints notices as the timeline does.
func Show(env *command.Env, notices ...guard.Notice) {
	r := newReporter(newTimeline(env, env.Now, nil))
	for _, n := range notices {
		r.notice(n)
	}
}
