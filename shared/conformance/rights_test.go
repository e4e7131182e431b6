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
	calls map[string]bool // service:operation
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
	for _, p := range paths {
		if operation == "" && p.method == request.Method && p.path.MatchString(request.URL.Path) {
			operation = p.operation
		}
	}
	if operation == "" {
		t.Errorf("nobody knows what %s %s calls", request.Method, request.URL)
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

// paths are the operations of services that have them in method and path.
var paths = []struct {
	method    string
	path      *regexp.Regexp
	operation string
}{
	{http.MethodPost, regexp.MustCompile(`^/2015-03-31/functions/?$`), "CreateFunction"},
	{http.MethodGet, regexp.MustCompile(`^/2015-03-31/functions/?$`), "ListFunctions"},
	{http.MethodPost, regexp.MustCompile(`^/2015-03-31/functions/[^/]+/policy$`), "AddPermission"},
	{http.MethodDelete, regexp.MustCompile(`^/2015-03-31/functions/[^/]+$`), "DeleteFunction"},
	{http.MethodGet, regexp.MustCompile(`^/2017-03-31/tags/`), "ListTags"},
	{http.MethodGet, regexp.MustCompile(`^/schedule-groups$`), "ListScheduleGroups"},
	{http.MethodGet, regexp.MustCompile(`^/schedule-groups/[^/]+$`), "GetScheduleGroup"},
	{http.MethodPost, regexp.MustCompile(`^/schedule-groups/[^/]+$`), "CreateScheduleGroup"},
}

// notHere are the services that the local AWS has not: a question of theirs ends at the first call to them.
var notHere = []string{"scheduler", "cloudformation"}

// Somebody who asks one question with the rights that are printed for it meets no refusal, in the cleanup neither, and gives
// no right to a call that is not made. What AWS asks for on the way of those calls is beside them.
func TestTheRightsOfEachQuestionAloneAreTheCallsThatItMakes(t *testing.T) {
	t.Parallel()
	for _, q := range conformance.Questions() {
		t.Run(q.ID, func(t *testing.T) {
			t.Parallel()
			l, made := recorded(t)
			l.runClock(t, home)
			only := []conformance.Question{q}
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
				inSandbox := slices.DeleteFunc(sandbox.Kinds(), func(k sandbox.Kind) bool { return k == sandbox.Policy })
				sessions[account], sessions[management] = own.Finding(inSandbox...), o.Management.Finding(sandbox.Policy) // as the command does
				if err := o.Management.BindsOnly(t.Context(), ou, account); err != nil {                                  // the same
					t.Error(err)
				}
			} else if _, err := own.ManagementAccount(t.Context()); err != nil { // the same
				t.Error(err)
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
			calls := conformance.Calls(only)
			for _, call := range calls {
				if service, _, _ := strings.Cut(call, ":"); slices.Contains(notHere, service) {
					calls = nil // it ends before it has called everything
				}
			}
			delete(made.calls, "sts:GetCallerIdentity") // which needs no right
			for call := range made.calls {
				if !slices.Contains(conformance.Calls(only), call) {
					t.Errorf("%s is called, and no right to it is printed", call)
				}
			}
			for _, call := range calls {
				if onTheWay := q.ID == conformance.ChoiceNewReplica && call == "secretsmanager:ReplicateSecretToRegions"; !made.calls[call] && !onTheWay { // of CreateSecret with replicas
					t.Errorf("a right to %s is printed, and it is not called", call)
				}
			}
		})
	}
}

// What is printed as asked for on the way belongs to a call of the question.
func TestEveryRightIsOfACall(t *testing.T) {
	for _, q := range conformance.Questions() {
		only := []conformance.Question{q}
		calls, rights := conformance.Calls(only), conformance.Rights(only)
		for _, call := range calls {
			if !slices.Contains(rights, call) {
				t.Errorf("%s: no right to %s", q.ID, call)
			}
		}
		if policy := conformance.Policy(only, arn.Standard, account); strings.Contains(policy, `"Action": null`) || strings.Contains(policy, `"Action": []`) {
			t.Errorf("%s: a statement allows nothing: %s", q.ID, policy)
		}
		for _, right := range rights {
			if !strings.Contains(conformance.Policy(only, arn.Standard, account), `"`+right+`"`) {
				t.Errorf("%s: %s is not in the policy", q.ID, right)
			}
		}
	}
	if foreign, _ := conformance.Find("events.schedule.foreign-bus"); slices.ContainsFunc(conformance.Rights([]conformance.Question{foreign}), func(right string) bool {
		return strings.HasPrefix(right, "secretsmanager:") || strings.HasPrefix(right, "kms:")
	}) {
		t.Error("a question that makes neither secret nor key has rights to them")
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
	want := map[string]bool{"sts:GetCallerIdentity": true, "secretsmanager:ListSecrets": true, "kms:ListAliases": true, "kms:ListKeys": true}
	for call := range calls.calls {
		if !want[call] {
			t.Errorf("%s is called", call)
		}
	}
	if len(calls.calls) < len(want) {
		t.Errorf("only %v are called", calls.calls)
	}
}
