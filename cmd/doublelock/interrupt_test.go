package main

import (
	"bytes"
	"context"
	"os"
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
		reads, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		waiting.Stdin = reads
		if err := waiting.Start(); err != nil {
			t.Fatal(err)
		}
		// More than a pipe holds: it is taken when the command reads, and then it waits for the rest.
		if err := in.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(bytes.Repeat([]byte(" "), 128<<10)); err != nil {
			t.Fatal(err)
		}
		if err := waiting.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = waiting.Wait()
		if code := waiting.ProcessState.ExitCode(); code != 1 || ctx.Err() != nil || errs.Len() == 0 {
			t.Errorf("%s: %v, %v: %s", line, waiting.ProcessState, ctx.Err(), errs.String())
		}
		_, _ = in.Close(), reads.Close()
		cancel()
	}
}
