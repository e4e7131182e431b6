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
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &command.Env{Printer: output.New(os.Stdout, os.Stderr, os.Getenv), Stdin: os.Stdin, Now: time.Now, Getenv: os.Getenv}
	return command.Code(env, rootCommand(env).ExecuteContext(ctx))
}
