package handlers_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/settings"
)

// infra deploys every handler that has a Lambda main; Names must list the same ones.
func TestEveryHandlerWithAMainIsNamed(t *testing.T) {
	mains, err := filepath.Glob("*/lambda/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range mains {
		want = append(want, filepath.Base(filepath.Dir(filepath.Dir(path))))
	}
	got := slices.Sorted(slices.Values(handlers.Names()))
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHandlersAndSettingsNameTasksAlike(t *testing.T) {
	want := []string{settings.TaskSweep, settings.TaskDigest, settings.TaskHeartbeat}
	if diff := cmp.Diff(want, []string{sweep.TaskSweep, sweep.TaskDigest, watchdog.TaskHeartbeat}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
