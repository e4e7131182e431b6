// Package command is what a command gets from the process and how it ends: streams, clock and environment on the one
// side, exit codes and one line of error on the other.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// Env is everything a command may touch outside its arguments. The printer holds both output streams.
type Env struct {
	*output.Printer
	Stdin  io.Reader
	Now    func() time.Time
	Getenv func(variable string) string
	// Ends with a signal, and with it every wait for an input; nil never does.
	Ends context.Context //nolint:containedctx // as long as the process, as the streams are
	// Again ends with a second signal, for what is put away after the first; nil never does.
	Again context.Context //nolint:containedctx // as Ends
}

// Beside is the environment of what goes with a file: where that is written to standard output, the rest is not.
func (e *Env) Beside(path string) *Env {
	beside := *e
	beside.Printer = e.Printer.Beside(path)
	return &beside
}

// Exit codes of every command.
const (
	Failure  = 1 // the command could not do what it was asked
	Findings = 2 // it did, and somebody has something to do
	// NotFollowed is of those that are given a report of conformance: the local AWS does not answer as it says.
	NotFollowed = 4
	// Interrupted is of those that were stopped and could not put away all that they made: something is left.
	Interrupted = 130
)

// ExitError ends a command with an exit code. A nil Err prints nothing.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Fail ends a command that could not do what it was asked, with a reason.
func Fail(format string, args ...any) error {
	return &ExitError{Code: Failure, Err: fmt.Errorf(format, args...)}
}

// Finding ends a command that found something, with a sentence about it.
func Finding(format string, args ...any) error {
	return &ExitError{Code: Findings, Err: fmt.Errorf(format, args...)}
}

// Found ends a command whose output has said already what it found.
func Found() error { return &ExitError{Code: Findings} }

// Code prints what ended a command and returns the exit code of the process. Output that was lost is a failure, whatever
// the command found.
func Code(env *Env, err error) int {
	if lost := env.Unwritten(); lost != nil {
		err = lost
	}
	if err == nil {
		return 0
	}
	var exit *ExitError
	if !errors.As(err, &exit) {
		exit = &ExitError{Code: Failure, Err: err}
	}
	if exit.Err != nil {
		fmt.Fprintln(env.Stderr, "doublelock:", exit.Err)
	}
	return exit.Code
}
