// Command doublelock is the laptop end of Doublelock: it runs the demo, replays recorded CloudTrail and drives the
// audit, migration and incident work. It contains no logic of its own beyond reading flags and printing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &environment{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Now:    time.Now,
		color:  colorWanted(os.Stdout, os.Getenv),
	}
	return exitCode(env, rootCommand(env).ExecuteContext(ctx))
}

func exitCode(env *environment, err error) int {
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitFailure, err: err}
	}
	if exit.err != nil {
		fmt.Fprintln(env.Stderr, "doublelock:", exit.err)
	}
	return exit.code
}
