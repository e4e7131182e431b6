package localaws

import (
	"net/http"
	"slices"
	"strconv"
	"time"

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
			return nil, &apiError{Code: "InvalidParameterValueException", Message: "Invalid filter pattern definition. (" + err.Error() + ")"}
		}
		all = append(all, p)
	}
	return all, nil
}

func createEventSource(c *call) (any, error) {
	var in struct {
		eventSource
		FunctionName   string
		Enabled        *bool
		FilterCriteria *filterCriteria
	}
	in.BatchSize = 10
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	f, ok := functionsAt(c.aws, c.location).functions[bareFunction(in.FunctionName)]
	if !ok {
		return nil, noSuchFunction(c.functionARN(bareFunction(in.FunctionName)))
	}
	q, ok := c.aws.queueByARN(in.EventSourceArn)
	if !ok {
		return nil, &apiError{Code: "InvalidParameterValueException", Message: "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."}
	}
	if err := c.aws.mayPoll(f, q); err != nil {
		return nil, &apiError{Code: "InvalidParameterValueException", Message: "The provided execution role does not have permissions to call ReceiveMessage on SQS: " + err.Error()}
	}
	if in.BatchSize < 1 || in.BatchSize > 10000 {
		return nil, &apiError{Code: "InvalidParameterValueException", Message: "Value " + strconv.Itoa(in.BatchSize) + " at 'batchSize' failed to satisfy constraint."}
	}
	made := in.eventSource
	var err error
	if made.filters, err = in.FilterCriteria.compile(); err != nil {
		return nil, err
	}
	made.UUID, made.FunctionArn, made.State, made.order = c.aws.uuid(), f.FunctionArn, "Enabled", flightOf(c.aws).next()
	if in.Enabled != nil && !*in.Enabled {
		made.State = "Disabled"
	}
	made.LastModified = float64(c.Now.UnixNano()) / float64(time.Second)
	made.EventSourceMappingArn = "arn:aws:lambda:" + c.Region + ":" + c.Account + ":event-source-mapping:" + made.UUID
	store := functionsAt(c.aws, c.location)
	store.sources = append(store.sources, &made)
	return &made, nil
}

func listEventSources(c *call) (any, error) {
	list := []*eventSource{}
	list = append(list, functionsAt(c.aws, c.location).sources...)
	return map[string]any{"EventSourceMappings": list}, nil
}

func onEventSource(run func(*call, *eventSource) (any, error)) operation {
	return func(c *call) (any, error) {
		id, err := c.pathName(1, "UUID")
		if err != nil {
			return nil, err
		}
		for _, s := range functionsAt(c.aws, c.location).sources {
			if s.UUID == id {
				return run(c, s)
			}
		}
		return nil, &apiError{Code: "ResourceNotFoundException", Message: "The resource you requested does not exist.", Status: http.StatusNotFound}
	}
}

func deleteEventSource(c *call, gone *eventSource) (any, error) {
	store := functionsAt(c.aws, c.location)
	store.sources = slices.DeleteFunc(store.sources, func(s *eventSource) bool { return s == gone })
	return gone, nil
}
