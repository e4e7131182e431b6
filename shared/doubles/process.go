package doubles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Whose fault it is when a double is not there: never that of what is tried on it.
var (
	ErrNotStarted = errors.New("did not start: nothing was tried on it")
	ErrEnded      = errors.New("ended before it was stopped: what failed since says nothing")
)

// Process is a double at work.
type Process struct {
	Double   Double
	Endpoint string          // without a path
	Alive    context.Context // ends with the process; its cause is ErrEnded, unless Stop ended it

	log      string // file
	command  *exec.Cmd
	lifeline io.Closer
	ended    context.CancelCauseFunc // of Alive
	gone     chan struct{}           // closed when the process is reaped
	stopped  sync.Once
}

// leash ends the double as soon as the shell's input ends, which is when this process ends, however it ends; and it ends
// when the double does. What is left of it then, as of its helpers, is killed after some seconds: with the whole process
// group, which is the double's own.
const leash = `exec 3<&0; "$0" "$@" </dev/null 3<&- & p=$!; (read -r _ <&3; kill $p 2>/dev/null; sleep 3; kill -9 0) & wait $p`

// starting lets one come up at a time: with TLS ministack also takes port 443 where that is free, and two would fight.
var starting sync.Mutex

// Start runs a double on a free port of loopback and waits until it is ready. What does not start is tried once more, on
// another port; then the error is ErrNotStarted and holds the end of both logs, where they differ. The process lasts until Stop, the end of
// ctx or the end of this process.
func Start(ctx context.Context, d Double, o Options) (*Process, error) {
	starting.Lock()
	defer starting.Unlock()
	var problems []error
	for range 2 {
		p, err := start(ctx, d, o)
		if err == nil {
			return p, nil
		}
		problems = addProblem(problems, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%s %w: %w", d, ErrNotStarted, errors.Join(problems...))
}

// addProblem adds what went wrong with a try, unless it is the same as before.
func addProblem(problems []error, err error) []error {
	for _, before := range problems {
		if before.Error() == err.Error() {
			return problems
		}
	}
	return append(problems, err)
}

func start(ctx context.Context, d Double, o Options) (*Process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	p := &Process{Double: d, Endpoint: o.scheme() + "://127.0.0.1:" + port, log: filepath.Join(o.Dir, string(d)+".log"), gone: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer func() { _ = log.Close() }() // the process has its own

	args, env := kinds[d].command(o, port)
	p.command = exec.Command("sh", append([]string{"-c", leash, o.Program}, args...)...) //nolint:noctx // Stop and the leash end it, with its children
	p.command.Dir, p.command.Stdout, p.command.Stderr = o.Dir, log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + o.Dir, "TMPDIR=" + o.Dir}, env...)
	if p.lifeline, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("hold its input: %w", err)
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	alive, ended := context.WithCancelCause(ctx)
	p.Alive, p.ended = alive, ended
	go func() {
		_ = p.command.Wait() // how it ended is in its state
		p.ended(fmt.Errorf("%s %w (%s); %s", d, ErrEnded, p.command.ProcessState, p.logEnds()))
		close(p.gone)
	}()
	context.AfterFunc(ctx, p.Stop)
	if err := p.await(alive, o); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// await waits until the double says that it is healthy.
func (p *Process) await(ctx context.Context, o Options) error {
	patience := o.Patience
	if patience == 0 {
		patience = 60 * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not ready within %s", patience))
	defer cancel()
	for {
		err := p.healthy(ctx, o)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if !errors.Is(cause, ErrEnded) { // whose text has the log already
				cause = fmt.Errorf("%w (%w); %s", cause, err, p.logEnds())
			}
			return cause
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *Process) healthy(ctx context.Context, o Options) error {
	client := o.Client
	if client == nil {
		client = http.DefaultClient
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Endpoint+kinds[p.Double].health, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // its status is all we ask
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("health answers %s", answer.Status)
	}
	return nil
}

// Err is nil while the process runs, and ErrEnded when it ended by itself.
func (p *Process) Err() error {
	if cause := context.Cause(p.Alive); errors.Is(cause, ErrEnded) {
		return cause
	}
	return nil
}

// Stop ends the process and what it started, and returns when it is gone. Stopping twice is stopping once.
func (p *Process) Stop() {
	p.stopped.Do(func() {
		p.ended(context.Canceled)
		_ = p.lifeline.Close() // the leash lets go
		select {
		case <-p.gone:
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // whoever is left of its group
		<-p.gone
	})
}

// logEnds says how the log ends, for the end of a sentence.
func (p *Process) logEnds() string {
	if log := p.Log(); log != "" {
		return "its log ends:\n" + log
	}
	return "it printed nothing"
}

// Log is the end of what the double printed.
func (p *Process) Log() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}
