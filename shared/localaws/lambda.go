package localaws

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// lambdaStore is AWS Lambda in one account and Region. What a function does is registered in this process
// (RegisterFunction); packages and runtimes are not looked at.
type lambdaStore struct {
	functions map[string]*function
	sources   []*eventSource
}

func newLambdaStore() *lambdaStore { return &lambdaStore{functions: map[string]*function{}} }

func functionsAt(a *AWS, at location) *lambdaStore { return regional(a, at, newLambdaStore) }

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

func lambdaOperations() map[string]operation {
	return map[string]operation{
		"CreateFunction":              createFunction,
		"UpdateFunctionConfiguration": onFunction(updateFunctionConfiguration),
		"GetFunction":                 onFunction(getFunction),
		"GetFunctionConfiguration":    onFunction(func(_ *call, f *function) (any, error) { return f, nil }),
		"DeleteFunction":              onFunction(deleteFunction),
		"ListFunctions":               listFunctions,
		"Invoke":                      onFunction(invokeFunction),
		"AddPermission":               onFunction(addFunctionPermission),
		"RemovePermission":            onFunction(removeFunctionPermission),
		"PutFunctionConcurrency":      onFunction(putFunctionConcurrency),
		"PublishVersion":              onFunction(publishVersion),
		"CreateAlias":                 onFunction(createFunctionAlias),
		"DeleteAlias":                 onFunction(func(*call, *function) (any, error) { return rawResponse{Status: http.StatusNoContent}, nil }),
		"CreateEventSourceMapping":    createEventSource,
		"ListEventSourceMappings":     listEventSources,
		"GetEventSourceMapping":       onEventSource(func(_ *call, s *eventSource) (any, error) { return s, nil }),
		"DeleteEventSourceMapping":    onEventSource(deleteEventSource),
	}
}

// lambdaRoutes are the operations by method and path, {} standing for a name.
var lambdaRoutes = map[string]string{
	"POST 2015-03-31/event-source-mappings":      "CreateEventSourceMapping",
	"GET 2015-03-31/event-source-mappings":       "ListEventSourceMappings",
	"GET 2015-03-31/event-source-mappings/{}":    "GetEventSourceMapping",
	"DELETE 2015-03-31/event-source-mappings/{}": "DeleteEventSourceMapping",
	"POST 2015-03-31/functions":                  "CreateFunction",
	"GET 2015-03-31/functions":                   "ListFunctions",
	"GET 2015-03-31/functions/{}":                "GetFunction",
	"DELETE 2015-03-31/functions/{}":             "DeleteFunction",
	"GET 2015-03-31/functions/{}/configuration":  "GetFunctionConfiguration",
	"PUT 2015-03-31/functions/{}/configuration":  "UpdateFunctionConfiguration",
	"POST 2015-03-31/functions/{}/invocations":   "Invoke",
	"POST 2015-03-31/functions/{}/policy":        "AddPermission",
	"DELETE 2015-03-31/functions/{}/policy/{}":   "RemovePermission",
	"PUT 2017-10-31/functions/{}/concurrency":    "PutFunctionConcurrency",
	"POST 2015-03-31/functions/{}/versions":      "PublishVersion",
	"POST 2015-03-31/functions/{}/aliases":       "CreateAlias",
	"DELETE 2015-03-31/functions/{}/aliases/{}":  "DeleteAlias",
}

// lambdaRoute names the operation of a REST request (c.Request has method, path, query and headers).
func lambdaRoute(c *call) string {
	parts := restPath(c)
	for i := 2; i < len(parts); i += 2 {
		parts[i] = "{}"
	}
	return lambdaRoutes[c.Request.Method+" "+strings.Join(parts, "/")]
}

// restPath is the path of a REST request in its parts, still escaped: date, collection, name, part, name.
func restPath(c *call) []string {
	return strings.Split(strings.Trim(c.Request.URL.EscapedPath(), "/"), "/")
}

// pathName is the n-th name in a REST request's path, or a field of an in-process call's input.
func (c *call) pathName(n int, field string) (string, error) {
	if c.Request == nil {
		var in map[string]any
		err := c.decode(&in)
		name, _ := in[field].(string)
		return name, err
	}
	parts := restPath(c)
	if len(parts) <= 2*n {
		return "", nil
	}
	return url.PathUnescape(parts[2*n])
}

func (c *call) functionName() (string, error) {
	name, err := c.pathName(1, "FunctionName")
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

func onFunction(run func(*call, *function) (any, error)) operation {
	return func(c *call) (any, error) {
		name, err := c.functionName()
		if err != nil {
			return nil, err
		}
		f, ok := functionsAt(c.aws, c.location).functions[name]
		if !ok {
			return nil, noSuchFunction(c.functionARN(name))
		}
		return run(c, f)
	}
}

func noSuchFunction(arn string) error {
	return &apiError{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: http.StatusNotFound}
}

func (p location) functionARN(name string) string {
	return "arn:aws:lambda:" + p.Region + ":" + p.Account + ":function:" + name
}

// functionByARN finds a function anywhere. The state lock must be held.
func (a *AWS) functionByARN(arn string) (*function, location, bool) {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 || parts[2] != "lambda" {
		return nil, location{}, false
	}
	p := location{parts[4], parts[3]}
	f, ok := functionsAt(a, p).functions[parts[6]]
	return f, p, ok
}

func lambdaAccess(c *call) (access, error) {
	name := ""
	if c.Operation == "CreateFunction" {
		var in struct{ FunctionName string }
		if err := c.decode(&in); err != nil {
			return access{}, err
		}
		name = bareFunction(in.FunctionName)
	} else if !strings.HasPrefix(c.Operation, "List") && !strings.HasSuffix(c.Operation, "EventSourceMapping") {
		var err error
		if name, err = c.functionName(); err != nil {
			return access{}, err
		}
	}
	if name == "" {
		return access{Resource: "*"}, nil
	}
	on := access{Resource: c.functionARN(name)}
	if c.Operation == "Invoke" {
		on.Action = "lambda:InvokeFunction"
	}
	if f, ok := functionsAt(c.aws, c.location).functions[name]; ok {
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

func createFunction(c *call) (any, error) {
	f := &function{Timeout: 3, MemorySize: 128, Architectures: []string{"x86_64"}}
	if err := c.decode(f); err != nil {
		return nil, err
	}
	functions := functionsAt(c.aws, c.location).functions
	if _, taken := functions[f.FunctionName]; taken {
		return nil, &apiError{Code: "ResourceConflictException", Message: "Function already exist: " + f.FunctionName, Status: http.StatusConflict}
	}
	if err := c.aws.lambdaMayAssume(f.Role); err != nil {
		return nil, err
	}
	c.aws.define(c.location, f)
	return f, nil
}

// define puts a function in its location. The state lock must be held.
func (a *AWS) define(p location, f *function) {
	f.FunctionArn, f.Version, f.State, f.PackageType = p.functionARN(f.FunctionName), "$LATEST", "Active", "Zip"
	f.LastModified = a.options.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	functionsAt(a, p).functions[f.FunctionName] = f
}

func updateFunctionConfiguration(c *call, f *function) (any, error) {
	name, arn := f.FunctionName, f.FunctionArn
	if err := c.decode(f); err != nil {
		return nil, err
	}
	f.FunctionName, f.FunctionArn = name, arn
	return f, nil
}

func getFunction(_ *call, f *function) (any, error) {
	return map[string]any{"Configuration": f, "Code": map[string]string{"RepositoryType": "S3"}, "Tags": map[string]string{}}, nil
}

func deleteFunction(c *call, f *function) (any, error) {
	delete(functionsAt(c.aws, c.location).functions, f.FunctionName)
	return rawResponse{Status: http.StatusNoContent}, nil
}

func listFunctions(c *call) (any, error) {
	list := []*function{}
	functions := functionsAt(c.aws, c.location).functions
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		list = append(list, functions[name])
	}
	return map[string]any{"Functions": list}, nil
}
