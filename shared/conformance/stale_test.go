package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// rewrites stands before a local AWS and changes the answers of one operation.
func (l *local) rewrites(t testing.TB, operation string, change func(answer []byte) ([]byte, error)) {
	t.Helper()
	to, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), "."+operation) {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if body, err = change(body); err != nil {
			return err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		r.Header.Del("X-Amz-Crc32") // of the answer as it was
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	l.url = server.URL
}

// staleReplicas shows a replica as it was, for as long as it is in progress.
func (l *local) staleReplicas(t testing.TB, status string) {
	t.Helper()
	l.rewrites(t, "DescribeSecret", func(answer []byte) ([]byte, error) {
		return bytes.ReplaceAll(answer, []byte(`"InProgress"`), []byte(strconv.Quote(status))), nil
	})
}

// The status of a replica is shown by its primary, in another Region: what it was before a call is no answer to the call.
func TestAReplicaIsNotJudgedByTheStatusThatItHadBefore(t *testing.T) {
	const (
		writer, retried = "secretsmanager.replica.writer", "secretsmanager.replica.retried"
		soon, never     = 300 * time.Millisecond, time.Hour
	)
	follows := localaws.Behavior{ReplicaFollowsWriter: true}
	slow := map[string]struct { // the call of the question, after its control's, from which on replication is slow
		operation string
		from      int
	}{writer: {"PutSecretValue", 2}, retried: {"ReplicateSecretToRegions", 3}}
	for name, of := range map[string]struct {
		question string
		behavior localaws.Behavior
		stale    string
		takes    time.Duration
		want     conformance.Answer
		reason   conformance.Reason
	}{
		"in sync, and then failed":         {writer, localaws.Behavior{}, "InSync", soon, "fails-later", ""},
		"in sync, and in sync again":       {writer, follows, "InSync", soon, "follows", ""},
		"in sync, and it would fail later": {writer, localaws.Behavior{}, "InSync", never, "", conformance.NotShown},
		"in sync, and it would come later": {writer, follows, "InSync", never, "", conformance.NotShown},
		"failed, and then in sync":         {retried, localaws.Behavior{}, "Failed", soon, "tried", ""},
		"failed, and the retry never ends": {retried, localaws.Behavior{}, "Failed", never, "", conformance.Unexpected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, localaws.Options{Seed: 1, Behavior: of.behavior})
			calls := 0
			l.Options.Faults.Refuse = func(c *core.Call) error {
				if c.Operation == slow[of.question].operation {
					if calls++; calls >= slow[of.question].from {
						l.Options.Faults.Replication = of.takes
					}
				}
				return nil
			}
			l.staleReplicas(t, of.stale)
			if r := l.ask(t, of.question)[0]; r.Answer != of.want || r.Reason != of.reason {
				t.Errorf("%s %q (%s %s), want %q %s", r.Verdict, r.Answer, r.Reason, r.Detail, of.want, of.reason)
			}
		})
	}
}
