package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
)

// recorder stands before a local AWS and writes down what is called, also what the local AWS does not have.
type recorder struct {
	mu    sync.Mutex
	calls map[string]bool // service:operation; service: alone where the operation is in the path
}

var (
	signedFor = regexp.MustCompile(`Credential=[^/]+/[0-9]+/[^/]+/([a-z0-9-]+)/`)
	action    = regexp.MustCompile(`(?:^|&)Action=([A-Za-z]+)`)
)

func (r *recorder) note(t testing.TB, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Error(err)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	service := signedFor.FindStringSubmatch(request.Header.Get("Authorization"))
	if service == nil {
		t.Errorf("a call to %s is not signed", request.URL)
		return
	}
	_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	if found := action.FindSubmatch(body); operation == "" && found != nil {
		operation = string(found[1])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[service[1]+":"+operation] = true
}

// recorded is a local AWS whose callers are recorded.
func recorded(t testing.TB) (*local, *recorder) {
	t.Helper()
	l := startPlain(t)
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{calls: map[string]bool{}}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.note(t, request)
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
	return l, r
}

// byPath are the services whose operations are in the path, and notHere those that the local AWS has not.
var (
	byPath  = []string{"lambda", "scheduler"}
	notHere = []string{"scheduler", "cloudformation"}
	byAWS   = []string{"iam:PassRole", "iam:CreateServiceLinkedRole", "events:TagResource", "sqs:TagQueue", "lambda:TagResource", "organizations:TagResource",
		"lambda:InvokeFunction", "secretsmanager:CancelRotateSecret"} // asked on the way
)

// Somebody who asks one question with the rights that are printed for it meets no refusal, in the cleanup neither, and is
// asked for no right that it does not use.
func TestTheRightsOfEachQuestionAloneAreTheCallsThatItMakes(t *testing.T) {
	every := conformance.Rights([]conformance.Question{{}})
	replicas := conformance.Rights([]conformance.Question{{Need: conformance.NeedsRegion}})
	for _, q := range conformance.Questions() {
		t.Run(q.ID, func(t *testing.T) {
			t.Parallel()
			l, calls := recorded(t)
			only := []conformance.Question{q}
			rights := conformance.Rights(only)
			journal, err := conformance.NewJournal(conformance.State{Run: run, Account: account, Region: home}, func([]byte) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			l.AddRole(account, "Limited", `{"Version":"2012-10-17","Statement":[]}`, conformance.Policy(only, arn.Standard, account))
			own := l.session(t, account, "role/Limited/me", run, journal.Intend)
			sessions := map[string]*sandbox.Session{account: own}
			o := conformance.Options{Own: own, Second: far, Only: []string{q.ID}, Patience: conformance.ForDouble(), Parallel: 1, Now: time.Now, OU: ou}
			if q.Need == conformance.NeedsOrganization {
				l.AddRole(management, "Limited", `{"Version":"2012-10-17","Statement":[]}`, conformance.Policy(only, arn.Standard, management))
				o.Management = l.session(t, management, "role/Limited/me", run, journal.Intend)
				sessions[management] = o.Management
				if err := o.Management.HoldsOnly(t.Context(), ou, account); err != nil {
					t.Error(err)
				}
			}
			for _, r := range conformance.Ask(t.Context(), o) {
				if r.Verdict == conformance.Unanswered && r.Reason != conformance.NoOperation {
					t.Errorf("%s %s", r.Reason, r.Detail)
				}
			}
			removed, err := conformance.Cleanup(t.Context(), sessions, []string{home, far}, conformance.Kinds(only), journal.State().Resources, nil)
			if err != nil || len(removed.Left) > 0 {
				t.Errorf("%v %v", err, removed.Left)
			}
			services := map[string]bool{"sts": true}
			for _, right := range rights {
				service, _, _ := strings.Cut(right, ":")
				services[service] = true
			}
			for call := range calls.calls {
				service, operation, _ := strings.Cut(call, ":")
				switch {
				case operation == "" && slices.Contains(byPath, service) && services[service], call == "sts:GetCallerIdentity": // which needs no right
				case !slices.Contains(rights, call):
					t.Errorf("%s is called, and no right to it is printed", call)
				}
			}
			if slices.ContainsFunc(notHere, func(s string) bool { return services[s] }) {
				return // it ends before it has called everything
			}
			for _, right := range rights {
				service, _, _ := strings.Cut(right, ":")
				if !slices.Contains(every, right) && !slices.Contains(replicas, right) && !slices.Contains(byAWS, right) && !slices.Contains(byPath, service) && !calls.calls[right] {
					t.Errorf("a right to %s is printed, and it is not called", right)
				}
			}
		})
	}
}

// A cleanup that knows what a run could make looks for nothing else.
func TestOnlyWhatTheQuestionsMakeIsLookedFor(t *testing.T) {
	l, calls := recorded(t)
	q, _ := conformance.Find("kms.alias-moved.described")
	own := l.session(t, account, "role/Sandbox/me", run, unwritten)
	if _, err := conformance.Cleanup(t.Context(), map[string]*sandbox.Session{account: own}, []string{home}, conformance.Kinds([]conformance.Question{q}), nil, nil); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"sts:GetCallerIdentity": true, "secretsmanager:ListSecrets": true, "kms:ListAliases": true, "iam:ListRoles": true, "kms:ListKeys": true}
	for call := range calls.calls {
		if !want[call] {
			t.Errorf("%s is called", call)
		}
	}
	if len(calls.calls) < len(want) {
		t.Errorf("only %v are called", calls.calls)
	}
}
