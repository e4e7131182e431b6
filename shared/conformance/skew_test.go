package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/conformance"
)

// Events that are not shown may have been looked for at the wrong time: where the clocks differ, that is said.
func TestAClockThatIsNotAWSsIsNamedWhereNoEventIsShown(t *testing.T) {
	for want, skew := range map[string]time.Duration{"ahead of AWS's": -3 * time.Minute, "behind AWS's": 3 * time.Minute, "": 0} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			l := startPlain(t)
			l.rewrites(t, "LookupEvents", func([]byte) ([]byte, error) { return []byte(`{"Events":[]}`), nil })
			to, err := url.Parse(l.url)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(to)
			proxy.ModifyResponse = func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
				return nil
			}
			server := httptest.NewServer(proxy)
			t.Cleanup(server.Close)
			l.url = server.URL
			r := l.ask(t, "secretsmanager.empty-key.recorded")[0]
			if r.Reason != conformance.NotShown || !strings.Contains(r.Detail, want) || want == "" && strings.Contains(r.Detail, "clock") {
				t.Errorf("%s: %s", r.Reason, r.Detail)
			}
		})
	}
}
