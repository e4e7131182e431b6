package strangers_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

// leftPrefix begins the name of the folder that everything temporary of a run is in.
const leftPrefix = "doublelock-strangers-"

// Everything temporary is in one folder, that of ministack and the CDK as well. A run removes it at its end, also at that by
// a signal; what is left of one that was killed is removed by the next.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	files.RemoveLeft(os.TempDir(), leftPrefix)
	folder, err := files.Temporary(os.TempDir(), leftPrefix)
	if err == nil {
		err = os.Setenv("TMPDIR", folder.Path())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "nothing was tried: TMPDIR: %v\n", err)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		_ = folder.Remove() // the next run tries again
		os.Exit(130)
	}()
	defer func() { _ = folder.Remove() }() // the same
	return m.Run()
}

// made is where the binaries of this run are; "" until somebody needs them.
var made string

// build makes, once for all tests, dist/<name>/bootstrap of each function and the CDK app, and returns their folder.
func build(t *testing.T) string {
	t.Helper()
	folder, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

var buildOnce = sync.OnceValues(func() (string, error) {
	mains, err := filepath.Glob(root + "/handlers/*/lambda/main.go")
	if err != nil || len(mains) == 0 {
		return "", fmt.Errorf("find the functions: found %d: %w", len(mains), err)
	}
	if made, err = os.MkdirTemp("", "binaries-"); err != nil {
		return "", err
	}
	failed := goBuild("app", "./infra")
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(filepath.Dir(main)))
		failed = errors.Join(failed, goBuild(filepath.Join("dist", name, "bootstrap"), "./handlers/"+name+"/lambda", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH))
	}
	return made, failed
})

func goBuild(binary, folder string, env ...string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags", "lambda.norpc", "-o", filepath.Join(made, binary), folder)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", folder, err, out)
	}
	return nil
}
