package audit_test

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/audit"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// playedOrganization is the demo's organization after its story, on its own clock.
func playedOrganization(t *testing.T) *local.Organization {
	t.Helper()
	env := &command.Env{Printer: output.New(io.Discard, io.Discard, os.Getenv)}
	w, stop, err := demo.Play(t.Context(), env, local.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return w
}

// runCommand runs the command line in this process.
func runCommand(t *testing.T, w *local.Organization, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return commandtest.Line{New: audit.New, Now: w.Clock.Now}.Run(t, args...)
}

func TestAuditShowsTheStateOfEverySecret(t *testing.T) {
	w := playedOrganization(t)
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	out, summary, code := runCommand(t, w, "audit", "--region", "us-east-1", "--region", "eu-west-1")
	want := `STATE    SECRET           REGION     CONTROLS     WHY
default  legacy/agent     us-east-1  DL.SECRET.1  opens with the AWS managed key, which the organization cannot switch off
default  search/index     us-east-1  DL.SECRET.1  opens with the AWS managed key, which the organization cannot switch off
dual     search/tokens    us-east-1  DL.SECRET.3  opens with the AWS managed key in eu-west-1
foreign  rds!db-2f9a4c1e  us-east-1  DL.SECRET.6  owned by rds, which keeps it under the AWS managed key
sealed   search/cache     eu-west-1  -            every control passes
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if want := "5 secrets in account 444444444444: 2 default, 1 dual, 1 sealed, 0 drifted, 1 foreign, 0 unknown\n"; summary != want {
		t.Errorf("summary %q, want %q", summary, want)
	}
	if code != command.Findings {
		t.Errorf("exit code %d, want %d", code, command.Findings)
	}
}

// The primary answers for its replicas, and it is not among what an audit of another Region inspects.
func TestAuditDoesNotPassOverAReplicaWhosePrimaryIsElsewhere(t *testing.T) {
	w := playedOrganization(t)
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	out, summary, code := runCommand(t, w, "audit", "--region", "eu-west-1")
	want := `STATE    SECRET         REGION     CONTROLS     WHY
default  search/tokens  eu-west-1  DL.SECRET.3  opens with the AWS managed key in eu-west-1
sealed   search/cache   eu-west-1  -            every control passes
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if code != command.Findings {
		t.Errorf("exit code %d, want %d; %s", code, command.Findings, summary)
	}
}

func TestAuditCallsUnknownWhatItMayNotRead(t *testing.T) {
	w := playedOrganization(t)
	w.AWS.AddRole(local.Search, "Lister", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:ListSecrets"],"Resource":"*"}]}`)
	localtest.ActAs(t, w, local.Search, "role/Lister/you")
	out, errs, code := runCommand(t, w, "audit")
	if strings.Count(out, "unknown ") != 3 || !strings.Contains(out, "DL.SECRET.6?") || strings.Contains(out, "sealed ") {
		t.Errorf("audit without the right to describe:\n%s", out)
	}
	if code != command.Findings || !strings.Contains(errs, "could not read:") {
		t.Errorf("exit code %d, errors:\n%s", code, errs)
	}
}

func TestAuditSaysThatAWSDoesNotAnswer(t *testing.T) {
	w := playedOrganization(t)
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	gone := httptest.NewServer(nil)
	gone.Close()
	t.Setenv("AWS_ENDPOINT_URL", gone.URL)
	_, errs, code := runCommand(t, w, "audit")
	want := "doublelock: audit: who am I: AWS STS at " + gone.URL + " does not answer; check the network, its proxy and AWS_ENDPOINT_URL\n"
	if code != command.Failure || !strings.HasSuffix(errs, want) {
		t.Errorf("exit code %d, %s, want %s", code, errs, want)
	}
}

func TestAuditWithoutRegionOrCredentialsSaysWhatToDo(t *testing.T) {
	w := playedOrganization(t)
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	at := os.Getenv("AWS_ENDPOINT_URL")
	want := "doublelock: audit: who am I: AWS at " + at + " does not accept the credentials (InvalidClientTokenId); sign in again, or name another profile in AWS_PROFILE\n"
	if _, errs, code := runCommand(t, w, "audit"); code != command.Failure || errs != want {
		t.Errorf("with wrong credentials: exit code %d, %s, want %s", code, errs, want)
	}
	for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(variable, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	want = "doublelock: audit: who am I: no AWS credentials were found; sign in with aws sso login or aws configure, or name a profile in AWS_PROFILE (aws sts get-caller-identity tries the same ones)\n"
	if _, errs, code := runCommand(t, w, "audit"); code != command.Failure || errs != want {
		t.Errorf("without credentials: exit code %d, %s, want %s", code, errs, want)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, errs, code := runCommand(t, w, "audit"); code != command.Failure || errs != "doublelock: audit: no Region; use --region eu-central-1 or set AWS_REGION\n" {
		t.Errorf("without a Region: exit code %d, %s", code, errs)
	}
}
