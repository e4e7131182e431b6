package messaging

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const maxEntryBytes = 256 << 10

type putEntry struct {
	Time                       json.Number
	Source, DetailType, Detail string
	Resources                  []string
	EventBusName, TraceHeader  string
}

type putResult struct {
	EventId      string `json:",omitempty"` //nolint:revive // AWS's own name
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

func putEvents(c *core.Call) (any, error) {
	var in struct{ Entries []putEntry }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return nil, validation(fmt.Sprintf("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10, got %d", len(in.Entries)))
	}
	size := 0
	for _, e := range in.Entries {
		size += e.size()
		if err := c.Authorize(onBus(c, e)); err != nil {
			return nil, err
		}
	}
	if size > maxEntryBytes {
		return nil, validation("Total size of the entries in the request is over the limit.")
	}
	failed, results := 0, []putResult{}
	for _, e := range in.Entries {
		result := putOne(c, e)
		if result.ErrorCode != "" {
			failed++
		}
		results = append(results, result)
	}
	return map[string]any{"FailedEntryCount": failed, "Entries": results}, nil
}

// size is what EventBridge counts against its limit.
func (e putEntry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != "" {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

func putOne(c *core.Call, e putEntry) putResult {
	switch {
	case e.Source == "" || e.DetailType == "" || e.Detail == "":
		return putResult{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter Source, DetailType and Detail are required."}
	case strings.HasPrefix(e.Source, "aws."):
		return putResult{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source."}
	}
	var detail map[string]any
	if json.Unmarshal([]byte(e.Detail), &detail) != nil || detail == nil {
		return putResult{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."}
	}
	b, p, err := busOf(c, e.EventBusName)
	if err != nil {
		return putResult{EventId: c.AWS.UUID()} // AWS takes an event for a bus that does not exist, and drops it
	}
	at := c.Now
	if seconds, err := e.Time.Float64(); err == nil {
		at = time.UnixMilli(int64(seconds * 1000)).UTC()
	}
	resources := []any{}
	for _, r := range e.Resources {
		resources = append(resources, r)
	}
	id := c.AWS.UUID()
	putOn(c.AWS, busEvent{bus: b.name, Location: p, foreign: p.Account != c.Account, event: map[string]any{
		"version": "0", "id": id, "detail-type": e.DetailType, "source": e.Source, "account": c.Account,
		"time": at.Format(time.RFC3339), "region": p.Region, "resources": resources, "detail": detail,
	}})
	return putResult{EventId: id}
}
