package strangers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
)

const (
	home       = "us-east-1"
	other      = "eu-west-1"
	management = "100000000001" // every account id that ministack makes is random; it takes any for the one that asks
)

// world is an organization in ministack, and a project folder whose configuration names it.
type world struct {
	*emulator
	organization, rootID string
	security             string   // the hub's account
	notified             string   // account in mode notify, which the SCPs bind
	fixed                string   // account in mode remediate
	project              string   // folder with cdk.json, doublelock.yaml and dist/
	assembly             string   // what the app synthesizes
	hub                  template // as it was deployed last
}

// organize makes the organization, as a management account does.
func organize(t *testing.T, e *emulator) *world {
	t.Helper()
	w := &world{emulator: e}
	client := organizations.NewFromConfig(w.as(management, home))
	about := must(client.DescribeOrganization(w.alive, &organizations.DescribeOrganizationInput{}))(t) // it is there as soon as somebody asks
	w.organization = *about.Organization.Id
	w.rootID = *must(client.ListRoots(w.alive, &organizations.ListRootsInput{}))(t).Roots[0].Id
	unit := func(name string) string {
		out := must(client.CreateOrganizationalUnit(w.alive, &organizations.CreateOrganizationalUnitInput{ParentId: &w.rootID, Name: &name}))(t)
		id := *out.OrganizationalUnit.Id
		// AWS attaches it to each new OU by itself; without it nothing below is allowed anything. (Refused as a duplicate
		// as soon as ministack does so too.)
		must(client.AttachPolicy(w.alive, &organizations.AttachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: &id}))(t)
		return id
	}
	account := func(name, parent string) string {
		out := must(client.CreateAccount(w.alive, &organizations.CreateAccountInput{AccountName: &name, Email: aws.String(name + "@example.com")}))(t)
		id := *out.CreateAccountStatus.AccountId
		if parent != w.rootID {
			must(client.MoveAccount(w.alive, &organizations.MoveAccountInput{AccountId: &id, SourceParentId: &w.rootID, DestinationParentId: &parent}))(t)
		}
		return id
	}
	w.security, w.notified, w.fixed = account("security", w.rootID), account("shop", unit("notified")), account("payments", unit("fixed"))
	return w
}

// configuration is doublelock.yaml of this organization.
func (w *world) configuration() string {
	return fmt.Sprintf(`organization:
  id: %s
  rootId: %s
  managementAccount: "%s"
  securityAccount: "%s"
regions:
  home: %s
  guarded: [%s, %s]
rollout:
  - {name: notified, targets: ["%s"], mode: notify, scp: true}
  - {name: fixed, targets: ["%s"], mode: remediate}
keys:
  createPerAccount: true
owners:
  tags: [Owner]
  fallback: security-team
  slackWorkspaceId: T0123456789
  channels:
    security-team: {email: security@example.com, slackChannel: C0123456789}
    team-shop: {email: shop@example.com}
    team-payments: {email: payments@example.com}
waivers:
  - control: DL.SECRET.1
    resource: arn:aws:secretsmanager:%s:%s:secret:legacy/*
    by: ciso@example.com
    reason: The vendor's agent reads it across accounts.
    expires: 2099-12-31
operations:
  email: platform@example.com
`, w.organization, w.rootID, management, w.security, home, home, other, w.notified, w.fixed, home, w.notified)
}

// synthesize runs the app on the configuration, with the functions built for this machine's architecture.
func (w *world) synthesize(t *testing.T) {
	t.Helper()
	w.project = t.TempDir()
	w.assembly = filepath.Join(w.project, "cdk.out")
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	built := build(t)
	for name, folder := range map[string]string{"cdk.json": repository, "handlers": repository, "node_modules": repository, "dist": built} {
		if err := os.Symlink(filepath.Join(folder, name), filepath.Join(w.project, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(w.project, "doublelock.yaml"), w.configuration())
	w.run(t, []string{"CDK_OUTDIR=" + w.assembly, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20"}, filepath.Join(built, "app"))
}

func (w *world) run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	return w.runIn(t, w.project, env, name, args...)
}

// runIn runs a program to its end and returns what it printed.
func (w *world) runIn(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(w.alive, name, args...)
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }) // nobody's real account
	cmd.Dir, cmd.Env = dir, slices.Concat(own, env)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// templates reads what was synthesized, by stack.
func (w *world) templates(t *testing.T) map[string]template {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.assembly, "*.template.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find templates: %v, found %d", err, len(files))
	}
	all := map[string]template{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), ".template.json")] = decode[template](t, read(t, file))
	}
	return all
}

// as is how somebody with all rights in an account calls AWS: ministack takes an account's id as its root's access key.
func (w *world) as(account, region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &w.endpoint, Credentials: credentials.NewStaticCredentialsProvider(account, "test", ""),
		HTTPClient: w.client, RetryMaxAttempts: 2}
}

// must unwraps the answer to a call that has to succeed.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// patience is how long something may take that happens behind queues: a schedule comes once a minute.
const patience = 100 * time.Second

// eventually waits for something that happens behind queues.
func (w *world) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.alive, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decode[T any](t *testing.T, raw []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("read %.80s: %v", raw, err)
	}
	return v
}

// zipped is a folder as Lambda takes code.
func zipped(t *testing.T, folder string) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if err := w.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}
