package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	command "github.com/doublelock/doublelock/cmd/doublelock/conformance"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
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

// A stand-in may be named by a variable of one service, by a profile, or by a section of services. A run sees each: it asks the
// stand-in for everything and says so, or asks nobody.
func TestAnEndpointThatVariablesOrAProfileNameIsNotTakenForAWS(t *testing.T) {
	services := []string{"CLOUDFORMATION", "CLOUDTRAIL", "EVENTBRIDGE", "IAM", "KMS", "LAMBDA", "ORGANIZATIONS", "SCHEDULER", "SECRETS_MANAGER", "SQS", "STS"}
	variables := func(names ...string) func(string) (map[string]string, string) {
		return func(url string) (map[string]string, string) {
			env := map[string]string{}
			for _, name := range names {
				env["AWS_ENDPOINT_URL_"+name] = url
			}
			return env, ""
		}
	}
	section := func(names ...string) func(string) (map[string]string, string) {
		return func(url string) (map[string]string, string) {
			text := "[profile svc]\nservices = here\n[services here]\n"
			for _, name := range names {
				text += strings.ToLower(name) + " =\n  endpoint_url = " + url + "\n"
			}
			return map[string]string{"AWS_PROFILE": "svc"}, text
		}
	}
	for name, tt := range map[string]struct {
		configure func(url string) (env map[string]string, config string)
		refused   string
	}{
		"a variable for every service": {variables(services...), ""},
		"a variable for one service":   {variables("KMS"), ", and KMS at http://127.0.0.1:"},
		"a variable for CloudTrail":    {variables("CLOUDTRAIL"), ", and CloudTrail at http://127.0.0.1:"},
		"variables for all but one":    {variables(services[:10]...), "and STS at AWS"},
		"the endpoint of a profile": {func(url string) (map[string]string, string) {
			return map[string]string{"AWS_PROFILE": "ep"}, "[profile ep]\nendpoint_url = " + url + "\n"
		}, ""},
		"a section of every service": {section(services...), ""},
		"a section of two services":  {section("KMS", "SECRETS_MANAGER"), "a run asks AWS for everything, or one stand-in"},
		"two stand-ins for two services": {func(url string) (map[string]string, string) {
			return map[string]string{"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9"}, ""
		}, "SQS at http://127.0.0.1:9"},
	} {
		t.Run(name, func(t *testing.T) {
			sandboxAccount(t, account)
			env, config := tt.configure(os.Getenv("AWS_ENDPOINT_URL"))
			_ = os.Unsetenv("AWS_ENDPOINT_URL") // sandboxAccount puts it back
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", file)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			for key, value := range env {
				t.Setenv(key, value)
			}
			stdout, stderr, code := run(t, "--yes", "--question", "kms.layer.create", "--report", "-", "-o", "json")
			if tt.refused != "" {
				if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.refused) {
					t.Errorf("exit code %d: %s%s", code, stdout, stderr)
				}
				return
			}
			if code != 0 || !strings.Contains(stdout, `"against": "a stand-in for AWS"`) || strings.Contains(stderr, "send the report in") {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// AWS_IGNORE_CONFIGURED_ENDPOINT_URLS asks AWS itself, whatever other variables and the profile name.
func TestIgnoredEndpointsAreNotAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	const other = "http://127.0.0.1:9"
	for name, of := range map[string]struct {
		config string
		env    map[string]string
	}{
		"of every service":        {"", map[string]string{"AWS_ENDPOINT_URL": other, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}},
		"of one service":          {"", map[string]string{"AWS_ENDPOINT_URL_KMS": other, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}},
		"of a profile":            {"[default]\nendpoint_url = " + other + "\n", map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}},
		"where a profile says so": {"[default]\nignore_configured_endpoint_urls = true\n", map[string]string{"AWS_ENDPOINT_URL": other}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(of.config), 0o600); err != nil {
				t.Fatal(err)
			}
			for key, value := range of.env {
				t.Setenv(key, value)
			}
			c, err := command.OpenConfigured(t.Context(), os.Getenv, "us-east-1")
			if err != nil {
				t.Fatal(err)
			}
			if endpoint := c.Options().Endpoint; endpoint != "" {
				t.Errorf("asked at %s", endpoint)
			}
			if o := cloud.FromEnv(os.Getenv); o.Endpoint != "" && of.env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] != "" {
				t.Errorf("other commands ask at %s", o.Endpoint)
			}
		})
	}
}

// AWS's own endpoints are no stand-in, in every form that the SDK has for them.
func TestTheEndpointsOfAWSItselfAreNoStandIn(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	for _, variable := range []string{"AWS_REGION", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		for _, region := range []string{"us-east-1", "cn-north-1"} {
			t.Run(variable+" "+region, func(t *testing.T) {
				t.Setenv(variable, map[bool]string{true: region, false: "true"}[variable == "AWS_REGION"])
				c, err := profile.Open(t.Context(), cloud.Options{Region: region})
				if err != nil {
					t.Fatal(err)
				}
				if endpoint, err := sandbox.Endpoint(t.Context(), c, region); endpoint != "" || err != nil {
					t.Errorf("%q, %v", endpoint, err)
				}
			})
		}
	}
}
