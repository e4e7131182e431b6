package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
)

// task is a schedule of the deployed template: what it puts into which queue, and how often.
type task struct {
	name  string
	queue string
	input string
	every time.Duration
	next  time.Time
}

// scheduled reads the schedules of the hub's template.
func scheduled(w *local.Organization) ([]*task, error) {
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties json.RawMessage
		}
	}
	if err := json.Unmarshal(w.Templates.Hub, &template); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var all []*task
	for _, r := range template.Resources {
		if r.Type != "AWS::Scheduler::Schedule" {
			continue
		}
		var schedule struct {
			Name, ScheduleExpression string
			Target                   struct {
				Input string
				Arn   map[string][]string
			}
		}
		if err := json.Unmarshal(r.Properties, &schedule); err != nil {
			return nil, fmt.Errorf("read schedule: %w", err)
		}
		var queue struct{ QueueName string }
		if at := schedule.Target.Arn["Fn::GetAtt"]; len(at) > 0 {
			if err := json.Unmarshal(template.Resources[at[0]].Properties, &queue); err != nil {
				return nil, fmt.Errorf("read queue of %s: %w", schedule.Name, err)
			}
		}
		t := &task{name: strings.TrimPrefix(schedule.Name, "doublelock-"), input: schedule.Target.Input, every: 24 * time.Hour,
			queue: "https://" + w.Partition.Regional("sqs", w.Home()) + "/" + local.Hub + "/" + queue.QueueName}
		var n int
		var unit string
		if _, err := fmt.Sscanf(schedule.ScheduleExpression, "rate(%d %s", &n, &unit); err == nil {
			t.every = time.Duration(n) * map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[unit[0]]
		}
		t.next = time.Now().Add(t.every)
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *task) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// put starts a task, as EventBridge Scheduler does.
func (d *driver) put(t *task) error { return d.send(t.queue, t.input) }

func (d *driver) send(queue, body string) error {
	_, err := d.w.AWS.As("scheduler.amazonaws.com", local.Hub, d.w.Home(), "sqs", "SendMessage", map[string]any{"QueueUrl": queue, "MessageBody": body})
	return err
}

// queueOf is the queue of a function.
func (d *driver) queueOf(function string) string {
	return "https://" + d.w.Partition.Regional("sqs", d.w.Home()) + "/" + local.Hub + "/doublelock-" + function
}

// carryFirst lets AWS take the first entry of PutEvents only.
func (d *driver) carryFirst(c *call) *http.Response {
	var in map[string]any
	if json.Unmarshal(c.body, &in) != nil {
		return d.carry(c)
	}
	entries, _ := in["Entries"].([]any)
	if len(entries) < 2 {
		return throttledEntries(c, len(entries), nil)
	}
	in["Entries"] = entries[:1]
	body, err := json.Marshal(in)
	if err != nil {
		return d.carry(c)
	}
	first := *c
	first.body = body
	response := d.carry(&first)
	var out struct{ Entries []map[string]any }
	raw, err := io.ReadAll(response.Body)
	if err != nil || json.Unmarshal(raw, &out) != nil || len(out.Entries) != 1 {
		response.Body = io.NopCloser(bytes.NewReader(raw))
		return response
	}
	return throttledEntries(c, len(entries), out.Entries)
}

// throttledEntries is an answer of PutEvents that took some entries and throttled the others.
func throttledEntries(c *call, n int, taken []map[string]any) *http.Response {
	w := &written{header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, code: http.StatusOK}
	left := n - len(taken)
	for range left {
		taken = append(taken, map[string]any{"ErrorCode": "ThrottlingException", "ErrorMessage": "by the test"})
	}
	_ = json.NewEncoder(&w.body).Encode(map[string]any{"FailedEntryCount": left, "Entries": taken}) // texts and numbers
	return w.response(c.request)
}
