package handlers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/settings"
)

func TestHandlersAndSettingsNameTasksAlike(t *testing.T) {
	want := []string{settings.TaskSweep, settings.TaskDigest, settings.TaskHeartbeat}
	if diff := cmp.Diff(want, []string{sweep.TaskSweep, sweep.TaskDigest, watchdog.TaskHeartbeat}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
