package conformance_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	command "github.com/doublelock/doublelock/cmd/doublelock/conformance"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
)

// between puts something between the run and AWS: it sees the operation of each call, and answers it itself when it says so.
func between(t *testing.T, sees func(operation string, r *http.Request) (answered bool)) {
	t.Helper()
	to, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if !sees(operation, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
}

// What was made is removed after the first signal; the second one ends that at once, and the command that is printed does the rest.
func TestTheSecondSignalEndsTheRemovalAndTheCommandThatIsPrintedFinishesIt(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	direct := os.Getenv("AWS_ENDPOINT_URL")
	ends, stop := context.WithCancel(t.Context())
	again, stopAgain := context.WithCancel(t.Context())
	defer stop()
	defer stopAgain()
	var second time.Time
	between(t, func(operation string, r *http.Request) bool {
		switch operation {
		case "PutSecretValue": // something is made
			stop()
		case "DeleteSecret", "ScheduleKeyDeletion": // a slow one
			if ends.Err() != nil && again.Err() == nil {
				second = time.Now()
				stopAgain()
			}
			_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that the caller goes
			<-r.Context().Done()
			return true
		}
		return false
	})
	_, stderr, code := commandtest.Line{New: command.New, Ends: ends, Again: again}.Run(t, "conformance", "--yes", "--question", "secretsmanager.rekeyed.listed", "--question", "kms.alias-moved.new-version")
	if took := time.Since(second); code != 130 || took > 5*time.Second {
		t.Fatalf("exit code %d after %s: %s", code, took, stderr)
	}
	if !strings.Contains(stderr, "removing what was made: ") || !strings.Contains(stderr, "secret (") || !strings.Contains(stderr, "1 minute at most. Ctrl-C ends that") || strings.Contains(stderr, "remove secret") {
		t.Errorf("it says: %s", stderr)
	}
	if len(states(t, cache)) == 0 || made(t, a) == 0 {
		t.Fatalf("state in %v, %d things are left: %s", states(t, cache), made(t, a), stderr)
	}
	_, said, found := strings.Cut(stderr, "and something is left; this removes it: doublelock ")
	if !found || !strings.Contains(said, "--run ") || !strings.Contains(said, "--region "+region) {
		t.Fatalf("no command: %s", stderr)
	}
	t.Setenv("AWS_ENDPOINT_URL", direct)
	for _, state := range states(t, cache) { // whose run was not in another address
		text, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(text), "http://127.0.0.1:")
		if at >= 0 {
			old, _, _ := strings.Cut(string(text)[at:], `"`)
			if err := os.WriteFile(state, []byte(strings.ReplaceAll(string(text), old, direct)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, stderr, code = run(t, append(strings.Fields(said)[1:], "--yes")...)
	if code != 0 || made(t, a) > 0 || len(states(t, cache)) > 0 {
		t.Errorf("exit code %d, %d things and %v are left: %s", code, made(t, a), states(t, cache), stderr)
	}
}

func TestTheFirstSignalRemovesWhatWasMadeInAMoment(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	ends, stop := context.WithCancel(t.Context())
	defer stop()
	var stopped time.Time
	between(t, func(operation string, _ *http.Request) bool {
		if operation == "PutSecretValue" && ends.Err() == nil {
			stopped = time.Now()
			stop()
		}
		return false
	})
	_, stderr, code := commandtest.Line{New: command.New, Ends: ends}.Run(t, "conformance", "--yes", "--second-region", "eu-west-1")
	if took := time.Since(stopped); code != 1 || took > 5*time.Second || made(t, a) > 0 {
		t.Errorf("exit code %d after %s, %d things and %v are left: %s", code, took, made(t, a), states(t, cache), stderr)
	}
}

func TestACleanupSaysWhichRegionItSearched(t *testing.T) {
	sandboxAccount(t, account)
	for second, want := range map[string]string{"": "note: only Region eu-central-1 was searched by name and tag; give --second-region for another that runs made replicas in\n", "eu-west-1": ""} {
		args := []string{"--cleanup", "--yes"}
		if second != "" {
			args = append(args, "--second-region", second)
		}
		_, stderr, code := run(t, args...)
		if code != 0 || !strings.Contains(stderr, want) || strings.Contains(stderr, "only Region") != (want != "") || strings.Contains(stderr, "questions about replicas") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
}

// A call that hangs is given up with the signal: what was made before is removed, and where something is left the exit code
// says so.
func TestASignalWhileACallHangsEndsTheRunAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		hangs, refused string // operations: in the run, and in the removal
		code           int
		says           string
	}{
		"nothing is made yet": {"CreateKey", "none", 1, "conformance: stopped, and everything was removed: "},
		"all is removed":      {"UpdateSecret", "none", 1, "conformance: stopped, and everything was removed: "},
		"something is left":   {"UpdateSecret", "DeleteSecret", 130, "doublelock: conformance: something is left; doublelock conformance --cleanup "},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := sandboxAccount(t, account)
			ends, stop := context.WithCancel(t.Context())
			defer stop()
			var stopped time.Time
			between(t, func(operation string, r *http.Request) bool {
				switch {
				case operation == tt.hangs:
					stopped = time.Now()
					stop()
					_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that the caller goes
					<-r.Context().Done()
					return true
				case operation == tt.refused && ends.Err() != nil:
					a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`)
				}
				return false
			})
			_, stderr, code := commandtest.Line{New: command.New, Ends: ends}.Run(t, "conformance", "--yes", "--question", "secretsmanager.rekeyed.listed")
			if took := time.Since(stopped); code != tt.code || took > 5*time.Second || !strings.Contains(stderr, tt.says) || stopped.IsZero() || (made(t, a) > 0) != (tt.code == 130) {
				t.Errorf("exit code %d after %s, %d things are left: %s", code, took, made(t, a), stderr)
			}
		})
	}
}
