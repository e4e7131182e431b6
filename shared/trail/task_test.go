package trail_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

func TestTask(t *testing.T) {
	const scheduled = `{"source":"doublelock","detail-type":"Doublelock Schedule","account":"222222222222","detail":{"task":"sweep"}}`
	for name, tt := range map[string]struct{ raw, hub, want, err string }{
		"a task of the hub":              {raw: scheduled, hub: "222222222222", want: "sweep"},
		"a task that a member forged":    {raw: strings.Replace(scheduled, "222222222222", "333333333333", 1), hub: "222222222222"},
		"a hub that is not known":        {raw: strings.Replace(scheduled, "222222222222", "", 1)},
		"another source":                 {raw: strings.Replace(scheduled, `"doublelock"`, `"other"`, 1), hub: "222222222222"},
		"a finding":                      {raw: strings.Replace(scheduled, "Schedule", "Finding", 1), hub: "222222222222"},
		"a CloudTrail event":             {raw: `{"source":"aws.kms","detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"Decrypt"}}`, hub: "222222222222"},
		"a schedule that names no task":  {raw: strings.Replace(scheduled, "sweep", "", 1), hub: "222222222222", err: "names no task"},
		"a schedule with a strange task": {raw: strings.Replace(scheduled, `{"task":"sweep"}`, "7", 1), hub: "222222222222", err: "read task"},
		"no JSON":                        {raw: "{", hub: "222222222222", err: "read task"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := trail.Task([]byte(tt.raw), tt.hub)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

func FuzzTask(f *testing.F) {
	f.Add([]byte(`{"source":"doublelock","detail-type":"Doublelock Schedule","account":"222222222222","detail":{"task":"sweep"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		task, err := trail.Task(raw, "222222222222")
		if err != nil && task != "" {
			t.Errorf("task %q beside error %v", task, err)
		}
	})
}
