package trail

import (
	"encoding/json"
	"fmt"
)

// Source and detail-type of what EventBridge Scheduler puts into a queue of the hub, as package settings names them.
const (
	TaskSource     = "doublelock"
	TaskDetailType = "Doublelock Schedule"
)

// Task reads a scheduled task: the envelope {"source":"doublelock","detail-type":"Doublelock Schedule","account":…,
// "detail":{"task":"sweep"}}. It answers "" for every other event, and for a task that another account than the hub's
// sent, because any account of the organization may put events of any source but AWS's on the bus.
func Task(raw []byte, hub string) (string, error) {
	var envelope struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Account    string          `json:"account"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return "", fmt.Errorf("read task: %w", err)
	}
	if envelope.Source != TaskSource || envelope.DetailType != TaskDetailType || envelope.Account != hub || hub == "" {
		return "", nil
	}
	var detail struct {
		Task string `json:"task"`
	}
	if err := json.Unmarshal(envelope.Detail, &detail); err != nil {
		return "", fmt.Errorf("read task: %w", err)
	}
	if detail.Task == "" {
		return "", fmt.Errorf("read task: %s names no task", TaskDetailType)
	}
	return detail.Task, nil
}
