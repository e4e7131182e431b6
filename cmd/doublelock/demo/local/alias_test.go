package local_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
	"github.com/doublelock/doublelock/shared/guard"
)

// shellOf pastes lines into a shell in which the real aws CLI is an engineer of the demo, and lets what follows run its course.
func shellOf(t *testing.T, w *local.Organization, profile string) func(lines ...string) string {
	t.Helper()
	cli, folder := awsclitest.Find(t), localtest.Profiles(t, w)
	env := append(os.Environ(), "PATH="+filepath.Dir(cli)+string(os.PathListSeparator)+os.Getenv("PATH"), "AWS_PROFILE="+profile, "AWS_ENDPOINT_URL="+w.URL, "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=text",
		"AWS_CONFIG_FILE="+filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
	return func(lines ...string) string {
		t.Helper()
		out, err := awsclitest.Paste(t.Context(), folder, env, lines...)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Minute)
		return strings.TrimSpace(out)
	}
}

// openOn lists the open findings of a secret that no key approves, with what they say.
func openOn(t *testing.T, w *local.Organization, secret string) []string {
	t.Helper()
	rec, err := w.Records.Load(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, f := range rec.Open() {
		if f.Control != guard.SecretKeyUnapproved {
			open = append(open, string(f.Control)+": "+f.Describe())
		}
	}
	return open
}

// An alias is pointed at another key, a value is written, and the alias is pointed back. Nothing that the secret names has changed,
// and its value opens with the other key alone: whatever becomes of that key, or of the alias, leads to the secret.
func TestTheStoryOfAnAliasByTheRealCLI(t *testing.T) {
	w := localtest.New(t)
	sh := shellOf(t, w, "sandbox")
	a := sh(`aws kms create-key --query KeyMetadata.Arn`)
	b := sh(`aws kms create-key --query KeyMetadata.Arn`)
	secret := sh(`aws kms create-alias --alias-name alias/shop --target-key-id `+a,
		`aws secretsmanager create-secret --name try/alias --secret-string one --kms-key-id alias/shop --query ARN`)
	if diff := cmp.Diff([]string(nil), openOn(t, w, secret)); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	sh(`aws kms update-alias --alias-name alias/shop --target-key-id `+b,
		`aws secretsmanager put-secret-value --secret-id try/alias --secret-string two`,
		`aws kms update-alias --alias-name alias/shop --target-key-id `+a)
	rec, err := w.Records.Load(t.Context(), secret)
	if err != nil || rec.Held.Key != a || !cmp.Equal(rec.Held.Versions[0], guard.HeldVersion{Stages: []string{"AWSCURRENT"}, Keys: []string{b}}) {
		t.Errorf("recorded %+v, %v", rec.Held, err)
	}
	mails := len(w.AWS.Mailbox())
	sh(`aws kms disable-key --key-id ` + b)
	if read := sh(`aws secretsmanager get-secret-value --secret-id try/alias 2>&1 | grep -o DecryptionFailure`); read != "DecryptionFailure" {
		t.Errorf("the value reads: %s", read)
	}
	found := strings.Join(openOn(t, w, secret), "\n")
	if !strings.Contains(found, "DL.SECRET.4") || !strings.Contains(found, b) {
		t.Errorf("the key of its value is disabled, and open is: %s", found)
	}
	incident := false
	for _, m := range w.AWS.Mailbox()[mails:] {
		incident = incident || strings.Contains(m.Body, "try/alias") && strings.Contains(m.Body, "no sweep of account")
	}
	if !incident {
		t.Error("no mail of an incident that names the secret, and says how far the index reaches")
	}
	sh(`aws kms enable-key --key-id ` + b)
	if left := openOn(t, w, secret); strings.Contains(strings.Join(left, " "), "DL.SECRET.4") {
		t.Errorf("the key is back, and open is %v", left)
	}

	sh(`aws kms delete-alias --alias-name alias/shop`)
	if found = strings.Join(openOn(t, w, secret), "\n"); !strings.Contains(found, "DL.SECRET.4") {
		t.Errorf("its alias is gone, and open is: %s", found)
	}
	if read := sh(`aws secretsmanager get-secret-value --secret-id try/alias --query SecretString`); read != "two" {
		t.Errorf("the value that is there reads %q: an alias opens nothing", read)
	}
	sh(`aws kms create-alias --alias-name alias/shop --target-key-id ` + b)
	if left := openOn(t, w, secret); strings.Contains(strings.Join(left, " "), "DL.SECRET.4") {
		t.Errorf("the alias is back, and open is %v", left)
	}
	if rec, err = w.Records.Load(t.Context(), secret); err != nil || rec.Held.Key != b {
		t.Errorf("recorded %+v, %v", rec.Held, err)
	}

	// "No secret is under the key" is said only when a sweep has looked at all of the account and Region.
	none := sh(`aws kms create-key --query KeyMetadata.Arn`)
	said := func(do string) (incidents int) {
		t.Helper()
		before := len(w.AWS.Mailbox())
		sh(do + none)
		for _, m := range w.AWS.Mailbox()[before:] {
			if m.Protocol == "email" && strings.Contains(m.Body, strings.TrimPrefix(none[strings.LastIndex(none, "/"):], "/")) {
				incidents++
			}
		}
		return incidents
	}
	if said(`aws kms disable-key --key-id `) == 0 {
		t.Error("no sweep has ended, and nobody is notified of a key that is disabled")
	}
	said(`aws kms enable-key --key-id `)
	if err := w.Schedule(t.Context(), "sweep", "sweep"); err != nil {
		t.Fatal(err)
	}
	if n := said(`aws kms disable-key --key-id `); n > 0 {
		t.Errorf("%d mails of a key with no secret, after a full sweep", n)
	}
}
