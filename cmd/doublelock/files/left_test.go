package files_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

// roles are what this test binary does when it is started as another process, by the first argument.
var roles = map[string]func(folder string) error{
	"write": func(folder string) error {
		for round := 0; ; round++ {
			if err := files.Write(filepath.Join(folder, "plan.json"), whole(os.Getpid(), round)); err != nil {
				return err
			}
		}
	},
	"keep": func(folder string) error {
		for {
			f, err := files.Temporary(folder, "demo-")
			if err != nil {
				return err
			}
			for _, name := range []string{"config", "credentials"} {
				if err := f.Write(name, whole(os.Getpid(), 0)); err != nil {
					return err
				}
			}
			if err := f.Remove(); err != nil {
				return err
			}
		}
	},
	"hold": func(folder string) error {
		f, err := files.Temporary(folder, "demo-")
		if err != nil {
			return err
		}
		if err := f.Write("credentials", []byte("x")); err != nil {
			return err
		}
		fmt.Println(f.Path())
		select {}
	},
}

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && roles[os.Args[1]] != nil {
		fmt.Fprintln(os.Stderr, roles[os.Args[1]](os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// start starts another process in a role.
func start(t *testing.T, role, folder string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	process := exec.CommandContext(ctx, os.Args[0], role, folder)
	process.Stderr = os.Stderr
	t.Cleanup(cancel)
	return process
}

// kill ends a process as kill -9 does, and fails the test if it had ended by itself.
func kill(t *testing.T, process *exec.Cmd) {
	t.Helper()
	must(t, process.Process.Kill())
	_ = process.Wait() // says that it was killed
	if status, is := process.ProcessState.Sys().(syscall.WaitStatus); !is || status.Signal() != syscall.SIGKILL {
		t.Fatalf("ended by itself: %v", process.ProcessState)
	}
}

// whole is a text that shows whether it is, and whose.
func whole(writer, round int) []byte {
	line := fmt.Sprintf("%d of %d\n", round, writer)
	return []byte(strings.Repeat(line, 20_000))
}

func isWhole(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	var writer, round int
	_, err := fmt.Sscanf(line, "%d of %d", &round, &writer)
	return err == nil && text == string(whole(writer, round))
}

func temporaryFiles(t *testing.T, folder string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(folder, ".doublelock-*"))
	must(t, err)
	return left
}

func TestWhatAKilledWriterLeftIsRemovedByTheNext(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "plan.json")
	must(t, files.Write(path, whole(0, 0)))
	leftovers := 0
	for range 25 {
		process := start(t, "write", folder)
		must(t, process.Start())
		time.Sleep(time.Duration(mathrand.IntN(60)) * time.Millisecond)
		kill(t, process)
		if text := contents(t, folder)["plan.json"]; !isWhole(text) {
			t.Fatalf("%d bytes, not a whole one", len(text))
		}
		leftovers += len(temporaryFiles(t, folder))
		must(t, files.Check(path))
		if left := temporaryFiles(t, folder); len(left) > 0 {
			t.Fatalf("left: %v", left)
		}
	}
	if leftovers == 0 {
		t.Error("no process was killed while it wrote: this test shows nothing")
	}
}

func TestWhatAKilledProcessKeptIsRemovedByTheNext(t *testing.T) {
	folder := t.TempDir()
	leftovers := 0
	for range 25 {
		process := start(t, "keep", folder)
		must(t, process.Start())
		time.Sleep(time.Duration(mathrand.IntN(60)) * time.Millisecond)
		kill(t, process)
		leftovers += len(contents(t, folder))
		files.RemoveLeft(folder, "demo-")
		if left := contents(t, folder); len(left) > 0 {
			t.Fatalf("left: %v", left)
		}
	}
	if leftovers == 0 {
		t.Error("no process was killed while it kept something: this test shows nothing")
	}
}

func TestWhatIsInUseIsNotRemoved(t *testing.T) {
	folder := t.TempDir()
	process := start(t, "hold", folder)
	out, err := process.StdoutPipe()
	must(t, err, process.Start())
	held, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	held = strings.TrimSpace(held)
	own, err := files.Temporary(folder, "demo-")
	must(t, err)
	files.RemoveLeft(folder, "demo-")
	for _, path := range []string{held, own.Path()} {
		if got := mode(t, path); got != os.ModeDir|0o700 {
			t.Errorf("%s: mode %v", path, got)
		}
	}
	if got := mode(t, filepath.Join(held, "credentials")); got != 0o600 {
		t.Errorf("mode %v", got)
	}
	kill(t, process)
	must(t, own.Remove())
	files.RemoveLeft(folder, "demo-")
	if left := contents(t, folder); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWhatOnlyLooksTemporaryIsNotRemoved(t *testing.T) {
	folder := t.TempDir()
	unused := func(prefix string) string { return filepath.Join(folder, prefix+rand.Text()) }
	must(t, os.WriteFile(filepath.Join(folder, ".doublelock-notes"), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(folder, ".doublelock-"+strings.ToLower(rand.Text())), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(folder, "demo-1"), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(folder, "victim"), []byte("as it was"), 0o600),
		os.Symlink("victim", unused(".doublelock-")), os.Symlink("victim", unused("demo-")),
		makePipe(unused(".doublelock-")))
	names := func() []string {
		entries, err := os.ReadDir(folder)
		must(t, err)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	before := names()
	must(t, os.WriteFile(unused(".doublelock-"), []byte("left"), 0o600), files.Check(filepath.Join(folder, "x")))
	files.RemoveLeft(folder, "demo-")
	if diff := cmp.Diff(before, names()); diff != "" {
		t.Error(diff)
	}
}

// Several processes write one file, some are killed, others remove what those left: each look finds a whole one.
func TestOfSeveralWritersTheLastWholeOneWins(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "plan.json")
	must(t, files.Write(path, whole(0, 0)))
	writers := make([]*exec.Cmd, 4)
	for i := range writers {
		writers[i] = start(t, "write", folder)
		must(t, writers[i].Start())
	}
	seen := map[string]bool{}
	for look := range 200 {
		text, err := os.ReadFile(path)
		must(t, err)
		if !isWhole(string(text)) {
			t.Fatalf("look %d: %d bytes, not a whole one", look, len(text))
		}
		_, writer, _ := strings.Cut(strings.SplitN(string(text), "\n", 2)[0], " of ")
		seen[writer] = true
		if look%20 == 19 {
			i := mathrand.IntN(len(writers))
			kill(t, writers[i])
			writers[i] = start(t, "write", folder)
			must(t, writers[i].Start())
		}
		time.Sleep(2 * time.Millisecond)
	}
	for _, writer := range writers {
		kill(t, writer)
	}
	if len(seen) < 3 {
		t.Errorf("seen were the files of %d writers: this test shows nothing", len(seen))
	}
	must(t, files.Write(path, []byte("last")))
	if diff := cmp.Diff(map[string]string{"plan.json": "last"}, contents(t, folder)); diff != "" {
		t.Error(diff)
	}
}

// Somebody puts a link where the file goes, after it was looked at.
func TestAFileThatIsExchangedForALinkMeanwhileIsNotFollowed(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("victim", []byte("as it was"), 0o600), os.Symlink("victim", "link"), os.WriteFile("own", nil, 0o600))
	end := exchange(t, "plan.json", "own")
	written := 0
	for tried, began := 0, time.Now(); tried < 100 || written == 0 && time.Since(began) < 10*time.Second; tried++ {
		if files.Write("plan.json", []byte("new")) == nil {
			written++
		}
	}
	end()
	text, err := os.ReadFile("victim")
	if err != nil || string(text) != "as it was" {
		t.Errorf("behind the link: %q, %v", text, err)
	}
	if written == 0 {
		t.Error("nothing was written: this test shows nothing")
	}
}

// Somebody puts a link where the folder is, after it was looked at.
func TestAFolderThatIsExchangedForALinkMeanwhileIsNotFollowed(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("victim", 0o700), os.Symlink("victim", "link"), os.Mkdir("own", 0o700))
	end := exchange(t, "out", "own")
	written, exchanged := 0, 0
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		f, err := files.Make("out")
		if err != nil {
			if strings.Contains(err.Error(), "exchanges it at this moment") {
				exchanged++
			}
			continue
		}
		if f.Write("plan.json", nil) == nil {
			written++
		}
		_ = f.Close()
	}
	end()
	if found := contents(t, "victim"); len(found) > 0 {
		t.Errorf("written where the link leads: %v", found)
	}
	if written == 0 {
		t.Error("nothing was written: this test shows nothing")
	}
	t.Logf("%d written, %d times it was exchanged between look and opening", written, exchanged)
}

// exchange puts a file or folder of somebody's own, and then the link, at a path, again and again, until the returned
// function is called.
func exchange(t *testing.T, path, own string) (end func()) {
	t.Helper()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			for _, put := range []string{own, "link"} {
				select {
				case <-over:
					return
				default:
				}
				if os.Rename(put, path) != nil { // a folder is there, which was made meanwhile
					_ = os.RemoveAll(path)
					continue
				}
				_ = os.Rename(path, put)
			}
		}
	}()
	end = sync.OnceFunc(func() {
		close(over)
		<-done
	})
	t.Cleanup(end)
	return end
}
