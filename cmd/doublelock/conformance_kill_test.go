package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/localaws"
)

// sandboxOU holds scriptData and nothing else.
const sandboxOU = "ou-ab12-sandbox1"

// killing is a local AWS with an organization, whose caller is killed when it makes a call.
type killing struct {
	*localaws.AWS
	url, cache string // the environment of a run
	mu         sync.Mutex
	operation  string // at whose first call the caller is killed; "" is never
	carriedOut bool   // after the call, which otherwise is not carried out
	caller     *os.Process
}

func startKilling(t *testing.T) *killing {
	t.Helper()
	k := &killing{AWS: localaws.New(localaws.Options{Seed: 1}), cache: t.TempDir()}
	direct, stop, err := k.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	to, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of callers that are gone
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		kill, carriedOut := k.kills(operation)
		if kill == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		if carriedOut {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		}
		if err := kill(); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler) // nobody gets an answer
	}))
	t.Cleanup(func() { server.Close(); cancel(); running.Wait(); stop() })
	k.url = server.URL
	k.OrganizationWithRoot("o-exampleorgid", "r-ab12", scriptManagement)
	k.AddOUWithID("", sandboxOU, "Sandbox")
	k.AddAccount(sandboxOU, scriptData, "sandbox")
	k.AddRole(scriptData, "OrganizationAccountAccessRole", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+scriptManagement+`:root"},"Action":"sts:AssumeRole"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	return k
}

// kills answers what kills the caller of an operation; nil where it goes on.
func (k *killing) kills(operation string) (kill func() error, carriedOut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.operation == "" || operation != k.operation {
		return nil, false
	}
	k.operation = ""
	return k.caller.Kill, k.carriedOut
}

// conformance runs the command as the management account, and kills it with -9 at the first call of an operation. It answers what it said,
// and its exit code, or -1.
func (k *killing) conformance(t *testing.T, operation string, carriedOut bool, args ...string) (stderr string, code int) {
	t.Helper()
	keys, err := k.Principal(scriptManagement, "role/Person/me")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args = append([]string{"conformance", "--organization", "--ou", sandboxOU, "--account", scriptData, "--region", scriptRegion, "--yes"}, args...)
	run := exec.CommandContext(ctx, "doublelock", args...)
	run.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+k.url, "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN="+keys.SessionToken, "XDG_CACHE_HOME="+k.cache)
	var errs bytes.Buffer
	run.Stderr = &errs
	k.mu.Lock()
	err = run.Start()
	k.operation, k.carriedOut, k.caller = operation, carriedOut, run.Process
	k.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	var exited *exec.ExitError
	if err := run.Wait(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return errs.String(), run.ProcessState.ExitCode()
}

// left is what there is of runs: what has a name, keys that are in use, and policies.
func (k *killing) left(t *testing.T) []string {
	t.Helper()
	var all []string
	ask := func(account, service, operation string, input map[string]any) string {
		out, err := k.As("test.amazonaws.com", account, scriptRegion, service, operation, input)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, list := range []string{
		ask(scriptData, "secretsmanager", "ListSecrets", nil), ask(scriptData, "iam", "ListRoles", nil),
		ask(scriptManagement, "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"}),
		ask(scriptManagement, "organizations", "ListPoliciesForTarget", map[string]any{"TargetId": sandboxOU, "Filter": "SERVICE_CONTROL_POLICY"}),
	} {
		for _, part := range strings.Split(list, `Name":"doublelock-conformance-`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			all = append(all, name)
		}
	}
	var keys struct{ Keys []struct{ KeyID string } }
	if err := json.Unmarshal([]byte(ask(scriptData, "kms", "ListKeys", nil)), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys.Keys {
		if d := ask(scriptData, "kms", "DescribeKey", map[string]any{"KeyId": key.KeyID}); strings.Contains(d, "doublelock-conformance-") && !strings.Contains(d, "PendingDeletion") {
			all = append(all, "key "+key.KeyID)
		}
	}
	return all
}

func (k *killing) states(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(k.cache, "doublelock", "conformance", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A run of the second set that is killed with -9 leaves secrets, keys, a role, and a policy that denies the sandbox account its
// own calls. The cleanup removes all of it, with the run's state or without, also when it is killed itself.
func TestARunOfTheSecondSetThatIsKilledIsRemovedByItsCleanup(t *testing.T) {
	if testing.Short() {
		t.Skip("plays many runs")
	}
	for name, at := range map[string]struct {
		operation  string
		carriedOut bool
		nothing    bool // is made until then
		cleanup    string
	}{
		"before it has begun":             {"ListAccountsForParent", false, true, ""},
		"before its first key is made":    {"CreateKey", false, true, ""},
		"when its first key is made":      {"CreateKey", true, false, "ScheduleKeyDeletion"},
		"when its first secret is made":   {"CreateSecret", true, false, "DeleteSecret"},
		"when it asks":                    {"UpdateSecret", false, false, "DeleteSecret"},
		"before a policy is made":         {"CreatePolicy", false, false, ""},
		"when a policy is made":           {"CreatePolicy", true, false, "DeletePolicy"},
		"when a policy is attached":       {"AttachPolicy", true, false, "DetachPolicy"},
		"before a policy is detached":     {"DetachPolicy", false, false, "DeletePolicy"},
		"when a policy is detached":       {"DetachPolicy", true, false, "ScheduleKeyDeletion"},
		"when a policy is removed":        {"DeletePolicy", true, false, "DeleteSecret"},
		"when it removes its first thing": {"DeleteSecret", true, false, "ScheduleKeyDeletion"},
		"before it removes its key":       {"ScheduleKeyDeletion", false, false, ""},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", and its state is lost"}[lost], func(t *testing.T) {
				t.Parallel()
				k := startKilling(t)
				said, code := k.conformance(t, at.operation, at.carriedOut, "--question", "organizations.scp.kms-layer", "--question", "kms.layer.create")
				if code != -1 {
					t.Fatalf("exit code %d: it was not killed: %s", code, said)
				}
				before := k.left(t)
				if at.nothing != (len(before) == 0) {
					t.Fatalf("it has left %v: %s", before, said)
				}
				cleanup := []string{"--cleanup"}
				if states := k.states(t); lost && len(states) > 0 {
					cleanup = append(cleanup, "--run", strings.TrimSuffix(filepath.Base(states[0]), ".json"))
					if err := os.Remove(states[0]); err != nil {
						t.Fatal(err)
					}
				}
				if at.cleanup != "" && !lost {
					for _, carriedOut := range []bool{false, true} {
						if said, code := k.conformance(t, at.cleanup, carriedOut, cleanup...); code != -1 {
							t.Fatalf("exit code %d: the cleanup was not killed: %s", code, said)
						}
					}
				}
				said, code = k.conformance(t, "", false, cleanup...)
				if left := k.left(t); code != 0 || len(left) > 0 || len(k.states(t)) > 0 {
					t.Errorf("exit code %d, %v and %v are left: %s", code, left, k.states(t), said)
				}
			})
		}
	}
}
