package strangers_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(made) // a folder of binaries; nobody depends on its absence
	os.Exit(code)
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
	if made, err = os.MkdirTemp("", "doublelock-strangers-"); err != nil {
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
