package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever waits for standard input, from which nothing comes, ends when asked to.
func TestACommandThatWaitsForStandardInputEndsWhenAskedTo(t *testing.T) {
	for _, line := range []string{"readers a -s -", "migrate show -", "config validate -", "policy test -", "replay -"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		waiting := exec.CommandContext(ctx, "doublelock", strings.Fields(line)...)
		var errs bytes.Buffer
		waiting.Stderr = &errs
		in, err := waiting.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := waiting.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // until it reads: the end is the same if it does not yet
		if err := waiting.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = waiting.Wait()
		if code := waiting.ProcessState.ExitCode(); code != 1 || ctx.Err() != nil || errs.Len() == 0 {
			t.Errorf("%s: %v, %v: %s", line, waiting.ProcessState, ctx.Err(), errs.String())
		}
		_ = in.Close()
		cancel()
	}
}
