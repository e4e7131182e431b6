package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
)

// How long the removal of what a run made may take, of AWS and of a stand-in on this machine.
const (
	cleaning      = 10 * time.Minute
	cleaningLocal = time.Minute
)

// unwound is how long a run may take to give up when it is stopped for the second time.
const unwound = time.Second

// cleanupOf is the command that removes what a run made, with the same environment: it looks for no more than the run may
// have made.
func (o *options) cleanupOf(run sandbox.Run) string {
	line := []string{"doublelock conformance --cleanup"}
	add := func(name, value string) {
		if value != "" {
			line = append(line, name, awscli.Word(value))
		}
	}
	add("--against", o.against)
	add("--run", string(run))
	add("--region", o.region)
	add("--second-region", o.second)
	add("--state", o.state)
	for _, q := range o.questions {
		add("--question", q)
	}
	if o.organization {
		line = append(line, "--organization")
		add("--ou", o.ou)
		add("--account", o.account)
		add("--role", o.role)
	}
	return strings.Join(line, " ")
}

// cleanupOfState is the command that removes what a state says: of a run of the second set it takes the credentials with which that
// was run.
func (o *options) cleanupOfState(state conformance.State) string {
	there := *o
	there.region, there.second = state.Region, cmp.Or(state.Second, o.second)
	if state.Role == "" || o.organization {
		return there.cleanupOf(sandbox.Run(o.onlyRun))
	}
	there.organization, there.account, there.role = true, state.Account, state.Role
	whose := "the management account"
	if state.Management != "" {
		whose = "account " + state.Management
	}
	return there.cleanupOf(sandbox.Run(o.onlyRun)) + ", with credentials of " + whose + ","
}

// interrupted ends a run that nobody waits for any more.
func (w *world) interrupted() error {
	if w.ends {
		return &command.ExitError{Code: command.Interrupted, Err: fmt.Errorf("conformance: stopped; nothing is left, for what was made ended with %s", w.against)}
	}
	return interrupted(w.again)
}

// interrupted ends a run whose things nobody waited for to be removed.
func interrupted(again string) error {
	return &command.ExitError{Code: command.Interrupted, Err: fmt.Errorf("conformance: stopped, and something is left; this removes it: %s", again)}
}

// whileAwaited is a context that goes on when another ends with the first signal, and ends with the second.
func whileAwaited(ctx context.Context, env *command.Env) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	if env.Again == nil {
		return ctx, end
	}
	undo := context.AfterFunc(env.Again, end)
	return ctx, func() { undo(); end() }
}

// remove removes what the run made while that is awaited, also when the context of the run has ended.
func (w *world) remove(run, awaited context.Context, env *command.Env) error {
	if w.ends && (run.Err() != nil || w.against != localAWS) {
		return nil
	}
	state := w.journal.State()
	if stopped := run.Err() != nil; stopped || w.against == conformance.AWS {
		fmt.Fprintf(env.Stderr, "doublelock: removing what was made: %s; %s at most. %s ends that, and this removes the rest:\ndoublelock: %s\n",
			contents(state.Resources), minutes(w.lasts), map[bool]string{true: "Ctrl-C", false: "Ctrl-C twice"}[stopped], w.again)
	}
	ctx, cancel := context.WithTimeout(awaited, w.lasts)
	defer cancel()
	sessions, err := w.reopen(ctx)
	switch {
	case awaited.Err() != nil:
		return w.interrupted()
	case err != nil:
		return fmt.Errorf("conformance: nothing was removed; this does it: %s: %w", w.again, err)
	}
	if err = removeAll(ctx, env, sessions, state, w.file, w.again, nil); w.ends && awaited.Err() != nil {
		return w.interrupted()
	}
	return err
}

func minutes(d time.Duration) string { return output.Count(int(d.Minutes()), "minute") }

// contents are how many things there are of each kind.
func contents(of []sandbox.Resource) string {
	count := map[sandbox.Kind]int{}
	for _, r := range of {
		count[r.Kind]++
	}
	var parts []string
	for _, kind := range sandbox.Kinds() {
		if n := count[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", kind, n))
		}
	}
	if len(parts) == 0 {
		return "nothing is known yet"
	}
	return strings.Join(parts, ", ")
}

// removeAll removes what a state says, and then the state.
func removeAll(ctx context.Context, env *command.Env, sessions map[string]*sandbox.Session, state conformance.State, file, again string, spare func(sandbox.Run) bool) error {
	regions := []string{state.Region}
	if state.Second != "" {
		regions = append(regions, state.Second)
	}
	defer env.Wait("what was made to be removed")()
	removed, err := conformance.Cleanup(ctx, sessions, regions, state.Kinds, state.Resources, spare)
	keys := 0
	for _, r := range removed.Gone {
		if r.Kind == sandbox.Key {
			keys++
		}
	}
	fmt.Fprintf(env.Stderr, "doublelock: removed %s; %s deleted in %d days\n", output.Count(len(removed.Gone)-keys, "thing"), output.Count(keys, "key is", "keys are"), sandbox.WaitingDays)
	for _, run := range removed.Spared {
		env.Note("run %s began at %s and may be alive: what it made stays; --run %s removes it all the same", run, run.Started().Format(time.RFC3339), run)
	}
	for _, r := range removed.Foreign {
		env.Note("%s has the name of a run but not its tag: it is somebody else's and stays", r)
	}
	if errors.Is(ctx.Err(), context.Canceled) { // by a signal
		return interrupted(again)
	}
	for _, left := range removed.Left {
		err = errors.Join(err, fmt.Errorf("remove %s: %w", left.Resource, left.Err))
	}
	if err != nil {
		return fmt.Errorf("conformance: something is left; %s tries again: %w", again, err)
	}
	if file != "" {
		if err := files.Remove(file); err != nil {
			return fmt.Errorf("remove the state of the run: %w", err)
		}
	}
	return nil
}
