// Package strangers_test deploys what is shipped into an AWS that nobody here wrote, and plays a day of it there. It
// imports nothing of ours: templates, binaries and AWS's own calls are all it knows.
package strangers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	root    = "../.." // of the repository
	program = root + "/.venv-strangers/bin/ministack"
	how     = "run make strangers: it makes the venv of requirements-strangers.txt"
)

// emulator is ministack at work.
type emulator struct {
	certificate
	endpoint string
	log      string          // file
	alive    context.Context // ends with the process; its cause says whose fault it was
}

// leash ends ministack as soon as the shell's input ends, which is when this process ends, however it ends; and it ends
// when ministack does.
const leash = `exec 3<&0; "$0" </dev/null 3<&- & p=$!; (read -r _ <&3; kill $p 2>/dev/null) & wait $p`

// start runs ministack on loopback for as long as the test lasts. When it cannot start, or ends before the test does,
// the test fails with a message that says so: that is a bad day of ministack, not a fault of ours.
func start(t *testing.T) *emulator {
	t.Helper()
	binary := installed(t)
	starting.Lock()
	defer starting.Unlock()
	home := t.TempDir()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	e := &emulator{certificate: selfSigned(t, home), endpoint: "https://" + address, log: filepath.Join(home, "ministack.log")}
	log, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own

	cmd := exec.Command("sh", "-c", leash, binary)
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port, "MINISTACK_HOST=127.0.0.1",
		"AWS_ENDPOINT_URL=" + e.endpoint, // where functions find AWS
		"AUTH=true",                      // policies count, of functions and of the roles that they assume
		"USE_SSL=1", "MINISTACK_SSL_CERT=" + e.cert, "MINISTACK_SSL_KEY=" + e.key, "SSL_CERT_FILE=" + e.cert,
		"IOT_MTLS_ENABLED=0", "SFTP_ENABLED=0", "DOCKER_HOST=unix:///nonexistent",
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("ministack did not start (nothing of ours was tried): %v", err)
	}
	alive, ended := context.WithCancelCause(t.Context())
	e.alive = alive
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		ended(fmt.Errorf("ministack %w (%s): its bad day, not a fault of ours; it says:\n%s", errEnded, cmd.ProcessState, e.tail()))
		close(gone)
	}()
	t.Cleanup(func() {
		cause := context.Cause(alive)
		_ = lifeline.Close()
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left of its group
		<-gone
		switch {
		case errors.Is(cause, errEnded):
			t.Error(cause)
		case t.Failed():
			t.Logf("ministack's log ends:\n%s", e.tail())
		}
	})
	e.await(t)
	return e
}

// starting lets one come up at a time: with TLS it also takes port 443 where that is free, and two would fight for it.
var starting sync.Mutex

var errEnded = errors.New("ended before the test did")

// await waits until ministack says that it is healthy.
func (e *emulator) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && e.alive.Err() == nil; time.Sleep(50 * time.Millisecond) {
		answer, err := e.client.Get(e.endpoint + "/_localstack/health")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("ministack did not start: nothing of ours was tried")
}

// tail is the end of ministack's log.
func (e *emulator) tail() string {
	raw, err := os.ReadFile(e.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// installed is ministack's program. Without it the test is skipped at a desk and fails in CI.
func installed(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", path, how)
	}
	t.Skipf("%s is missing: %s", path, how)
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it was free a moment ago
	return listener.Addr().String()
}
