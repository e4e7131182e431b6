package local

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/doublelock/doublelock/shared/settings"
)

// Schedule does what EventBridge Scheduler does with a schedule of the deployed template: it puts its input into the queue
// of a function. What follows runs its course.
func (w *Organization) Schedule(ctx context.Context, task, worker string) error {
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Name   string
				Target struct{ Input string }
			}
		}
	}
	if err := json.Unmarshal(w.Templates.Hub, &template); err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	for _, r := range template.Resources {
		if r.Type != "AWS::Scheduler::Schedule" || r.Properties.Name != settings.SessionPrefix+task {
			continue
		}
		queue := "https://" + w.Partition.Regional("sqs", w.Home()) + "/" + Hub + "/" + settings.SessionPrefix + worker
		_, err := w.AWS.As("scheduler.amazonaws.com", Hub, w.Home(), "sqs", "SendMessage", map[string]any{"QueueUrl": queue, "MessageBody": r.Properties.Target.Input})
		if err != nil {
			return fmt.Errorf("start task %s: %w", task, err)
		}
		return w.Settle(ctx)
	}
	return fmt.Errorf("no schedule for %s", task)
}
