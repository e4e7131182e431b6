package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"doublelock": main, "doublelock-ahead": func() { os.Exit(run(ahead)) }, "doublelock-worker": work})
}

// TestScript runs the command line as a user would; each file in testdata/script of a command is one
// session.
func TestScript(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	recorded := filepath.Join(root, "..", "shared", "events")
	scripts, err := filepath.Glob(filepath.Join("*", "testdata", "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("find scripts: %v, %v", scripts, err)
	}
	testscript.Run(t, testscript.Params{
		Files:         scripts,
		UpdateScripts: *update,
		Cmds:          map[string]func(ts *testscript.TestScript, neg bool, args []string){"organization": organization},
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCS", filepath.Join(root, "docs"))
			env.Setenv("TRAIL", filepath.Join(root, "testdata", "trail"))
			env.Setenv("RECORDED", recorded)
			env.Setenv("INVENTORY", filepath.Join(root, "testdata", "inventory"))
			env.Setenv("CONFIG", filepath.Join(root, "testdata", "config"))
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: func(name string) (bool, error) {
			_, err := os.Stat(recorded)
			return name == "recorded" && err == nil, nil
		},
	})
}
