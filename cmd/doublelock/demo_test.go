package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func playDemo(t *testing.T, output string) string {
	t.Helper()
	var out, errs bytes.Buffer
	env := &environment{Stdout: &out, Stderr: &errs, Now: time.Now, output: output}
	if err := runDemo(t.Context(), env, demoOptions{seed: 1}); err != nil {
		t.Fatalf("demo: %v\n%s", err, out.String())
	}
	return out.String()
}

func TestDemoIsTheSameStoryEveryTime(t *testing.T) {
	for output, golden := range map[string]string{"table": "timeline.txt", "json": "timeline.jsonl"} {
		t.Run(output, func(t *testing.T) {
			got := playDemo(t, output)
			if again := playDemo(t, output); got != again {
				t.Errorf("two runs differ:\n%s", cmp.Diff(got, again))
			}
			path := filepath.Join("testdata", "demo", golden)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
}

func TestDemoShowsEveryStageAndLosesNothing(t *testing.T) {
	stages := map[string]int{}
	previous := 0
	for text := range strings.Lines(playDemo(t, "json")) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, field := range []string{"seq", "stage", "account", "region", "actor", "resource", "control", "finding", "detail"} {
			if _, present := entry[field]; !present {
				t.Fatalf("%s has no %q", text, field)
			}
		}
		if seq := int(entry["seq"].(float64)); seq != previous+1 {
			t.Fatalf("seq %d follows %d", seq, previous)
		}
		previous++
		stage := entry["stage"].(string)
		stages[stage]++
		if stage == stageSummary && !strings.Contains(entry["detail"].(string), "events lost: 0") {
			t.Errorf("summary: %v", entry["detail"])
		}
	}
	for _, stage := range []string{
		stageCall, stageDenied, stageEvent, stageOpened, stageResolved, stageTagged, stageNotified, stageRekeyed, stageSealed,
		stageDrifted, stageIncident, stageIgnored, stageSummary,
	} {
		if stages[stage] == 0 {
			t.Errorf("no line of stage %s", stage)
		}
	}
}

// The demo's promise about the real aws CLI, kept by the real aws CLI.
func TestTheRealAWSCLIMeetsTheSCP(t *testing.T) {
	cli := awsCLI(t)
	c := newClock()
	env := &environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: time.Now, output: "json"}
	r := newReporter(newTimeline(env, c.Now, accountNames()))
	w, stop, err := newWorld(t.Context(), 1, c, c.Now, r.watcher())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	folder := t.TempDir()
	if err := writeProfiles(folder, w); err != nil {
		t.Fatal(err)
	}
	create := func(profile string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, cli, append([]string{"--profile", profile, "secretsmanager", "create-secret", "--name", "try/me"}, args...)...)
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_CONFIG_FILE="+filepath.Join(folder, "config"),
			"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
		out, err := command.CombinedOutput()
		return string(out), err
	}
	out, err := create("shop")
	want := "An error occurred (AccessDeniedException) when calling the CreateSecret operation: User: arn:aws:sts::333333333333:assumed-role/Engineer/you" +
		" is not authorized to perform: secretsmanager:CreateSecret on resource: try/me"
	if err == nil || !strings.Contains(out, want) || !strings.Contains(out, "with an explicit deny in a service control policy") {
		t.Errorf("in the guarded account: %v\n%s", err, out)
	}
	if out, err = create("shop", "--kms-key-id", "alias/doublelock/secrets"); err != nil {
		t.Errorf("in the guarded account with the CMK: %v\n%s", err, out)
	}
	if out, err = create("search"); err != nil {
		t.Errorf("in the account that is not guarded yet: %v\n%s", err, out)
	}
}

// awsCLI finds the aws CLI that `make setup` installs, or the machine's own.
func awsCLI(t *testing.T) string {
	t.Helper()
	if own, err := filepath.Abs("../../.venv/bin/aws"); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	found, err := exec.LookPath("aws")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no aws CLI: run make setup")
		}
		t.Skip("no aws CLI: run make setup")
	}
	return found
}
