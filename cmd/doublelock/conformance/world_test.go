package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Before anything is made it is asked whose credentials there are: what goes wrong then is one line that says what to do.
func TestCredentialsThatDoNotWorkAreOneLineWithWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct{ code, want string }{
		"they have expired":   {"ExpiredToken", "does not accept the credentials (ExpiredToken); sign in again"},
		"they are not known":  {"InvalidClientTokenId", "does not accept the credentials (InvalidClientTokenId); sign in again"},
		"nobody answers":      {"", "does not answer; check the network, its proxy and AWS_ENDPOINT_URL"},
		"there are none":      {"none", "no AWS credentials were found; sign in"},
		"they are of a rogue": {"SignatureDoesNotMatch", "does not accept the credentials (SignatureDoesNotMatch); sign in again"},
	} {
		for _, more := range [][]string{nil, {"--cleanup"}} {
			t.Run(name+strings.Join(more, ""), func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusForbidden)
					_, _ = w.Write([]byte("<ErrorResponse><Error><Type>Sender</Type><Code>" + tt.code + "</Code><Message>m</Message></Error></ErrorResponse>"))
				}))
				defer server.Close()
				if tt.code == "" {
					server.Close()
				}
				home := t.TempDir()
				for key, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
					"XDG_CACHE_HOME": home, "HOME": home, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": filepath.Join(home, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "none")} {
					t.Setenv(key, value)
				}
				if tt.code == "none" {
					_ = os.Unsetenv("AWS_ACCESS_KEY_ID") // t.Setenv puts it back
					_ = os.Unsetenv("AWS_SECRET_ACCESS_KEY")
				}
				stdout, stderr, code := run(t, append([]string{"--yes", "--region", region}, more...)...)
				if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "doublelock: conformance: who am I: ") || !strings.Contains(stderr, tt.want) {
					t.Errorf("exit code %d: %s%s", code, stdout, stderr)
				}
			})
		}
	}
}
