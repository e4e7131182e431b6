package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
)

// TestStoriesInADemoThatIsKept plays what people do with the real aws CLI in the organization of "doublelock demo --keep", and
// compares what audit, readers and the hub's notices say with what reading the value gives.
func TestStoriesInADemoThatIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("plays demos")
	}
	cli := awsclitest.Find(t)
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("demo", "testdata", "keep"),
		UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"demo": startKept, "named": named, "since": since, "shows": shows,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir) // where the CLI keeps the sessions of roles: each demo has its own
			env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+filepath.Dir(cli))
			for name, value := range map[string]string{"AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "text", "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1"} {
				env.Setenv(name, value)
			}
			env.Values[keptKey{}] = &kept{}
			return nil
		},
	})
}

// The manual's session is what the script runs, in that order, as the same people.
func TestTheSessionInTheManualIsPlayed(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, session, found := strings.Cut(string(raw), "<!-- session -->")
	session, _, ended := strings.Cut(session, "<!-- end of session -->")
	script, err := os.ReadFile(filepath.Join("demo", "testdata", "keep", "operator.txtar"))
	if err != nil || !found || !ended {
		t.Fatalf("session %v %v, script %v", found, ended, err)
	}
	var plays []string
	who := ""
	for line := range strings.Lines(string(script)) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "! "))
		if profile, is := strings.CutPrefix(line, "env "); is {
			who = profile
		}
		if command, is := strings.CutPrefix(line, "exec "); is {
			plays = append(plays, who+" "+strings.TrimSuffix(command, " --config $FOLDER/doublelock.yaml"))
		}
	}
	shown := 0
	for line := range strings.Lines(session) {
		command, is := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !is {
			continue
		}
		shown++
		at := slices.Index(plays, command)
		if at < 0 {
			t.Fatalf("the script does not run, or not in this order: %s", command)
		}
		plays = plays[at+1:]
	}
	if shown < 10 {
		t.Errorf("%d commands in the session", shown)
	}
}

// kept is a demo that is kept for a script, and what it has shown.
type kept struct {
	mu    sync.Mutex
	lines []string // since the last "since"
	ended bool
}

type keptKey struct{}

func keptOf(ts *testscript.TestScript) *kept { return ts.Value(keptKey{}).(*kept) }

// patience is how long a script waits for a demo to come to something, on a busy machine.
const patience = time.Minute

var exported = regexp.MustCompile(`([A-Z_]+)=(\S+)`)

// startKept starts a demo for the rest of a script, and exports what it says to export. FOLDER is where its files are.
func startKept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: demo")
	}
	d := keptOf(ts)
	command := exec.Command("doublelock", "demo", "--keep")
	command.Env = append(os.Environ(), "TMPDIR="+ts.MkAbs("."), "NO_COLOR=1")
	stdout, err := command.StdoutPipe()
	ts.Check(err)
	var stderr lockedBuffer
	command.Stderr = &stderr
	ts.Check(command.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			d.add(lines.Text())
		}
		d.end()
	}()
	ts.Defer(func() {
		_ = command.Process.Signal(os.Interrupt)
		<-read
		if err := command.Wait(); err != nil {
			ts.Logf("the demo ended: %v\n%s", err, stderr.String())
		}
	})
	ts.Check(d.until(func([]string) bool { return strings.Contains(stderr.String(), "Profiles:") }))
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, "export ") {
			continue
		}
		for _, pair := range exported.FindAllStringSubmatch(line, -1) {
			ts.Setenv(pair[1], pair[2])
		}
	}
	ts.Setenv("FOLDER", filepath.Dir(ts.Getenv("AWS_CONFIG_FILE")))
}

// named gives what the last command printed a name, for the rest of the script.
func named(ts *testscript.TestScript, neg bool, args []string) {
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if neg || len(args) != 1 || value == "" {
		ts.Fatalf("usage: named NAME, after a command that prints something")
	}
	ts.Setenv(args[0], value)
}

// since forgets what the demo has shown: what it shows from now on counts.
func since(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: since")
	}
	d := keptOf(ts)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = nil
}

// shows waits until the demo has shown a line that matches; with "!" none of those that it has shown does.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] shows PATTERN")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	d := keptOf(ts)
	if neg {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, line := range d.lines {
			if pattern.MatchString(line) {
				ts.Fatalf("it shows %s", line)
			}
		}
		return
	}
	var shown []string
	if err := d.until(func(lines []string) bool {
		shown = lines
		for _, line := range lines {
			if pattern.MatchString(line) {
				return true
			}
		}
		return false
	}); err != nil {
		ts.Fatalf("it does not show %q, but:\n%s", pattern, strings.Join(shown, "\n"))
	}
}

func (d *kept) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *kept) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
}

// until waits until what was shown is as is says.
func (d *kept) until(is func(lines []string) bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		d.mu.Lock()
		lines, ended := d.lines, d.ended
		d.mu.Unlock()
		switch {
		case is(lines):
			return nil
		case ended || time.Now().After(end):
			return os.ErrDeadlineExceeded
		}
	}
}

// lockedBuffer is a buffer that one process writes and the script reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
