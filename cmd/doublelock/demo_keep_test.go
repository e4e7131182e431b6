package main

import (
	"bufio"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A demo that is killed leaves credentials. The next one removes them before it does anything else, and none that are in
// use; one that ends by itself leaves nothing.
func TestCredentialsOfADemoThatWasKilledAreRemovedByTheNext(t *testing.T) {
	if testing.Short() {
		t.Skip("plays two demos")
	}
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	kept := func() []string {
		found, err := filepath.Glob(filepath.Join(folder, "doublelock-demo-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	began := time.Now()
	first := startDemo(t)
	first.waitFor(t, "The local AWS is listening")
	story := time.Since(began)
	if found := kept(); len(found) != 1 {
		t.Fatalf("kept: %v", found)
	}
	credentials := filepath.Join(kept()[0], "credentials")
	for path, want := range map[string]os.FileMode{kept()[0]: os.ModeDir | 0o700, credentials: 0o600, filepath.Join(kept()[0], "doublelock.yaml"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}

	second := startDemo(t)
	second.waitFor(t, "The local AWS is listening")
	if found := kept(); len(found) != 2 {
		t.Errorf("while two are running: %v", found)
	}
	first.end(t, syscall.SIGKILL)
	if found := kept(); len(found) != 2 {
		t.Errorf("after the first was killed: %v; this test shows nothing", found)
	}
	third := startDemo(t)
	until(t, "the first one's credentials are removed", func() bool { return len(kept()) == 1 })
	third.end(t, syscall.SIGKILL)
	for range 5 { // before, while and after it writes them
		killed := startDemo(t)
		time.Sleep(story*3/4 + rand.N(story/2))
		killed.end(t, syscall.SIGKILL)
	}
	last := startDemo(t)
	until(t, "all that was left is removed", func() bool { return len(kept()) == 1 })
	last.end(t, syscall.SIGKILL)
	closed := os.Signal(syscall.SIGHUP) // its terminal was closed
	if signal.Ignored(syscall.SIGHUP) {
		closed = syscall.SIGTERM // under nohup nothing that we start ends by it
	}
	second.end(t, closed)
	if found := kept(); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
}

// demoProcess is doublelock demo --keep in another process.
type demoProcess struct {
	command *exec.Cmd
	lines   *bufio.Scanner
}

func startDemo(t *testing.T) *demoProcess {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	d := &demoProcess{command: exec.CommandContext(ctx, "doublelock", "demo", "--keep", "-o", "json")}
	errs, err := d.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.lines = bufio.NewScanner(errs)
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *demoProcess) waitFor(t *testing.T, text string) {
	t.Helper()
	var said []string
	for d.lines.Scan() {
		said = append(said, d.lines.Text())
		if strings.Contains(d.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("it ended without %q:\n%s", text, strings.Join(said, "\n"))
}

func (d *demoProcess) end(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := d.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	err := d.command.Wait()
	if signal != syscall.SIGKILL && err != nil {
		t.Errorf("after %v: %v", signal, err)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("in half a minute it did not come to that: %s", what)
}
