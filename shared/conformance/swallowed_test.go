package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

// fate is what becomes of a call that AWS does not do as it says.
type fate string

const (
	swallowed fate = "swallowed"              // it is answered as if it had gone well, and is not done
	alwaysSo  fate = "swallowed from then on" // and so is every further one
	broken    fate = "done, and answered with an error"
	late      fate = "done some calls later" // and answered at once
)

// lateBy is so many calls later, of whatever kind.
const lateBy = 3

// wrote is a call that changes something: an operation, and which call of it, from 1.
type wrote struct {
	operation string
	nth       int
}

// exchange is a call that went well, and its answer.
type exchange struct {
	asked, body []byte
	header      http.Header
}

// swallower stands before a local AWS, and lets one call have another fate than it is told.
type swallower struct {
	proxy *httputil.ReverseProxy
	seed  uint64 // of the ids of what is made
	what  wrote
	fate  fate
	as    map[wrote]exchange // of a run in which nothing is swallowed

	mu      sync.Mutex
	seen    map[string]int
	kept    map[wrote]exchange
	pending func()
	wait    int
}

// operationOf is the operation of a request; a path where its service has no other name for it.
func operationOf(r *http.Request, body []byte) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return form.Get("Action")
	}
	return r.Method + " " + r.URL.Path
}

func isWrite(operation string) bool {
	for _, read := range []string{"Get", "List", "Describe", "Lookup", "Receive", "Assume", "GET "} {
		if strings.HasPrefix(operation, read) {
			return false
		}
	}
	return true
}

func (s *swallower) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	do := func() *httptest.ResponseRecorder {
		again := r.Clone(context.Background()) // also where nobody waits any more
		again.Body = io.NopCloser(bytes.NewReader(body))
		record := httptest.NewRecorder()
		s.proxy.ServeHTTP(record, again)
		return record
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		if s.wait--; s.wait == 0 {
			s.pending()
			s.pending = nil
		}
	}
	call := wrote{operation: operationOf(r, body)}
	if !isWrite(call.operation) {
		reply(w, do())
		return
	}
	s.seen[call.operation]++
	call.nth = s.seen[call.operation]
	before, wentWell := s.as[call]
	if !wentWell && s.fate == alwaysSo {
		before, wentWell = s.as[s.what]
	}
	switch hit := call == s.what || s.fate == alwaysSo && call.operation == s.what.operation && call.nth > s.what.nth; {
	case hit && s.fate == broken:
		do()
		record := httptest.NewRecorder()
		record.Header().Set("X-Amzn-Errortype", "InternalServiceError")
		record.WriteHeader(http.StatusInternalServerError)
		_, _ = record.WriteString(`{"__type":"InternalServiceError","message":"broken"}`)
		reply(w, record)
	case hit && wentWell:
		if s.fate == late {
			s.pending, s.wait = func() { do() }, lateBy
		}
		record := httptest.NewRecorder()
		for name, values := range before.header {
			record.Header()[name] = values
		}
		_, _ = record.Write(bytes.ReplaceAll(before.body, []byte(token(before.asked)), []byte(token(body))))
		reply(w, record)
	default:
		record := do()
		if record.Code == http.StatusOK {
			s.kept[call] = exchange{body, record.Body.Bytes(), record.Header()}
		}
		reply(w, record)
	}
}

// token is what the SDK makes up for a request, and Secrets Manager calls a version; another text where there is none.
func token(body []byte) string {
	var in struct{ ClientRequestToken string }
	if err := json.Unmarshal(body, &in); err != nil || in.ClientRequestToken == "" {
		return "no token"
	}
	return in.ClientRequestToken
}

func reply(w http.ResponseWriter, r *httptest.ResponseRecorder) {
	for name, values := range r.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(r.Code)
	_, _ = w.Write(r.Body.Bytes())
}

// patient is a clock by which any wait is over at once.
func patient() sandbox.Clock {
	now := time.Now()
	return sandbox.Clock{Now: func() time.Time { return now }, Sleep: func(ctx context.Context, d time.Duration) error {
		now = now.Add(d)
		return ctx.Err()
	}}
}

// underFate asks one question of a local AWS of a behavior in which a call has a fate, and answers which calls went well. What
// went well in one local AWS is what another answers, whose ids are others: nothing has those that were said.
func underFate(t *testing.T, id string, of localaws.Behavior, s *swallower, patience conformance.Patience) (conformance.Result, map[wrote]exchange) {
	t.Helper()
	l := start(t, localaws.Options{Seed: s.seed, Behavior: of})
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	s.proxy, s.seen, s.kept = httputil.NewSingleHostReverseProxy(to), map[string]int{}, map[wrote]exchange{}
	server := httptest.NewServer(s)
	defer server.Close()
	l.url = server.URL
	l.runClock(t, home, far)
	own, manager := l.session(t, account, "role/Sandbox/me", run, unwritten).RemovingBy(patient()), l.session(t, management, "role/Admin/me", run, unwritten).RemovingBy(patient())
	results := conformance.Ask(t.Context(), conformance.Options{Own: own, Management: manager, OU: ou, Second: far, Only: []string{id}, Patience: patience, Parallel: 1, Now: time.Now})
	return results[0], s.kept
}

// A call that goes well and is not done, or later, or that is done and fails, makes no question answer otherwise than it would: what it
// is about was never there, and nothing follows from what is seen then. Each call that changes something has each fate in turn.
func TestACallThatIsNotDoneAsAWSSaysIsNoAnswer(t *testing.T) {
	t.Parallel()
	impatient := conformance.Patience{Trail: 100 * time.Millisecond, Change: 100 * time.Millisecond, Settle: 10 * time.Millisecond, Between: 10 * time.Millisecond}
	for _, q := range conformance.Questions() {
		for name, behavior := range worlds(q) {
			t.Run(q.ID+", "+name, func(t *testing.T) {
				t.Parallel()
				right, calls := underFate(t, q.ID, behavior, &swallower{seed: 1}, conformance.ForDouble())
				if len(calls) == 0 {
					t.Fatal("nothing is changed: this test sees nothing")
				}
				var group errgroup.Group
				group.SetLimit(16) // most of the time goes by in waiting
				for call := range calls {
					for fate, patience := range map[fate]conformance.Patience{swallowed: impatient, alwaysSo: impatient, broken: impatient, late: conformance.ForDouble()} {
						group.Go(func() error {
							got, _ := underFate(t, q.ID, behavior, &swallower{seed: 2, what: call, fate: fate, as: calls}, patience)
							if got.Verdict != conformance.Unanswered && got.Answer != right.Answer {
								t.Errorf("%s is %s: %s, %s; otherwise: %s", fmt.Sprint(call), fate, got.Answer, got.Verdict, right.Answer)
							}
							return nil
						})
					}
				}
				_ = group.Wait() // it has no errors
			})
		}
	}
}

// What AWS says it has removed and has not is left, and not removed: whoever goes by "removed" pays for it, or lets a policy deny.
func TestWhatIsStillThereAfterItsRemovalWasAnsweredIsLeft(t *testing.T) {
	t.Parallel()
	l := start(t, localaws.Options{Seed: 1})
	written := oneOfEach(t, l)
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	inactive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch operation := operationOf(r, body); {
		case !isWrite(operation):
			proxy.ServeHTTP(w, r)
		case strings.Contains(operation, "DELETE /20"): // of Lambda, which answers nothing
			w.WriteHeader(http.StatusNoContent)
		case strings.HasPrefix(operation, "DeleteRole"):
			_, _ = fmt.Fprintf(w, "<%[1]sResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>", operation)
		default:
			_, _ = io.WriteString(w, "{}")
		}
	}))
	defer inactive.Close()
	l.url = inactive.URL
	own, manager := l.session(t, account, "role/Sandbox/me", run, unwritten), l.session(t, management, "role/Admin/me", run, unwritten)
	var group errgroup.Group
	tried := map[sandbox.Kind]bool{}
	for _, r := range written {
		s := own
		if r.Account == management {
			s = manager
		}
		tried[r.Kind] = true
		group.Go(func() error {
			if removed, err := s.RemovingBy(patient()).Remove(t.Context(), r); removed || err == nil || !strings.Contains(err.Error(), "still there") {
				t.Errorf("%s: removed %v, %v", r, removed, err)
			}
			return nil
		})
	}
	_ = group.Wait() // it has no errors
	if len(tried) < 11 {
		t.Errorf("tried %v alone", tried)
	}
}
