package messaging

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

// eventSource polls a queue for a function.
type eventSource struct {
	UUID                           string
	EventSourceMappingArn          string
	EventSourceArn                 string
	FunctionArn                    string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	State                          string
	FunctionResponseTypes          []string
	ScalingConfig                  map[string]any `json:",omitempty"`
	LastModified                   float64

	order   uint64
	filters []*pattern.Pattern // a message that none of them matches is dropped; empty: all are taken
}

type filterCriteria struct{ Filters []struct{ Pattern string } }

func (f *filterCriteria) compile() ([]*pattern.Pattern, error) {
	var all []*pattern.Pattern
	if f == nil {
		return nil, nil
	}
	for _, one := range f.Filters {
		p, err := pattern.Compile([]byte(one.Pattern))
		if err != nil {
			return nil, &core.Error{Code: "InvalidParameterValueException", Message: "Invalid filter pattern definition. (" + err.Error() + ")"}
		}
		all = append(all, p)
	}
	return all, nil
}

func createEventSource(c *core.Call) (any, error) {
	var in struct {
		eventSource
		FunctionName   string
		Enabled        *bool
		FilterCriteria *filterCriteria
	}
	in.BatchSize = 10
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	f, ok := functionsAt(c.AWS, c.Location).functions[bareFunction(in.FunctionName)]
	if !ok {
		return nil, noSuchFunction(functionARN(c.Location, bareFunction(in.FunctionName)))
	}
	q, ok := queueByARN(c.AWS, in.EventSourceArn)
	if !ok {
		return nil, &core.Error{Code: "InvalidParameterValueException", Message: "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."}
	}
	if err := mayPoll(c.AWS, f, q); err != nil {
		return nil, &core.Error{Code: "InvalidParameterValueException", Message: "The provided execution role does not have permissions to call ReceiveMessage on SQS: " + err.Error()}
	}
	if in.BatchSize < 1 || in.BatchSize > 10000 {
		return nil, &core.Error{Code: "InvalidParameterValueException", Message: "Value " + strconv.Itoa(in.BatchSize) + " at 'batchSize' failed to satisfy constraint."}
	}
	made := in.eventSource
	var err error
	if made.filters, err = in.FilterCriteria.compile(); err != nil {
		return nil, err
	}
	made.UUID, made.FunctionArn, made.State, made.order = c.AWS.UUID(), f.FunctionArn, "Enabled", transitOf(c.AWS).next()
	if in.Enabled != nil && !*in.Enabled {
		made.State = "Disabled"
	}
	made.LastModified = float64(c.Now.UnixNano()) / float64(time.Second)
	made.EventSourceMappingArn = c.Location.ARN("lambda", "event-source-mapping:"+made.UUID)
	store := functionsAt(c.AWS, c.Location)
	store.sources = append(store.sources, &made)
	return &made, nil
}

func listEventSources(c *core.Call) (any, error) {
	list := []*eventSource{}
	list = append(list, functionsAt(c.AWS, c.Location).sources...)
	return map[string]any{"EventSourceMappings": list}, nil
}

func onEventSource(run func(*core.Call, *eventSource) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		id, err := pathName(c, 1, "UUID")
		if err != nil {
			return nil, err
		}
		for _, s := range functionsAt(c.AWS, c.Location).sources {
			if s.UUID == id {
				return run(c, s)
			}
		}
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "The resource you requested does not exist.", Status: http.StatusNotFound}
	}
}

func deleteEventSource(c *core.Call, gone *eventSource) (any, error) {
	store := functionsAt(c.AWS, c.Location)
	store.sources = slices.DeleteFunc(store.sources, func(s *eventSource) bool { return s == gone })
	return gone, nil
}
