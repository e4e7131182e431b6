package demo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
)

// Version 1 of the CLI knows addresses of SQS of its own, and would ask AWS itself with the demo's credentials.
func TestWhatKeepPrintsForSQSReachesTheLocalAWS(t *testing.T) {
	cli := awsclitest.Find(t)
	w := localtest.New(t)
	folder := t.TempDir()
	if err := local.WriteProfiles(folder, w); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"), "AWS_ENDPOINT_URL="+w.URL, "AWS_REGION="+w.Home(),
		"AWS_CONFIG_FILE="+filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
	lines := 0
	for line := range strings.Lines(demo.KeepText) {
		if !strings.Contains(line, " sqs ") || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		lines++
		if out, err := awsclitest.Paste(t.Context(), folder, env, strings.TrimSpace(line)); err != nil || !strings.Contains(out, "doublelock-detect") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines for SQS", lines)
	}
}

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
