package demo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo"
)

func TestWhatAKilledDemoLeftIsRemoved(t *testing.T) {
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	for name, process := range map[string]string{
		"doublelock-demo-dead":  strconv.Itoa(dead.Process.Pid),
		"doublelock-demo-alive": strconv.Itoa(os.Getpid()),
		"doublelock-demo-odd":   "not a number",
		"other":                 strconv.Itoa(dead.Process.Pid),
	} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"process": process, "credentials": "x"} {
			if err := os.WriteFile(filepath.Join(parent, name, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	demo.RemoveLeft(parent)
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"doublelock-demo-alive", "doublelock-demo-odd", "other"}, left); diff != "" {
		t.Error(diff)
	}
}
