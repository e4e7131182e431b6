package doubles_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/doubles"
)

// This test's own program stands in for a double: it is started by a script that says how it behaves.
func TestMain(m *testing.M) {
	if port := os.Getenv("ANSWER_ON"); port != "" {
		answer(port)
	}
	os.Exit(m.Run())
}

func answer(port string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/moto-api/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/end", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	if err := http.ListenAndServe(net.JoinHostPort("127.0.0.1", port), mux); err != nil {
		os.Exit(8)
	}
}

// program writes a script that moto's arguments (-H host -p port) are given to.
func program(t *testing.T, script string) doubles.Options {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "double")
	text := "#!/bin/sh\nserve() { ANSWER_ON=\"$4\" exec '" + own + "'; }\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return doubles.Options{Program: path, Dir: dir, Patience: 10 * time.Second}
}

func TestADoubleAnswersUntilItIsStopped(t *testing.T) {
	p, err := doubles.Start(t.Context(), doubles.Moto, program(t, `serve "$@"`))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.Get(p.Endpoint + "/moto-api/"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("answer %v, %v", answer, err)
	}
	p.Stop()
	p.Stop()
	if p.Err() != nil || p.Alive.Err() == nil {
		t.Errorf("stopped: %v, alive %v", p.Err(), p.Alive.Err())
	}
	if _, err := http.Get(p.Endpoint + "/moto-api/"); err == nil {
		t.Error("stopped, and answers")
	}
}

func TestADoubleEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := doubles.Start(ctx, doubles.Moto, program(t, `serve "$@"`))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	p.Stop() // waits for whoever stops it
	if _, err := http.Get(p.Endpoint + "/moto-api/"); err == nil || p.Err() != nil {
		t.Errorf("ended, and says %v, %v", err, p.Err())
	}
}

func TestADoubleThatDoesNotStartIsTriedOnceMore(t *testing.T) {
	o := program(t, `echo tried >>tries; if [ "$(wc -l <tries)" -eq 1 ]; then echo port is taken; exit 1; fi; serve "$@"`)
	p, err := doubles.Start(t.Context(), doubles.Moto, o)
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
}

func TestADoubleThatNeverStartsIsNamedAsSuch(t *testing.T) {
	for name, test := range map[string]struct {
		script   string
		patience time.Duration
		says     string
	}{
		"it ends at once":      {`echo tried >>tries; echo no module named moto; exit 1`, 10 * time.Second, "no module named moto"},
		"it never is ready":    {`echo tried >>tries; echo loading; exec sleep 60`, 200 * time.Millisecond, "not ready within 200ms"},
		"it cannot be started": {`#`, 10 * time.Second, "did not start"},
	} {
		t.Run(name, func(t *testing.T) {
			o := program(t, test.script)
			o.Patience = test.patience
			_, err := doubles.Start(t.Context(), doubles.Moto, o)
			if !errors.Is(err, doubles.ErrNotStarted) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "moto") {
				t.Fatalf("error %v", err)
			}
			if tries, err := os.ReadFile(filepath.Join(o.Dir, "tries")); err == nil && string(tries) != "tried\ntried\n" {
				t.Errorf("tried %q, want two tries", tries)
			}
		})
	}
}

func TestADoubleThatEndsByItselfIsNamedAsSuch(t *testing.T) {
	p, err := doubles.Start(t.Context(), doubles.Moto, program(t, `echo working; serve "$@"`))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := http.Get(p.Endpoint + "/end"); err == nil {
		t.Error("it was to end")
	}
	<-p.Alive.Done()
	if err := p.Err(); !errors.Is(err, doubles.ErrEnded) || !strings.Contains(err.Error(), "working") {
		t.Errorf("error %v", err)
	}
}

func TestADoubleThatIsNotInstalledSaysHow(t *testing.T) {
	for _, d := range []doubles.Double{doubles.Moto, doubles.MiniStack} {
		if _, err := d.Program(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make ") {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// What a double started goes with it, also when whoever started the double is killed: here another process of this test.
func TestADoubleAndItsHelpersEndWithWhoeverStartedThem(t *testing.T) {
	if os.Getenv("START_AND_HANG") != "" {
		if _, err := doubles.Start(context.Background(), doubles.Moto, doubles.Options{Program: os.Getenv("START_AND_HANG"), Dir: filepath.Dir(os.Getenv("START_AND_HANG")), Patience: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		select {} // until it is killed
	}
	o := program(t, `trap '' TERM; sh -c 'trap "" TERM; echo $$ >helper; while :; do sleep 1; done' & echo $$ >double; ANSWER_ON="$4" '`+self(t)+`'; wait`)
	starter := exec.Command(self(t), "-test.run", "^"+t.Name()+"$")
	starter.Env = append(os.Environ(), "START_AND_HANG="+o.Program)
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for end := time.Now().Add(20 * time.Second); len(pids) < 2 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, name := range []string{"helper", "double"} {
			text, _ := os.ReadFile(filepath.Join(o.Dir, name)) // not there yet
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				pids[name] = pid
			}
		}
	}
	_ = starter.Process.Kill()
	_ = starter.Wait() // it was killed
	if len(pids) < 2 {
		t.Fatalf("started: %v", pids)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		alive := ""
		for name, pid := range pids {
			if syscall.Kill(pid, 0) == nil && !zombie(pid) {
				alive += name + " "
			}
		}
		if alive == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still there: %s", alive)
		}
	}
}

// zombie reports whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(text), ") Z ")
}

func self(t *testing.T) string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return own
}
