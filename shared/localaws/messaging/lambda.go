package messaging

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// lambdaStore is AWS Lambda in one account and Region. What a function does is registered in this process
// (RegisterFunction); packages and runtimes are not looked at.
type lambdaStore struct {
	functions map[string]*function
	sources   []*eventSource
}

func newLambdaStore() *lambdaStore { return &lambdaStore{functions: map[string]*function{}} }

func functionsAt(a *core.AWS, at core.Location) *lambdaStore {
	return core.Regional(a, at, newLambdaStore)
}

// function is the configuration of one, as GetFunctionConfiguration answers it.
type function struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string       `json:",omitempty"`
	Role             string       `json:",omitempty"`
	Handler          string       `json:",omitempty"`
	Description      string       `json:",omitempty"`
	Timeout          int          // seconds
	MemorySize       int          // MiB
	LastModified     string       `json:",omitempty"`
	Version          string       `json:",omitempty"`
	State            string       `json:",omitempty"`
	Architectures    []string     `json:",omitempty"`
	Environment      environment  `json:",omitzero"`
	DeadLetterConfig deadLetterTo `json:",omitzero"`
	PackageType      string       `json:",omitempty"`

	statements []map[string]any // of its resource policy
}

type environment struct {
	Variables map[string]string `json:",omitempty"`
}

type deadLetterTo struct {
	TargetArn string `json:",omitempty"`
}

func lambdaOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateFunction":           createFunction,
		"GetFunctionConfiguration": onFunction(func(_ *core.Call, f *function) (any, error) { return f, nil }),
		"DeleteFunction":           onFunction(deleteFunction),
		"ListFunctions":            listFunctions,
		"ListTags":                 listFunctionTags,
		"Invoke":                   onFunction(invokeFunction),
		"AddPermission":            onFunction(addFunctionPermission),
		"RemovePermission":         onFunction(removeFunctionPermission),
		"PutFunctionConcurrency":   onFunction(putFunctionConcurrency),
		"CreateEventSourceMapping": createEventSource,
		"ListEventSourceMappings":  listEventSources,
		"DeleteEventSourceMapping": onEventSource(deleteEventSource),
	}
}

// lambdaRoutes are the operations by method and path, {} standing for a name.
var lambdaRoutes = map[string]string{
	"POST 2015-03-31/event-source-mappings":      "CreateEventSourceMapping",
	"GET 2015-03-31/event-source-mappings":       "ListEventSourceMappings",
	"DELETE 2015-03-31/event-source-mappings/{}": "DeleteEventSourceMapping",
	"POST 2015-03-31/functions":                  "CreateFunction",
	"GET 2015-03-31/functions":                   "ListFunctions",
	"DELETE 2015-03-31/functions/{}":             "DeleteFunction",
	"GET 2015-03-31/functions/{}/configuration":  "GetFunctionConfiguration",
	"POST 2015-03-31/functions/{}/invocations":   "Invoke",
	"POST 2015-03-31/functions/{}/policy":        "AddPermission",
	"DELETE 2015-03-31/functions/{}/policy/{}":   "RemovePermission",
	"PUT 2017-10-31/functions/{}/concurrency":    "PutFunctionConcurrency",
	"GET 2017-03-31/tags/{}":                     "ListTags",
}

// lambdaRoute names the operation of a REST request (c.Request has method, path, query and headers).
func lambdaRoute(c *core.Call) string {
	parts := restPath(c)
	for i := 2; i < len(parts); i += 2 {
		parts[i] = "{}"
	}
	return lambdaRoutes[c.Request.Method+" "+strings.Join(parts, "/")]
}

// restPath is the path of a REST request in its parts, still escaped: date, collection, name, part, name.
func restPath(c *core.Call) []string {
	return strings.Split(strings.Trim(c.Request.URL.EscapedPath(), "/"), "/")
}

// pathName is the n-th name in a REST request's path, or a field of an in-process call's input.
func pathName(c *core.Call, n int, field string) (string, error) {
	if c.Request == nil {
		var in map[string]any
		err := c.Decode(&in)
		name, _ := in[field].(string)
		return name, err
	}
	parts := restPath(c)
	if len(parts) <= 2*n {
		return "", nil
	}
	return url.PathUnescape(parts[2*n])
}

func functionName(c *core.Call) (string, error) {
	name, err := pathName(c, 1, "FunctionName")
	return bareFunction(name), err
}

// bareFunction takes the name from an ARN, a partial ARN or a name, and drops a qualifier.
func bareFunction(id string) string {
	if _, after, ok := strings.Cut(id, "function:"); ok {
		id = after
	}
	name, _, _ := strings.Cut(id, ":")
	return name
}

func onFunction(run func(*core.Call, *function) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		name, err := functionName(c)
		if err != nil {
			return nil, err
		}
		f, ok := functionsAt(c.AWS, c.Location).functions[name]
		if !ok {
			return nil, noSuchFunction(functionARN(c.Location, name))
		}
		return run(c, f)
	}
}

func noSuchFunction(arn string) error {
	return &core.Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: http.StatusNotFound}
}

func functionARN(p core.Location, name string) string {
	return p.ARN("lambda", "function:"+name)
}

// functionByARN finds a function anywhere. The state lock must be held.
func functionByARN(a *core.AWS, functionARN string) (*function, core.Location, bool) {
	at, resource, ok := a.Locate(functionARN, "lambda")
	if !ok {
		return nil, core.Location{}, false
	}
	f, ok := functionsAt(a, at).functions[bareFunction(resource)]
	return f, at, ok
}

func lambdaAccess(c *core.Call) (core.Access, error) {
	name := ""
	if c.Operation == "CreateFunction" {
		var in struct{ FunctionName string }
		if err := c.Decode(&in); err != nil {
			return core.Access{}, err
		}
		name = bareFunction(in.FunctionName)
	} else if (!strings.HasPrefix(c.Operation, "List") || c.Operation == "ListTags") && !strings.HasSuffix(c.Operation, "EventSourceMapping") {
		var err error
		if name, err = functionName(c); err != nil {
			return core.Access{}, err
		}
	}
	if name == "" {
		return core.Access{Resource: "*"}, nil
	}
	on := core.Access{Resource: functionARN(c.Location, name)}
	if c.Operation == "Invoke" {
		on.Action = "lambda:InvokeFunction"
	}
	if f, ok := functionsAt(c.AWS, c.Location).functions[name]; ok {
		on.ResourcePolicy = f.policy()
	}
	return on, nil
}

func (f *function) policy() string {
	if len(f.statements) == 0 {
		return ""
	}
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": f.statements}) // strings only
	return string(text)
}

func createFunction(c *core.Call) (any, error) {
	f := &function{Timeout: 3, MemorySize: 128, Architectures: []string{"x86_64"}}
	var with struct{ Tags map[string]string }
	if err := errors.Join(c.Decode(f), c.Decode(&with)); err != nil {
		return nil, err
	}
	functions := functionsAt(c.AWS, c.Location).functions
	if _, taken := functions[f.FunctionName]; taken {
		return nil, &core.Error{Code: "ResourceConflictException", Message: "Function already exist: " + f.FunctionName, Status: http.StatusConflict}
	}
	if err := lambdaMayAssume(c.AWS, f.Role); err != nil {
		return nil, err
	}
	define(c.AWS, c.Location, f)
	tag(c.AWS, f.FunctionArn, with.Tags)
	return f, nil
}

// define puts a function in its location. The state lock must be held.
func define(a *core.AWS, p core.Location, f *function) {
	f.FunctionArn, f.Version, f.State, f.PackageType = functionARN(p, f.FunctionName), "$LATEST", "Active", "Zip"
	f.LastModified = a.Options.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	functionsAt(a, p).functions[f.FunctionName] = f
}

func deleteFunction(c *core.Call, f *function) (any, error) {
	delete(functionsAt(c.AWS, c.Location).functions, f.FunctionName)
	return core.RawResponse{Status: http.StatusNoContent}, nil
}

func listFunctions(c *core.Call) (any, error) {
	list := []*function{}
	functions := functionsAt(c.AWS, c.Location).functions
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		list = append(list, functions[name])
	}
	return map[string]any{"Functions": list}, nil
}
