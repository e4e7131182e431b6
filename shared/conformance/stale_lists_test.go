package conformance_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// answersLater stands before a local AWS and answers reads of some operations as before the last write, for a while after it.
func (l *local) answersLater(t testing.TB, operation string, after time.Duration, writes ...string) {
	t.Helper()
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	before, written := map[string][]byte{}, map[string]time.Time{} // by Region and secret
	proxy := httputil.NewSingleHostReverseProxy(to)
	asked := func(r *http.Request) (call, of string) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var in struct {
			Secret string `json:"SecretId"`
		}
		_ = json.Unmarshal(body, &in) // other services' requests have none
		_, call, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		parts := strings.SplitN(scope, "/", 4)
		if at := strings.LastIndex(in.Secret, ":secret:"); at >= 0 {
			in.Secret = in.Secret[at+8 : len(in.Secret)-7]
		}
		return call, strings.Join(parts[min(2, len(parts)-1):min(3, len(parts))], "") + in.Secret
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, of := asked(r)
		record := httptest.NewRecorder()
		proxy.ServeHTTP(record, r)
		mu.Lock()
		defer mu.Unlock()
		answer := record.Body.Bytes()
		for _, write := range writes {
			if call == write {
				written[of] = time.Now()
			}
		}
		if call == operation {
			if last := written[of]; !last.IsZero() && time.Since(last) < after && before[of] != nil {
				answer = before[of]
			} else {
				before[of] = answer
			}
		}
		for name, values := range record.Header() {
			if name != "Content-Length" && name != "X-Amz-Crc32" {
				w.Header()[name] = values
			}
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(record.Code)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
}

// What is shown as it was before a change is no answer about the change, until AWS has had its time.
func TestWhatIsShownAsItWasIsLookedAtAgain(t *testing.T) {
	const soon = 500 * time.Millisecond
	for name, of := range map[string]struct {
		question, operation, write string
		behavior                   localaws.Behavior
		want                       conformance.Answer
	}{
		"the keys of a version, after a re-key": {"secretsmanager.rekeyed.listed", "ListSecretVersionIds", "UpdateSecret", localaws.Behavior{}, conformance.NewFirst},
		"those of a custom label":               {"secretsmanager.rekey.custom-label", "ListSecretVersionIds", "UpdateSecret", localaws.Behavior{TakeCustomLabels: true}, conformance.Reencrypted},
		"a replica's key":                       {"secretsmanager.replica.own-key", "DescribeSecret", "UpdateSecret", localaws.Behavior{}, "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, localaws.Options{Seed: 1, Behavior: of.behavior})
			l.answersLater(t, of.operation, soon, of.write)
			if r := l.ask(t, of.question)[0]; r.Answer != of.want {
				t.Errorf("%s %q (%s %s), want %q", r.Verdict, r.Answer, r.Reason, r.Detail, of.want)
			}
		})
	}
}

// usesLater has a local AWS know of no use of a key until some time after the first.
func (l *local) usesLater(t testing.TB, after time.Duration) {
	t.Helper()
	var first time.Time
	l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
		if first.IsZero() && c.Operation == "GetSecretValue" {
			first = time.Now()
		}
		l.Options.Behavior.NoTrailingDays = time.Since(first) < after
		return nil
	}
	l.rewrites(t, "GetKeyLastUsage", func(answer []byte) ([]byte, error) {
		var shown map[string]json.RawMessage
		if err := json.Unmarshal(answer, &shown); err != nil {
			return nil, err
		}
		l.Lock()
		defer l.Unlock()
		if l.Options.Behavior.NoTrailingDays {
			delete(shown, "KeyLastUsage")
		}
		return json.Marshal(shown)
	})
}

// That a key can be disabled says nothing of keys in use for as long as KMS does not know that it is.
func TestAKeyIsInUseWhenItsUseIsShown(t *testing.T) {
	for name, of := range map[string]struct {
		after  time.Duration
		want   conformance.Answer
		reason conformance.Reason
	}{
		"the use is shown late":  {700 * time.Millisecond, conformance.Refused, ""},
		"the use is never shown": {time.Hour, "", conformance.NotShown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			l.usesLater(t, of.after)
			if r := l.ask(t, "kms.trailing-days")[0]; r.Answer != of.want || r.Reason != of.reason {
				t.Errorf("%s %q (%s %s), want %q %s", r.Verdict, r.Answer, r.Reason, r.Detail, of.want, of.reason)
			}
		})
	}
}

// Only what AWS itself answered is AWS's answer.
func TestAReportSaysWhatAWSAnswered(t *testing.T) {
	q, _ := conformance.Find(conformance.ChoiceNamed)
	whole := conformance.Report{Against: conformance.AWS, Partition: "aws", Started: time.Now(), Results: []conformance.Result{
		{Question: q.ID, Title: q.Title, Row: q.Row, Assumed: q.Assumed, Answer: conformance.Passes, Verdict: conformance.Differs}}}
	for name, tt := range map[string]struct {
		change   func(*conformance.Report)
		answered bool
	}{
		"a run against AWS":                     {func(*conformance.Report) {}, true},
		"a run against a stand-in":              {func(r *conformance.Report) { r.Against = "localaws" }, false},
		"a run in another part of AWS":          {func(r *conformance.Report) { r.Partition = "aws-cn" }, false},
		"a run of which nobody says where":      {func(r *conformance.Report) { r.Partition = "" }, false},
		"a question that was not answered":      {func(r *conformance.Report) { r.Results[0].Verdict = conformance.Unanswered }, false},
		"one that the local AWS did not follow": {func(r *conformance.Report) { r.Results[0].Verdict = conformance.NotFollowed }, false},
		"an answer that nobody knows":           {func(r *conformance.Report) { r.Results[0].Answer = "PASSES" }, false},
		"no such question":                      {func(r *conformance.Report) { r.Results = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := whole
			r.Results = append([]conformance.Result{}, whole.Results...)
			tt.change(&r)
			if answer, why, _ := r.Said(conformance.ChoiceNamed, "aws", time.Now()); (answer != "") != tt.answered || (why == "") != tt.answered {
				t.Errorf("%q, %q", answer, why)
			}
		})
	}
}

// CloudTrail that shows less later than it did before is no proof that something was not recorded.
func TestWhatCloudTrailShowsNoMoreIsNoAbsence(t *testing.T) {
	withoutKMS := func(events []map[string]any) []map[string]any {
		return slices.DeleteFunc(events, func(e map[string]any) bool {
			return strings.Contains(e["CloudTrailEvent"].(string), `"eventSource":"kms.amazonaws.com"`)
		})
	}
	for name, of := range map[string]struct {
		answer   func(look int, events []map[string]any) []map[string]any // look: of a session that has something, from 1
		question string
		want     conformance.Answer
		reason   conformance.Reason
	}{
		"nothing after the records of Secrets Manager": {func(look int, events []map[string]any) []map[string]any {
			if look > 1 {
				return nil
			}
			return withoutKMS(events)
		}, "kms.validation.recorded", "", conformance.NotShown},
		"nothing after all of it": {func(look int, events []map[string]any) []map[string]any {
			if look > 1 {
				return nil
			}
			return events
		}, "kms.validation.recorded", "", conformance.NotShown},
		"all of it, and then a part": {func(look int, events []map[string]any) []map[string]any {
			if look > 1 {
				return withoutKMS(events)
			}
			return events
		}, "kms.validation.recorded", "both", ""},
		"a part, and then all of it": {func(look int, events []map[string]any) []map[string]any {
			if look > 1 {
				return events
			}
			return withoutKMS(events)
		}, "kms.validation.recorded", "both", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			var mu sync.Mutex
			looks := map[string]int{}
			l.rewrites(t, "LookupEvents", func(answer []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				var page struct{ Events []map[string]any }
				if err := json.Unmarshal(answer, &page); err != nil || len(page.Events) == 0 {
					return answer, err
				}
				who, _ := page.Events[0]["Username"].(string)
				looks[who]++
				return json.Marshal(map[string]any{"Events": of.answer(looks[who], page.Events)})
			})
			if r := l.ask(t, of.question)[0]; r.Answer != of.want || r.Reason != of.reason {
				t.Errorf("%s %q (%s %s), want %q %s", r.Verdict, r.Answer, r.Reason, r.Detail, of.want, of.reason)
			}
		})
	}
}

// That CloudTrail lists no Decrypt of a validation is an answer only where it lists the Decrypt of a read.
func TestACallToKMSThatIsNotListedIsAnAbsenceOnlyBesideOneThatIs(t *testing.T) {
	for name, of := range map[string]struct {
		hidden func(event string) bool
		want   conformance.Answer
		reason conformance.Reason
	}{
		"no Decrypt at all":      {func(e string) bool { return strings.Contains(e, `"eventName":"Decrypt"`) }, "", conformance.NotShown},
		"no event of KMS at all": {func(e string) bool { return strings.Contains(e, `"eventSource":"kms.amazonaws.com"`) }, "", conformance.NotShown},
		"none of the validation": {func(e string) bool { return strings.Contains(e, "RequestToValidateKeyAccess") }, "none", ""},
		"no Decrypt of it": {func(e string) bool {
			return strings.Contains(e, "RequestToValidateKeyAccess") && strings.Contains(e, `"eventName":"Decrypt"`)
		}, "generate-only", ""},
		"everything that is made": {func(string) bool { return false }, "both", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			l.rewrites(t, "LookupEvents", func(answer []byte) ([]byte, error) {
				var page struct{ Events []map[string]any }
				if err := json.Unmarshal(answer, &page); err != nil {
					return nil, err
				}
				return json.Marshal(map[string]any{"Events": slices.DeleteFunc(page.Events, func(e map[string]any) bool { return of.hidden(e["CloudTrailEvent"].(string)) })})
			})
			if r := l.ask(t, "kms.validation.recorded")[0]; r.Answer != of.want || r.Reason != of.reason {
				t.Errorf("%s %q (%s %s), want %q %s", r.Verdict, r.Answer, r.Reason, r.Detail, of.want, of.reason)
			}
		})
	}
}

// Where nobody is refused, no refusal can be recorded.
func TestNoRefusalIsNoRefusalThatIsNotRecorded(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1, Behavior: localaws.Behavior{NoSecondLock: true}})
	if r := l.ask(t, "secretsmanager.rekeyed.tried-first")[0]; r.Answer != "" || r.Reason != conformance.NotEvaluated {
		t.Errorf("%s %q (%s %s)", r.Verdict, r.Answer, r.Reason, r.Detail)
	}
}
