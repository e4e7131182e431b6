package localaws

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lambdaStore is AWS Lambda in one account and Region. What a function does is registered in this process
// (RegisterFunction); packages and runtimes are not looked at.
type lambdaStore struct {
	functions map[string]*function
	sources   []*eventSource
}

func newLambdaStore() *lambdaStore { return &lambdaStore{functions: map[string]*function{}} }

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
	reserved   int              // concurrent executions; 0 is not reserved
}

type environment struct {
	Variables map[string]string `json:",omitempty"`
}

type deadLetterTo struct {
	TargetArn string `json:",omitempty"`
}

// eventSource polls a queue for a function.
type eventSource struct {
	UUID                           string
	EventSourceArn                 string
	FunctionArn                    string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	State                          string
	FunctionResponseTypes          []string
	LastModified                   float64

	order uint64
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
		"AddPermission":               onFunction(addPermission),
		"PutFunctionConcurrency":      onFunction(putFunctionConcurrency),
		"CreateEventSourceMapping":    createEventSource,
		"ListEventSourceMappings":     listEventSources,
	}
}

// lambdaRoute names the operation of a REST request (c.Request has method, path, query and headers).
func lambdaRoute(c *call) string {
	method := c.Request.Method
	path := strings.Trim(c.Request.URL.Path, "/")
	if path == "2015-03-31/event-source-mappings" {
		return map[string]string{http.MethodPost: "CreateEventSourceMapping", http.MethodGet: "ListEventSourceMappings"}[method]
	}
	rest, ok := strings.CutPrefix(path, "2015-03-31/functions")
	if !ok {
		return ""
	}
	_, sub, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if rest == "" {
		return map[string]string{http.MethodPost: "CreateFunction", http.MethodGet: "ListFunctions"}[method]
	}
	return map[string]string{
		"GET ":              "GetFunction",
		"DELETE ":           "DeleteFunction",
		"GET configuration": "GetFunctionConfiguration",
		"PUT configuration": "UpdateFunctionConfiguration",
		"POST invocations":  "Invoke",
		"POST policy":       "AddPermission",
	}[method+" "+sub]
}

// functionName is the one the path of a REST request or the input of an in-process call names.
func (c *call) functionName() (string, error) {
	if c.Request != nil {
		rest, _ := strings.CutPrefix(strings.Trim(c.Request.URL.EscapedPath(), "/"), "2015-03-31/functions/")
		name, _, _ := strings.Cut(rest, "/")
		name, err := url.PathUnescape(name)
		return bareFunction(name), err
	}
	var in struct{ FunctionName string }
	err := c.decode(&in)
	return bareFunction(in.FunctionName), err
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
		f, ok := c.region().functions.functions[name]
		if !ok {
			return nil, noSuchFunction(c.functionARN(name))
		}
		return run(c, f)
	}
}

func noSuchFunction(arn string) error {
	return &apiError{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: http.StatusNotFound}
}

func (p place) functionARN(name string) string {
	return "arn:aws:lambda:" + p.Region + ":" + p.Account + ":function:" + name
}

// functionByARN finds a function anywhere. The state lock must be held.
func (a *AWS) functionByARN(arn string) (*function, place, bool) {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 || parts[2] != "lambda" {
		return nil, place{}, false
	}
	p := place{parts[4], parts[3]}
	f, ok := a.at(p).functions.functions[parts[6]]
	return f, p, ok
}

func lambdaAccess(c *call) (access, error) {
	var in struct{ FunctionName string }
	if err := c.decode(&in); err != nil && c.Operation != "Invoke" {
		return access{}, err
	}
	name := bareFunction(in.FunctionName)
	if c.Request != nil && name == "" {
		name, _ = c.functionName()
	}
	if name == "" || strings.HasPrefix(c.Operation, "List") || strings.HasSuffix(c.Operation, "EventSourceMapping") {
		return access{Resource: "*"}, nil
	}
	on := access{Resource: c.functionARN(name)}
	if c.Operation == "Invoke" {
		on.Action = "lambda:InvokeFunction"
	}
	if f, ok := c.region().functions.functions[name]; ok {
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
	functions := c.region().functions.functions
	if _, taken := functions[f.FunctionName]; taken {
		return nil, &apiError{Code: "ResourceConflictException", Message: "Function already exist: " + f.FunctionName, Status: http.StatusConflict}
	}
	c.aws.define(c.place, f)
	return f, nil
}

// define puts a function in its place. The state lock must be held.
func (a *AWS) define(p place, f *function) {
	f.FunctionArn, f.Version, f.State, f.PackageType = p.functionARN(f.FunctionName), "$LATEST", "Active", "Zip"
	f.LastModified = a.options.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	a.at(p).functions.functions[f.FunctionName] = f
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
	delete(c.region().functions.functions, f.FunctionName)
	return rawResponse{Status: http.StatusNoContent}, nil
}

func listFunctions(c *call) (any, error) {
	list := []*function{}
	functions := c.region().functions.functions
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		list = append(list, functions[name])
	}
	return map[string]any{"Functions": list}, nil
}

// addPermission lets a service or account invoke the function.
func addPermission(c *call, f *function) (any, error) {
	var in struct{ StatementId, Action, Principal, SourceArn, SourceAccount string } //nolint:revive // AWS's own names
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(f.statements, func(s map[string]any) bool { return s["Sid"] == in.StatementId }) {
		return nil, &apiError{Code: "ResourceConflictException", Message: "The statement id (" + in.StatementId + ") provided already exists. Please provide a new statement id, or remove the existing statement.", Status: http.StatusConflict}
	}
	principal := map[string]any{"AWS": in.Principal}
	if strings.HasSuffix(in.Principal, ".amazonaws.com") {
		principal = map[string]any{"Service": in.Principal}
	}
	made := map[string]any{"Sid": in.StatementId, "Effect": "Allow", "Principal": principal, "Action": in.Action, "Resource": f.FunctionArn}
	condition := map[string]any{}
	if in.SourceArn != "" {
		condition["ArnLike"] = map[string]any{"AWS:SourceArn": in.SourceArn}
	}
	if in.SourceAccount != "" {
		condition["StringEquals"] = map[string]any{"AWS:SourceAccount": in.SourceAccount}
	}
	if len(condition) > 0 {
		made["Condition"] = condition
	}
	f.statements = append(f.statements, made)
	text, err := encode(made)
	return map[string]string{"Statement": text}, err
}

func createEventSource(c *call) (any, error) {
	var in struct {
		eventSource
		FunctionName string
		Enabled      *bool
	}
	in.BatchSize = 10
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	f, ok := c.region().functions.functions[bareFunction(in.FunctionName)]
	if !ok {
		return nil, noSuchFunction(c.functionARN(bareFunction(in.FunctionName)))
	}
	if _, ok := c.aws.queueByARN(in.EventSourceArn); !ok {
		return nil, &apiError{Code: "InvalidParameterValueException", Message: "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."}
	}
	if in.BatchSize < 1 || in.BatchSize > 10000 {
		return nil, &apiError{Code: "InvalidParameterValueException", Message: "Value " + strconv.Itoa(in.BatchSize) + " at 'batchSize' failed to satisfy constraint."}
	}
	made := in.eventSource
	made.UUID, made.FunctionArn, made.State, made.order = c.aws.uuid(), f.FunctionArn, "Enabled", c.aws.flight.next()
	if in.Enabled != nil && !*in.Enabled {
		made.State = "Disabled"
	}
	made.LastModified = float64(c.Now.UnixNano()) / float64(time.Second)
	store := c.region().functions
	store.sources = append(store.sources, &made)
	return &made, nil
}

func listEventSources(c *call) (any, error) {
	list := []*eventSource{}
	list = append(list, c.region().functions.sources...)
	return map[string]any{"EventSourceMappings": list}, nil
}
