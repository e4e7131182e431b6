package conformance_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// oneOfEach makes something of each kind that the local AWS has, and answers what was written down.
func oneOfEach(t *testing.T, l *local) []sandbox.Resource {
	t.Helper()
	var written []sandbox.Resource
	journal := func(r sandbox.Resource) error { written = append(written, r); return nil }
	own, manager := l.session(t, account, "role/Sandbox/me", run, journal), l.session(t, management, "role/Admin/me", run, journal)
	var key, role string
	for _, make := range []func() error{
		func() (err error) { key, err = own.CreateKey(t.Context(), "k"); return err },
		func() (err error) {
			role, err = own.CreateRole(t.Context(), "role", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, "")
			return err
		},
		func() error { _, err := own.CreateAlias(t.Context(), "alias", key); return err },
		func() error { _, err := own.CreateReplicated(t.Context(), "s", key, far); return err },
		func() error { _, err := own.CreateRotator(t.Context(), "function", role); return err },
		func() error { _, _, err := own.CreateQueue(t.Context(), "queue"); return err },
		func() error { _, err := own.CreateConnection(t.Context(), "connection"); return err },
		func() error { _, _, err := own.CreateBus(t.Context(), "bus"); return err },
		func() error {
			_, err := own.CreateRule(t.Context(), sandbox.NewRule{What: "bus", Bus: run.Name("bus"), Pattern: `{"source":["x"]}`})
			return err
		},
		func() error {
			_, err := own.CreateRule(t.Context(), sandbox.NewRule{What: "rule", Pattern: `{"source":["x"]}`})
			return err
		},
		func() error {
			return manager.AttachPolicy(t.Context(), "policy", ou, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}]}`)
		},
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	return written
}

// Whoever may not look, or is asked to come later, does not know that there is nothing: each look of a removal, and of a search, is
// refused in turn, for all that comes after it as well.
func TestWhatCannotBeLookedAtIsNotGone(t *testing.T) {
	for code, status := range map[string]int{"AccessDeniedException": 400, "ThrottlingException": 400} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			written := oneOfEach(t, l)
			own, manager := l.session(t, account, "role/Sandbox/later", run, unwritten), l.session(t, management, "role/Admin/later", run, unwritten)
			looks, from := 0, 0
			l.Lock()
			l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
				if !isWrite(c.Operation) {
					if looks++; looks >= from && from > 0 {
						return &core.Error{Code: code, Message: "refused", Status: status}
					}
				}
				return nil
			}
			l.Unlock()
			try := func(do func() error) (refused bool, err error) {
				l.Lock()
				looks, from = 0, from+1
				l.Unlock()
				err = do()
				l.Lock()
				defer l.Unlock()
				return looks >= from, err
			}
			found := func(kind sandbox.Kind, s *sandbox.Session) {
				l.Lock()
				from = 0
				l.Unlock()
				if refused, err := try(func() error { _, err := s.Find(t.Context(), home, true, []sandbox.Kind{kind}); return err }); !refused || err == nil {
					t.Errorf("a search for each %s is refused %t, and says %v", kind, refused, err)
				}
			}
			tried := map[sandbox.Kind]bool{}
			for _, stage := range sandbox.Stages() {
				for _, kind := range stage {
					for _, r := range written {
						s := own
						if r.Account == management {
							s = manager
						}
						if r.Kind != kind || r.Region == far {
							continue
						}
						found(kind, s)
						l.Lock()
						from = 0
						l.Unlock()
						for refused := true; refused; tried[kind] = true {
							var removed bool
							var err error
							refused, _ = try(func() error { removed, err = s.RemovingBy(patient()).Remove(t.Context(), r); return nil })
							if refused && (removed || err == nil) {
								t.Errorf("%s: look %d is refused, and it is removed %t, %v", r, from, removed, err)
							} else if !refused && err != nil {
								t.Errorf("%s: %v", r, err)
							}
						}
					}
				}
			}
			if left := l.left(t); len(left) > 0 || len(tried) < 10 {
				t.Errorf("of %v %v are left", tried, left)
			}
		})
	}
}

// Who may list keys and not describe them cannot say that a key of a run is gone. The key that is the reason, and the right, are named.
// A key of somebody else that nobody may describe takes nothing away where the run's own is found.
func TestAKeyThatMayNotBeDescribedIsNamedAndStays(t *testing.T) {
	l := startPlain(t)
	var written []sandbox.Resource
	own := l.session(t, account, "role/Sandbox/me", run, func(r sandbox.Resource) error { written = append(written, r); return nil })
	key, err := own.CreateKey(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := l.As("test.amazonaws.com", account, home, "kms", "CreateKey", map[string]any{"Description": "somebody's"})
	if err != nil {
		t.Fatal(err)
	}
	theirs := foreign["KeyMetadata"].(map[string]any)["KeyId"].(string)
	hidden := []string{key[strings.LastIndex(key, "/")+1:], theirs}
	l.Lock()
	l.Options.Faults.Refuse = func(c *core.Call) error {
		for _, id := range hidden {
			if c.Operation == "DescribeKey" && bytes.Contains(c.Input, []byte(id)) {
				return &core.Error{Code: "AccessDeniedException", Message: "no identity-based policy allows it", Status: 400}
			}
		}
		return nil
	}
	l.Unlock()
	clean := func(written []sandbox.Resource) (conformance.Removed, error) {
		return conformance.Cleanup(t.Context(), map[string]*sandbox.Session{account: own}, []string{home}, []sandbox.Kind{sandbox.Key}, written, nil)
	}
	names := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), hidden[0]) && strings.Contains(err.Error(), "kms:DescribeKey") && !strings.Contains(err.Error(), "\n")
	}
	if removed, err := clean(written); err != nil || len(removed.Gone) > 0 || len(removed.Left) != 1 || !names(removed.Left[0].Err) {
		t.Errorf("written down: %v, %v", removed, err)
	}
	if removed, err := clean(nil); len(removed.Gone) > 0 || !names(err) {
		t.Errorf("by name and tag: %v, %v", removed, err)
	}
	l.Lock()
	hidden = hidden[1:]
	l.Unlock()
	for again, want := range []int{1, 0} {
		if removed, err := clean(written); err != nil || len(removed.Gone) != want || len(removed.Left) > 0 {
			t.Errorf("another's key alone is hidden, %d: %v, %v", again, removed, err)
		}
	}
}

// slowly stands before a local AWS and does one operation some time later, by a clock, than it answers that it has. It answers how often
// the operation was called.
func (l *local) slowly(t *testing.T, operation string, later time.Duration, c sandbox.Clock) *int {
	t.Helper()
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	calls := 0
	var at time.Time
	var do func()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // of one caller, who waits for each answer
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		again := r.Clone(t.Context())
		r.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
		if do != nil && !c.Now().Before(at) {
			do()
			do = nil
		}
		if operationOf(r, body) != operation {
			proxy.ServeHTTP(w, r)
			return
		}
		if calls++; calls == 1 {
			at, do = c.Now().Add(later), func() { proxy.ServeHTTP(httptest.NewRecorder(), again) }
		}
		if operation == "DeleteRole" {
			_, _ = fmt.Fprint(w, "<DeleteRoleResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DeleteRoleResponse>")
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
	return &calls
}

// SQS deletes a queue within 60 seconds, and Secrets Manager and IAM in the background: that a thing is shown until then is no failure. That
// replicas go is asked for once.
func TestWhatAWSRemovesInTheBackgroundIsWaitedFor(t *testing.T) {
	for operation, kind := range map[string]sandbox.Kind{"DeleteQueue": sandbox.Queue, "RemoveRegionsFromReplication": sandbox.Secret, "DeleteSecret": sandbox.Secret, "DeleteRole": sandbox.Role} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			written := oneOfEach(t, l)
			clock := patient()
			calls := l.slowly(t, operation, 59*time.Second, clock)
			s := l.session(t, account, "role/Sandbox/later", run, unwritten).RemovingBy(clock)
			for _, r := range written {
				if r.Kind != kind || r.Region != home {
					continue
				}
				if removed, err := s.Remove(t.Context(), r); !removed || err != nil {
					t.Errorf("%s: removed %t, %v", r, removed, err)
				}
			}
			if *calls == 0 || operation == "RemoveRegionsFromReplication" && *calls != 1 {
				t.Errorf("%s was called %d times", operation, *calls)
			}
		})
	}
}

// A page of a list may be empty, and not the last.
func TestWhatIsOnALaterPageIsFound(t *testing.T) {
	for operation, kind := range map[string]sandbox.Kind{"ListRules": sandbox.Rule, "ListEventBuses": sandbox.Bus, "ListConnections": sandbox.Connection, "ListQueues": sandbox.Queue} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			oneOfEach(t, l)
			pages := 0
			l.rewrites(t, operation, func(answer []byte) ([]byte, error) {
				if pages++; pages == 1 {
					return []byte(`{"NextToken":"0"}`), nil
				}
				return answer, nil
			})
			found, err := l.session(t, account, "role/Sandbox/later", run, unwritten).Find(t.Context(), home, true, []sandbox.Kind{kind})
			if err != nil || len(found) != 1 || pages != 2 {
				t.Errorf("%v on %d pages, %v", found, pages, err)
			}
		})
	}
}
