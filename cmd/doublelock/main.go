// Command doublelock is the laptop end of Doublelock: it runs the demo, replays recorded CloudTrail and drives the
// audit, migration and incident work. Each command is a package; this one joins them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func main() {
	os.Exit(run(time.Now))
}

func run(now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	again, stopAgain := secondSignal(ctx)
	defer stopAgain()
	env := &command.Env{Printer: output.New(os.Stdout, os.Stderr, os.Getenv), Stdin: input.Standard(ctx, os.Stdin), Now: now, Getenv: os.Getenv, Ends: ctx, Again: again}
	return command.Code(env, rootCommand(env).ExecuteContext(ctx))
}

// secondSignal ends with a signal that comes after the one that ended a context.
func secondSignal(first context.Context) (again context.Context, stop func()) {
	again, end := context.WithCancel(context.Background())
	undo := context.AfterFunc(first, func() {
		second, stop := signal.NotifyContext(again, endings()...)
		context.AfterFunc(second, func() { stop(); end() })
	})
	return again, func() { undo(); end() }
}

// endings are the signals that end a command after it has put away what it keeps: a terminal that is closed is one, unless
// nohup took care of it.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
