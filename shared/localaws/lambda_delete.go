package localaws

import (
	"net/http"
	"slices"
)

// deleteEventSource stops a function from emptying a queue; what it holds is handled to the end.
func deleteEventSource(c *call) (any, error) {
	var in struct{ UUID string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	store := c.region().functions
	at := slices.IndexFunc(store.sources, func(s *eventSource) bool { return s.UUID == in.UUID })
	if at < 0 {
		return nil, &apiError{Code: "ResourceNotFoundException", Message: "The resource you requested does not exist.", Status: http.StatusNotFound}
	}
	gone := store.sources[at]
	store.sources = slices.Delete(store.sources, at, at+1)
	return gone, nil
}

// removeFunctionPermission takes one statement out of a function's policy.
func removeFunctionPermission(c *call, f *function) (any, error) {
	var in struct{ StatementId string } //nolint:revive // AWS's own names
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(f.statements, func(s map[string]any) bool { return s["Sid"] == in.StatementId })
	if at < 0 {
		return nil, &apiError{Code: "ResourceNotFoundException", Message: "Statement " + in.StatementId + " is not found in resource policy.", Status: http.StatusNotFound}
	}
	f.statements = slices.Delete(f.statements, at, at+1)
	return rawResponse{Status: http.StatusNoContent}, nil
}
