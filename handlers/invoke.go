package handlers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

// Invoke hands a function its payload and returns its answer, both as the Lambda service writes them. The local run
// calls functions with it; in AWS the Lambda runtime does the same.
func (h *Handlers) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	handle, ok := map[string]func(context.Context, events.SQSEvent) (events.SQSEventResponse, error){
		Detect:    h.Detect.Handle,
		Alert:     h.Alert.Handle,
		Remediate: h.Remediate.Handle,
		Sweep:     h.Sweep.Handle,
		Watchdog:  h.Watchdog.Handle,
	}[name]
	if !ok {
		return nil, fmt.Errorf("invoke %s: no such handler", name)
	}
	var batch events.SQSEvent
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, fmt.Errorf("invoke %s: read payload: %w", name, err)
	}
	answer, err := handle(ctx, batch)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}
