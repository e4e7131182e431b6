package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Function is what a Lambda function does: it takes and answers JSON.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// asyncAttempts is how often Lambda tries an asynchronous invocation. Here the tries follow each other at once.
const asyncAttempts = 3

// RegisterFunction says what the function of that name does. A function that was not created yet gets a plain
// configuration.
func RegisterFunction(a *core.AWS, account, region, name string, f Function) {
	a.Lock()
	defer a.Unlock()
	p := core.Location{Account: account, Region: region}
	if _, ok := functionsAt(a, p).functions[name]; !ok {
		define(a, p, &function{FunctionName: name, Timeout: 900, MemorySize: 128})
	}
	transitOf(a).functions[functionARN(p, name)] = f
}

// FunctionEnvironment is the environment variables that a function was created with, nil when there is no such function.
func FunctionEnvironment(a *core.AWS, account, region, name string) map[string]string {
	a.Lock()
	defer a.Unlock()
	f, ok := functionsAt(a, core.Location{Account: account, Region: region}).functions[name]
	if !ok {
		return nil
	}
	return f.Environment.Variables
}

// FunctionRole is the ARN of the role that a function runs as, "" when it has none.
func FunctionRole(a *core.AWS, account, region, name string) string {
	a.Lock()
	defer a.Unlock()
	if f, ok := functionsAt(a, core.Location{Account: account, Region: region}).functions[name]; ok {
		return f.Role
	}
	return ""
}

// prepare looks a function up and returns how to call it. The state lock must be held; the call runs without it.
func prepare(a *core.AWS, arn string) (func(ctx context.Context, payload []byte) ([]byte, error), error) {
	f, _, ok := functionByARN(a, arn)
	if !ok {
		return nil, noSuchFunction(arn)
	}
	run, ok := transitOf(a).functions[f.FunctionArn]
	if !ok {
		run = func(context.Context, []byte) ([]byte, error) {
			return nil, errors.New("Runtime.InvalidEntrypoint: nothing is registered for " + f.FunctionArn)
		}
	}
	transitOf(a).stats.Invocations++
	limit := time.Duration(f.Timeout) * time.Second
	return func(ctx context.Context, payload []byte) (answer []byte, err error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		defer func() {
			if broken := recover(); broken != nil {
				err = fmt.Errorf("Runtime.Panic: %v", broken)
			}
			if err != nil {
				noteFailure(a, f.FunctionArn, err)
			}
		}()
		return run(ctx, payload)
	}, nil
}

// Failure is an invocation that answered an error.
type Failure struct {
	Function string // ARN
	Err      error
	At       time.Time
}

func noteFailure(a *core.AWS, arn string, err error) {
	a.Lock()
	defer a.Unlock()
	t := transitOf(a)
	t.stats.Failures++
	if len(t.failures) == mostFailures {
		t.failures = slices.Delete(t.failures, 0, mostFailures/2)
	}
	t.failures = append(t.failures, Failure{arn, err, a.Options.Now().UTC()})
}

// mostFailures is how many failed invocations are kept. Stats counts all.
const mostFailures = 1_000

// Failures are the last invocations that answered an error, oldest first: what the functions' logs would hold.
func Failures(a *core.AWS) []Failure {
	a.Lock()
	defer a.Unlock()
	return append([]Failure(nil), transitOf(a).failures...)
}

// invocation is an asynchronous one.
type invocation struct {
	arn       string
	payload   []byte
	principal string      // the service that invokes; "" when the caller was authorised already
	source    string      // ARN of the rule or topic
	refused   func(error) // called with the state lock held when the function cannot be invoked at all
	attempts  int
}

// asynchronous begins an invocation whose answer nobody waits for. The state lock must be held.
func asynchronous(a *core.AWS, in invocation) work {
	if err := mayInvoke(a, in); err != nil {
		in.refused(err)
		return nil
	}
	run, err := prepare(a, in.arn)
	if err != nil {
		in.refused(err)
		return nil
	}
	if in.attempts == 0 {
		transitOf(a).stats.Delivered++
	}
	return func(ctx context.Context) {
		if _, err := run(ctx, in.payload); err != nil {
			again(a, in, err)
		}
	}
}

func mayInvoke(a *core.AWS, in invocation) error {
	f, p, ok := functionByARN(a, in.arn)
	if !ok {
		return noSuchFunction(in.arn)
	}
	if in.principal == "" {
		return nil
	}
	return permit(a, in.principal, in.source, core.Access{Action: "lambda:InvokeFunction", Resource: f.FunctionArn,
		ResourcePolicy: f.policy(), Owner: p.Account})
}

// again tries once more, or gives the event to the function's dead-letter queue.
func again(a *core.AWS, in invocation, err error) {
	a.Lock()
	defer a.Unlock()
	if in.attempts++; in.attempts < asyncAttempts {
		enqueue(a, func() work { return asynchronous(a, in) })
		return
	}
	f, _, ok := functionByARN(a, in.arn)
	if !ok {
		return
	}
	q, ok := queueByARN(a, f.DeadLetterConfig.TargetArn)
	if !ok {
		transitOf(a).stats.Undeliverable++
		return
	}
	text := err.Error()
	_, err = sendTo(a, q, sendInput{MessageBody: string(in.payload), MessageAttributes: map[string]messageAttribute{
		"ErrorMessage": {DataType: "String", StringValue: &text}}}, "AROALAMBDAEXAMPLE", a.Options.Now().UTC())
	if err != nil {
		transitOf(a).stats.Undeliverable++
		return
	}
	transitOf(a).stats.DeadLettered++
}

// invokeFunction answers Invoke: at once for events, after the function for requests.
func invokeFunction(c *core.Call, f *function) (any, error) {
	payload, kind := c.Input, "RequestResponse"
	if c.Request != nil {
		if asked := c.Request.Header.Get("X-Amz-Invocation-Type"); asked != "" {
			kind = asked
		}
	} else {
		var in struct {
			InvocationType string
			Payload        json.RawMessage
		}
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		if payload = in.Payload; in.InvocationType != "" {
			kind = in.InvocationType
		}
	}
	switch kind {
	case "DryRun":
		return core.RawResponse{Status: http.StatusNoContent}, nil
	case "Event":
		in := invocation{arn: f.FunctionArn, payload: payload, refused: func(error) {}}
		enqueue(c.AWS, func() work { return asynchronous(c.AWS, in) })
		return core.RawResponse{Status: http.StatusAccepted}, nil
	}
	run, err := prepare(c.AWS, f.FunctionArn)
	if err != nil {
		return nil, err
	}
	return core.Later(func() (any, error) {
		ctx := context.Background()
		if c.Request != nil {
			ctx = c.Request.Context()
		}
		return answerOf(run(ctx, payload))
	}), nil
}

// answerOf writes what a function answered, errors as Lambda's runtimes do.
func answerOf(answer []byte, err error) (any, error) {
	header := http.Header{"X-Amz-Executed-Version": {"$LATEST"}}
	if err != nil {
		header.Set("X-Amz-Function-Error", "Unhandled")
		answer, _ = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": fmt.Sprintf("%T", err)}) // strings
	}
	if len(answer) == 0 {
		answer = []byte("null")
	}
	return core.RawResponse{Status: http.StatusOK, Header: header, Body: answer}, nil
}
