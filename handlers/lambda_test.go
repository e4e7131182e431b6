//go:build linux

package handlers_test

import (
	"context"
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/settings"
)

// runtimeAPI is the local end of the Lambda runtime: it hands a function its invocations and takes the answers
// (Lambda developer guide, "Using the Lambda runtime API").
type runtimeAPI struct {
	invocations chan []byte
	answers     chan []byte
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/2018-06-01/runtime/invocation/next":
		select {
		case payload := <-a.invocations:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:111122223333:function:doublelock")
			_, _ = w.Write(payload)
		case <-r.Context().Done():
		}
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		a.answers <- body
	default:
		http.NotFound(w, r)
	}
}

// function is a Lambda binary at work.
type function struct {
	api     *runtimeAPI
	process *exec.Cmd
	server  *http.Server
}

// start runs a binary with the environment that infra writes. The AWS endpoint is a port that nobody listens on.
func start(t testing.TB, binary string) *function {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := &runtimeAPI{invocations: make(chan []byte, 1), answers: make(chan []byte, 1)}
	f := &function{api: api, server: &http.Server{Handler: api}, process: exec.Command(binary)}
	go func() { _ = f.server.Serve(listener) }()
	f.process.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()}
	for name, value := range environment() {
		f.process.Env = append(f.process.Env, name+"="+value)
	}
	if err := f.process.Start(); err != nil {
		t.Fatal(err)
	}
	return f
}

// invoke hands over a payload and waits for the answer.
func (f *function) invoke(t testing.TB, payload []byte) []byte {
	t.Helper()
	f.api.invocations <- payload
	select {
	case answer := <-f.api.answers:
		return answer
	case <-time.After(30 * time.Second):
		t.Fatal("no answer within 30 seconds")
		return nil
	}
}

// stop ends the process and returns what it used: the most memory at once, in bytes, and time on the processor.
func (f *function) stop(t testing.TB) (memory int64, processor time.Duration) {
	t.Helper()
	memory = f.peak(t)
	if err := f.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = f.process.Wait() // killed by us
	_ = f.server.Close()
	return memory, f.process.ProcessState.UserTime() + f.process.ProcessState.SystemTime()
}

// peak reads the most memory the process held at once. (ru_maxrss would count what the test held when it forked.)
func (f *function) peak(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); !found || err != nil {
		t.Fatalf("read peak memory: found %v, %v", found, err)
	}
	return kilobytes * 1024
}

// bare names the least that any function in Go does: AWS's own runtime library, and an answer.
const (
	bare       = "bare"
	bareSource = `package main

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{}, nil
	})
}
`
)

// build makes the binary of a function the way it is deployed, for this machine.
func build(t testing.TB, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	source := "./" + name + "/lambda"
	if name == bare {
		source = filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(source, []byte(bareSource), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags=-s -w", "-tags", "lambda.norpc", "-o", binary, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return binary
}

// operatorID is the unique id of the role whose sessions may instruct operate.
const operatorID = "AROAIOSFODNN7EXAMPLE1"

func environment() map[string]string {
	return map[string]string{
		settings.EnvRegion: "eu-central-1", settings.EnvHubAccount: "999988887777", settings.EnvRegions: "eu-central-1",
		settings.EnvOperator: operatorID, settings.EnvTable: "doublelock", settings.EnvBus: "doublelock", settings.EnvEndpoint: "http://127.0.0.1:9",
		settings.EnvOwnersTopic: "arn:aws:sns:eu-central-1:999988887777:doublelock-owners",
		settings.EnvConfig:      `{"default":"notify","owners":{"fallback":"security"}}`,
		"GOGC":                  "off", "GOMEMLIMIT": "179MiB",
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	}
}

// batch is two messages, one of them broken. The other is an event that is none of ours, so that no AWS is needed.
func batch(t testing.TB) []byte {
	t.Helper()
	body := `{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.secretsmanager","account":"111122223333",
		"region":"eu-central-1","detail":{"eventName":"ListSecrets","eventSource":"secretsmanager.amazonaws.com","eventID":"e-1","readOnly":true}}`
	payload, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{MessageId: "fine", Body: body}, {MessageId: "broken", Body: "{", Attributes: map[string]string{"SenderId": operatorID + ":anna"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestEachBinaryAnswersTheRuntimeWithItsPartialFailures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every function")
	}
	for _, name := range handlers.Names() {
		t.Run(name, func(t *testing.T) {
			binary := build(t, name)
			if diff := cmp.Diff(slices.Sorted(slices.Values(append(talksTo[name], everyone...))), services(t, binary)); diff != "" {
				t.Errorf("AWS services in the binary (-want +got):\n%s", diff)
			}
			f := start(t, binary)
			defer f.stop(t)
			var answer events.SQSEventResponse
			if err := json.Unmarshal(f.invoke(t, batch(t)), &answer); err != nil {
				t.Fatal(err)
			}
			want := []events.SQSBatchItemFailure{{ItemIdentifier: "broken"}}
			if diff := cmp.Diff(want, answer.BatchItemFailures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

// Services that a function talks to. One more is a millisecond of each cold start, and a right that nobody thought of.
var (
	everyone = []string{"sts", "sqs"} // member roles, and the queue that a message is put back into
	talksTo  = map[string][]string{
		handlers.Alert:     {"dynamodb", "eventbridge", "sns"}, // events for API destinations
		handlers.Detect:    {"dynamodb", "eventbridge", "kms", "organizations", "secretsmanager"},
		handlers.Ledger:    {"dynamodb", "eventbridge"},
		handlers.Operate:   {"account", "dynamodb", "eventbridge", "kms", "organizations", "secretsmanager", "cloudtrail", "iam", "lambda"},
		handlers.Remediate: {"account", "dynamodb", "eventbridge", "kms", "organizations", "secretsmanager", "cloudtrail", "iam", "lambda"},
		handlers.Sweep:     {"account", "dynamodb", "eventbridge", "kms", "organizations", "secretsmanager", "cloudtrail", "iam", "lambda"},
		handlers.Watchdog:  {"account", "dynamodb", "eventbridge", "kms", "organizations", "secretsmanager", "cloudtrail", "iam", "lambda"},
	}
)

// services reads out of a binary, as it is deployed, from which of the SDK's services it has functions. The linker keeps
// those of every package that is imported, if only to make its tables.
func services(t testing.TB, binary string) []string {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines, err := file.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, file.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range table.Funcs {
		if _, rest, ours := strings.Cut(f.Name, "github.com/aws/aws-sdk-go-v2/service/"); ours {
			name := rest[:strings.IndexAny(rest, "/.")]
			found[name] = true
		}
	}
	delete(found, "internal") // what services share
	return slices.Sorted(maps.Keys(found))
}

// BenchmarkColdStart measures a function from the start of its process to its first answer, and its memory. The
// wall clock means something on an idle machine only; the time on the processor does so on a busy one as well.
func BenchmarkColdStart(b *testing.B) {
	for _, name := range append([]string{bare}, handlers.Names()...) {
		b.Run(name, func(b *testing.B) {
			binary, payload := build(b, name), batch(b)
			info, err := os.Stat(binary)
			if err != nil {
				b.Fatal(err)
			}
			var memory int64
			var processor time.Duration
			for b.Loop() {
				f := start(b, binary)
				f.invoke(b, payload)
				b.StopTimer()
				used, busy := f.stop(b)
				memory, processor = max(memory, used), processor+busy
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/cold-start")
			b.ReportMetric(float64(processor.Microseconds())/float64(b.N)/1000, "cpu-ms/cold-start")
			b.ReportMetric(float64(memory)/(1<<20), "MiB-peak")
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB-binary")
		})
	}
}

// BenchmarkWarmInvocation measures one more event in a process that is up.
func BenchmarkWarmInvocation(b *testing.B) {
	f := start(b, build(b, "detect"))
	defer f.stop(b)
	payload := batch(b)
	f.invoke(b, payload)
	for b.Loop() {
		f.invoke(b, payload)
	}
}
