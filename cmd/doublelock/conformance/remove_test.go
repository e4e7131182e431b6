package conformance_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	command "github.com/doublelock/doublelock/cmd/doublelock/conformance"

	"github.com/spf13/cobra"

	maincommand "github.com/doublelock/doublelock/cmd/doublelock/command"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
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
	replaceInStates(t, cache, os.Getenv("AWS_ENDPOINT_URL"), direct) // whose run was not in another address
	t.Setenv("AWS_ENDPOINT_URL", direct)
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

// A run of the second set that was killed is found by its state: whoever removes what it made in the sandbox account gets the command, and
// whose credentials it takes, for what is in the management account.
func TestWhatARunOfTheSecondSetLeftIsRemovedByTheCommandThatIsPrinted(t *testing.T) {
	a, cache := sandboxAccount(t, management)
	policies := func() int {
		t.Helper()
		out, err := a.As("test.amazonaws.com", management, region, "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})
		if err != nil {
			t.Fatal(err)
		}
		return len(out["Policies"].([]any))
	}
	before := policies()
	ends, stop := context.WithCancel(t.Context())
	again, stopAgain := context.WithCancel(t.Context())
	defer stop()
	defer stopAgain()
	direct := os.Getenv("AWS_ENDPOINT_URL")
	between(t, func(operation string, r *http.Request) bool {
		if ends.Err() != nil {
			stopAgain()
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}
		if operation == "AttachPolicy" {
			defer stop()
		}
		return false
	})
	_, stderr, code := commandtest.Line{New: command.New, Ends: ends, Again: again}.Run(t, "conformance", "--yes", "--organization", "--ou", "ou-ab12-sandbox1", "--account", account, "--question", "organizations.scp.empty-key")
	if code != 130 || policies() != before+1 || len(states(t, cache)) == 0 {
		t.Fatalf("exit code %d, %d policies: %s", code, policies(), stderr)
	}
	replaceInStates(t, cache, os.Getenv("AWS_ENDPOINT_URL"), direct)
	t.Setenv("AWS_ENDPOINT_URL", direct)

	_, stderr, code = run(t, "--cleanup", "--yes")
	if code != 1 || !strings.Contains(stderr, "left something in this account, which manages the organization, and in "+account) || policies() != before+1 {
		t.Errorf("with credentials of the management account alone: exit code %d: %s", code, stderr)
	}
	keys, err := a.Principal(account, "role/Person/me")
	if err != nil {
		t.Fatal(err)
	}
	manager := map[string]string{}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey, "AWS_SESSION_TOKEN": keys.SessionToken} {
		manager[name] = os.Getenv(name)
		t.Setenv(name, value)
	}
	_, stderr, code = run(t, "--cleanup", "--yes")
	_, said, found := strings.Cut(stderr, "something is left; doublelock ")
	said, _, credentials := strings.Cut(said, ", with credentials of account "+management+", tries again")
	if code != 1 || !found || !credentials || made(t, a) > 0 {
		t.Fatalf("in the sandbox account: exit code %d, %d things are left: %s", code, made(t, a), stderr)
	}
	for name, value := range manager {
		t.Setenv(name, value)
	}
	_, stderr, code = run(t, append(strings.Fields(said)[1:], "--yes")...)
	if code != 0 || policies() != before || len(states(t, cache)) > 0 {
		t.Errorf("%s: exit code %d, %d policies, %v: %s", said, code, policies(), states(t, cache), stderr)
	}
}

// replaceInStates gives runs that left a state another address of AWS.
func replaceInStates(t *testing.T, cache, old, direct string) {
	t.Helper()
	for _, state := range states(t, cache) {
		text, err := os.ReadFile(state)
		if err == nil {
			err = os.WriteFile(state, []byte(strings.ReplaceAll(string(text), old, direct)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A state that stays is of another account or of another endpoint: the note says of which.
func TestACleanupSaysWhoseAStateIsThatStays(t *testing.T) {
	_, cache := sandboxAccount(t, account)
	folder := filepath.Join(cache, "doublelock", "conformance")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for run, of := range map[string]string{"aaaaaaaaaa": `"account":"` + account + `","endpoint":"http://127.0.0.1:9"`, "bbbbbbbbbb": `"account":"123123123123"`} {
		if err := os.WriteFile(filepath.Join(folder, run+".json"), []byte(`{"format":1,"run":"`+run+`","region":"`+region+`",`+of+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	release, err := files.Hold(filepath.Join(folder, "bbbbbbbbbb.json.lock")) // by a run that is alive
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	_, stderr, code := run(t, "--cleanup", "--yes")
	if strings.Contains(stderr, "--run bbbbbbbbbb removes it") {
		t.Errorf("what is of another account is not removed from here: %s", stderr)
	}
	for _, want := range []string{"is of account " + account + " at http://127.0.0.1:9 and stays", "is of account 123123123123 at AWS and stays; this removes what is of account " + account + " at " + os.Getenv("AWS_ENDPOINT_URL")} {
		if code != 0 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d: %s, want %s", code, stderr, want)
		}
	}
}

// stuck is a terminal in which the progress of the first question is never over.
type stuck struct {
	bytes.Buffer
	on func()
}

func (s *stuck) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(": 1 of 2: ")) {
		s.on()
		select {}
	}
	return s.Buffer.Write(p)
}

// A run of a stand-in that is stopped twice, and does not give up, reports what it was answered and says what is left.
func TestTheSecondSignalLosesNoAnswerOfAStandIn(t *testing.T) {
	for _, args := range [][]string{{}, {"-o", "json"}} {
		ends, stop := context.WithCancel(t.Context())
		again, stopAgain := context.WithCancel(t.Context())
		report := filepath.Join(t.TempDir(), "conformance.json")
		var stdout bytes.Buffer
		stderr := &stuck{on: func() { stop(); stopAgain() }}
		env := &maincommand.Env{Printer: output.New(&stdout, stderr, os.Getenv), Stdin: strings.NewReader(""), Now: time.Now, Getenv: os.Getenv, Again: again}
		root := &cobra.Command{Use: "doublelock", SilenceUsage: true, SilenceErrors: true}
		env.Flag(root)
		root.AddCommand(command.New(env))
		root.SetArgs(append([]string{"conformance", "--against", "localaws", "--report", report, "--question", "kms.layer.create", "--question", "organizations.scp.kms-layer"}, args...))
		code := maincommand.Code(env, root.ExecuteContext(ends))
		text, err := os.ReadFile(report)
		if code != 130 || err != nil || strings.Count(stdout.String(), "kms.layer.create") != 1 || strings.Count(stdout.String(), "organizations.scp.kms-layer") != 1 ||
			!strings.Contains(string(text), `"answer": "refused"`) || !strings.Contains(string(text), `"reason": "stopped"`) || !strings.Contains(stderr.String(), "nothing is left") {
			t.Errorf("exit code %d, %v: %s%s%s", code, err, stdout.String(), stderr.String(), text)
		}
		stop()
		stopAgain()
	}
}
