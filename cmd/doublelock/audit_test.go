package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// playedWorld is the demo's world after its story, on its own clock.
func playedWorld(t *testing.T) *world {
	t.Helper()
	env := &environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: time.Now, output: "json"}
	c := newClock()
	r := newReporter(newTimeline(env, c.Now, accountNames()))
	w, stop, err := newWorld(t.Context(), 1, c, c.Now, r.watcher())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if err := play(t.Context(), w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

// actAs makes the process somebody of an account, as a shell with exported credentials would.
func actAs(t *testing.T, w *world, account, principal string) {
	t.Helper()
	keys, err := w.aws.Principal(account, principal)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL", w.url)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

// runCommand runs the command line in this process.
func runCommand(t *testing.T, w *world, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: w.now}
	root := rootCommand(env)
	root.SetArgs(args)
	code = exitCode(env, root.ExecuteContext(t.Context()))
	return out.String(), errs.String(), code
}

func TestAuditTellsTheStateOfEverySecret(t *testing.T) {
	w := playedWorld(t)
	actAs(t, w, search, "role/Engineer/you")
	out, summary, code := runCommand(t, w, "audit", "--region", "us-east-1", "--region", "eu-west-1")
	want := `STATE    SECRET           REGION     CONTROLS     WHY
default  legacy/agent     us-east-1  DL.SECRET.1  opens with the AWS managed key, which the organization cannot switch off
default  search/index     us-east-1  DL.SECRET.1  opens with the AWS managed key, which the organization cannot switch off
foreign  rds!db-2f9a4c1e  us-east-1  DL.SECRET.6  owned by rds, which keeps it under the AWS managed key
sealed   search/cache     eu-west-1  -            every control passes
sealed   search/tokens    us-east-1  DL.SECRET.3  opens with the AWS managed key in eu-west-1
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if want := "5 secrets in account 444444444444: 2 default, 0 dual, 2 sealed, 0 drifted, 1 foreign, 0 unknown\n"; summary != want {
		t.Errorf("summary %q, want %q", summary, want)
	}
	if code != exitFindings {
		t.Errorf("exit code %d, want %d", code, exitFindings)
	}
}

// The primary answers for its replicas, and it is not among what an audit of another Region looks at.
func TestAuditDoesNotPassOverAReplicaWhosePrimaryIsElsewhere(t *testing.T) {
	w := playedWorld(t)
	actAs(t, w, search, "role/Engineer/you")
	out, summary, code := runCommand(t, w, "audit", "--region", "eu-west-1")
	want := `STATE    SECRET         REGION     CONTROLS      WHY
default  search/tokens  eu-west-1  DL.SECRET.3?  a replica: its primary is in us-east-1, which was not looked at (--region us-east-1)
sealed   search/cache   eu-west-1  -             every control passes
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if code != exitFindings {
		t.Errorf("exit code %d, want %d; %s", code, exitFindings, summary)
	}
}

func TestAuditCallsUnknownWhatItMayNotRead(t *testing.T) {
	w := playedWorld(t)
	w.aws.AddRole(search, "Lister", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:ListSecrets"],"Resource":"*"}]}`)
	actAs(t, w, search, "role/Lister/you")
	out, errs, code := runCommand(t, w, "audit")
	if strings.Count(out, "unknown ") != 3 || !strings.Contains(out, "DL.SECRET.6?") || strings.Contains(out, "sealed ") {
		t.Errorf("audit without the right to describe:\n%s", out)
	}
	if code != exitFindings || !strings.Contains(errs, "could not read:") {
		t.Errorf("exit code %d, errors:\n%s", code, errs)
	}
}

func TestAuditWithoutRegionOrCredentialsSaysWhatToDo(t *testing.T) {
	w := playedWorld(t)
	actAs(t, w, search, "role/Engineer/you")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	if _, errs, code := runCommand(t, w, "audit"); code != exitFailure || !strings.Contains(errs, "who am I") {
		t.Errorf("with wrong credentials: exit code %d, %s", code, errs)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, errs, code := runCommand(t, w, "audit"); code != exitFailure || errs != "doublelock: audit: no Region; use --region us-east-1 or set AWS_REGION\n" {
		t.Errorf("without a Region: exit code %d, %s", code, errs)
	}
}
