package cloud_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
)

const (
	hub     = "999988887777"
	member  = "111122223333"
	keyHome = "444455556666"
	region  = "eu-central-1"
	far     = "eu-west-1"
)

// answer is what the fake says to one call: a JSON or XML body, or an error.
type answer struct {
	status int    // 0 is 200
	code   string // error code, for status 400 and up
	body   any    // JSON value; a string is sent as it is
}

// asked is one call as the fake saw it.
type asked struct {
	operation string
	in        map[string]any
	key       string // access key id that signed it
	region    string // Region it was signed for
}

// fakeAWS answers calls by operation name from a script, so that a test can make AWS say what a real one rarely does.
type fakeAWS struct {
	mu    sync.Mutex
	calls []asked
	on    map[string]func(asked) answer
}

func newFake() *fakeAWS {
	f := &fakeAWS{on: map[string]func(asked) answer{}}
	f.on["AssumeRole"] = func(a asked) answer { return assumed(a.in["RoleArn"].(string), time.Now().Add(time.Hour)) }
	f.on["GetCallerIdentity"] = func(asked) answer {
		return answer{body: `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::` + hub + `:assumed-role/hub/doublelock-detect</Arn><UserId>AROA</UserId><Account>` + hub + `</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`}
	}
	return f
}

// assumed makes credentials whose access key id is the role's ARN, so that calls show who made them.
func assumed(roleARN string, until time.Time) answer {
	return answer{body: fmt.Sprintf(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		strings.ReplaceAll(roleARN, "/", "."), until.UTC().Format(time.RFC3339))}
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a := asked{in: map[string]any{}}
	query := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if query {
		form, _ := url.ParseQuery(string(body))
		for name := range form {
			a.in[name] = form.Get(name)
		}
		a.operation = form.Get("Action")
	} else {
		_, a.operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		_ = json.Unmarshal(body, &a.in)
	}
	if _, scope, found := strings.Cut(r.Header.Get("Authorization"), "Credential="); found {
		parts := strings.Split(scope, "/")
		a.key, a.region = parts[0], parts[2]
	}
	f.mu.Lock()
	f.calls = append(f.calls, a)
	reply := f.on[a.operation]
	f.mu.Unlock()
	if reply == nil {
		write(w, query, answer{status: 400, code: "UnknownOperationException"})
		return
	}
	write(w, query, reply(a))
}

func write(w http.ResponseWriter, query bool, a answer) {
	if a.code != "" {
		if a.status == 0 {
			a.status = 400
		}
		w.WriteHeader(a.status)
		if query {
			fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>AWS says %s</Message></Error></ErrorResponse>`, a.code, a.code)
			return
		}
		fmt.Fprintf(w, `{"__type":%q,"message":"AWS says %s"}`, a.code, a.code)
		return
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if s, isString := a.body.(string); isString {
		_, _ = io.WriteString(w, s)
		return
	}
	if a.body == nil {
		a.body = map[string]any{}
	}
	_ = json.NewEncoder(w).Encode(a.body)
}

func (f *fakeAWS) made(operation string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var calls []asked
	for _, c := range f.calls {
		if c.operation == operation {
			calls = append(calls, c)
		}
	}
	return calls
}

// open starts the fake and a Cloud in front of it, as the hub's detect function would have it.
func (f *fakeAWS) open(t testing.TB, change func(*cloud.Options)) *cloud.Cloud {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	o := cloud.Options{
		Region: region, Endpoint: server.URL, HubAccount: hub, AssumeRoles: true, Session: "detect",
		Credentials: &cloud.Static{AccessKeyID: "HUB", SecretAccessKey: "s", SessionToken: "t"},
		MaxBackoff:  time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	c, err := cloud.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
