package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Function is what a Lambda function does: it takes and answers JSON.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// asyncAttempts is how often Lambda tries an asynchronous invocation. Here the tries follow each other at once.
const asyncAttempts = 3

// RegisterFunction says what the function of that name does. A function that was not created yet gets a plain
// configuration.
func (a *AWS) RegisterFunction(account, region, name string, f Function) {
	a.lock()
	defer a.unlock()
	p := location{account, region}
	if _, ok := functionsAt(a, p).functions[name]; !ok {
		a.define(p, &function{FunctionName: name, Timeout: 900, MemorySize: 128})
	}
	flightOf(a).functions[p.functionARN(name)] = f
}

// FunctionEnvironment is the environment variables that a function was created with, nil when there is no such function.
func (a *AWS) FunctionEnvironment(account, region, name string) map[string]string {
	a.lock()
	defer a.unlock()
	f, ok := functionsAt(a, location{account, region}).functions[name]
	if !ok {
		return nil
	}
	return f.Environment.Variables
}

// FunctionRole is the ARN of the role that a function runs as, "" when it has none.
func (a *AWS) FunctionRole(account, region, name string) string {
	a.lock()
	defer a.unlock()
	if f, ok := functionsAt(a, location{account, region}).functions[name]; ok {
		return f.Role
	}
	return ""
}

// prepare looks a function up and returns how to call it. The state lock must be held; the call runs without it.
func (a *AWS) prepare(arn string) (func(ctx context.Context, payload []byte) ([]byte, error), error) {
	f, _, ok := a.functionByARN(arn)
	if !ok {
		return nil, noSuchFunction(arn)
	}
	run, ok := flightOf(a).functions[f.FunctionArn]
	if !ok {
		run = func(context.Context, []byte) ([]byte, error) {
			return nil, errors.New("Runtime.InvalidEntrypoint: nothing is registered for " + f.FunctionArn)
		}
	}
	flightOf(a).stats.Invocations++
	limit := time.Duration(f.Timeout) * time.Second
	return func(ctx context.Context, payload []byte) (answer []byte, err error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		defer func() {
			if broken := recover(); broken != nil {
				err = fmt.Errorf("Runtime.Panic: %v", broken)
			}
			if err != nil {
				a.failed(f.FunctionArn, err)
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

func (a *AWS) failed(arn string, err error) {
	a.lock()
	defer a.unlock()
	flightOf(a).stats.Failures++
	flightOf(a).failures = append(flightOf(a).failures, Failure{arn, err, a.options.Now().UTC()})
}

// Failures are the invocations that answered an error, oldest first: what the functions' logs would tell.
func (a *AWS) Failures() []Failure {
	a.lock()
	defer a.unlock()
	return append([]Failure(nil), flightOf(a).failures...)
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
func (a *AWS) asynchronous(in invocation) work {
	if err := a.mayInvoke(in); err != nil {
		in.refused(err)
		return nil
	}
	run, err := a.prepare(in.arn)
	if err != nil {
		in.refused(err)
		return nil
	}
	if in.attempts == 0 {
		flightOf(a).stats.Delivered++
	}
	return func(ctx context.Context) {
		if _, err := run(ctx, in.payload); err != nil {
			a.again(in, err)
		}
	}
}

func (a *AWS) mayInvoke(in invocation) error {
	f, p, ok := a.functionByARN(in.arn)
	if !ok {
		return noSuchFunction(in.arn)
	}
	if in.principal == "" {
		return nil
	}
	return a.permit(in.principal, in.source, access{Action: "lambda:InvokeFunction", Resource: f.FunctionArn,
		ResourcePolicy: f.policy(), Owner: p.Account})
}

// again tries once more, or gives the event to the function's dead-letter queue.
func (a *AWS) again(in invocation, err error) {
	a.lock()
	defer a.unlock()
	if in.attempts++; in.attempts < asyncAttempts {
		a.enqueue(func() work { return a.asynchronous(in) })
		return
	}
	f, _, ok := a.functionByARN(in.arn)
	if !ok {
		return
	}
	q, ok := a.queueByARN(f.DeadLetterConfig.TargetArn)
	if !ok {
		flightOf(a).stats.Undeliverable++
		return
	}
	text := err.Error()
	_, err = a.send(q, sendInput{MessageBody: string(in.payload), MessageAttributes: map[string]messageAttribute{
		"ErrorMessage": {DataType: "String", StringValue: &text}}}, "AROALAMBDAEXAMPLE", a.options.Now().UTC())
	if err != nil {
		flightOf(a).stats.Undeliverable++
		return
	}
	flightOf(a).stats.DeadLettered++
}

// invokeFunction answers Invoke: at once for events, after the function for requests.
func invokeFunction(c *call, f *function) (any, error) {
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
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		if payload = in.Payload; in.InvocationType != "" {
			kind = in.InvocationType
		}
	}
	switch kind {
	case "DryRun":
		return rawResponse{Status: http.StatusNoContent}, nil
	case "Event":
		in := invocation{arn: f.FunctionArn, payload: payload, refused: func(error) {}}
		c.aws.enqueue(func() work { return c.aws.asynchronous(in) })
		return rawResponse{Status: http.StatusAccepted}, nil
	}
	run, err := c.aws.prepare(f.FunctionArn)
	if err != nil {
		return nil, err
	}
	return later(func() (any, error) {
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
	return rawResponse{Status: http.StatusOK, Header: header, Body: answer}, nil
}
