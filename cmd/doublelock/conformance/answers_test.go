package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What was answered is in a file before the next answer comes, and a cleanup prints what a killed run left there, once.
func TestARunThatIsKilledLosesNoAnswerThatItHad(t *testing.T) {
	_, cache := sandboxAccount(t, account)
	folder := filepath.Join(cache, "doublelock", "conformance")
	to, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	left := map[string][]byte{} // the files of the run while it waits for its second answer
	var once sync.Once
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateSecret") {
			once.Do(func() {
				for end := time.Now().Add(time.Minute); time.Now().Before(end) && len(left) < 2; time.Sleep(10 * time.Millisecond) {
					clear(left)
					for _, file := range states(t, cache) {
						if text, err := os.ReadFile(file); err == nil && (strings.HasSuffix(file, ".json") || strings.HasSuffix(file, ".answers")) {
							left[file] = text
						}
					}
				}
			})
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	stdout, stderr, code := run(t, "--yes", "--question", "kms.layer.create", "--question", "kms.layer.empty-key", "-o", "json")
	if code != 0 || strings.Count(stdout, "\n") != 2 || !strings.HasPrefix(stdout, `{"question":"kms.layer.create"`) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if files := states(t, cache); len(files) > 0 {
		t.Errorf("a run that ended left %v", files)
	}
	if len(left) != 2 {
		t.Fatalf("the run had %d files", len(left))
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range left {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"kms.layer.create", ""} {
		stdout, stderr, code := run(t, "--cleanup", "--yes")
		if code != 0 || (want == "") != (stdout == "") || !strings.Contains(stdout, want) || strings.Contains(stdout, "kms.layer.empty-key") {
			t.Errorf("exit code %d: %s%s", code, stdout, stderr)
		}
	}
	if files := states(t, cache); len(files) > 0 {
		t.Errorf("a cleanup left %v", files)
	}
}
