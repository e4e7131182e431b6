package migrate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

// inWave makes a secret that belongs to a wave by its tag; without a wave it has no tag and moves last.
func (f *fixture) inWave(name, wave string) string {
	f.Helper()
	people, _, err := f.Workload(f.Context(), local.By("terraform", local.Search, f.Home()))
	if err != nil {
		f.Fatal(err)
	}
	made := secrets.NewSecret{Name: name, Tags: map[string]string{}}
	if wave != "" {
		made.Tags["env"] = wave
	}
	arn, err := people.Create(f.Context(), made)
	if err != nil {
		f.Fatal(err)
	}
	return arn
}

// stays holds a secret to the AWS managed key.
func (f *fixture) stays(arn, after string) {
	f.Helper()
	if s := f.describe(arn); s.Key.Manager != guard.ManagerAWS {
		f.Fatalf("%s is under %s after %s", s.Name, s.Key.ARN, after)
	}
}

// A secret of prod that a person set back is none that was begun: the canaries move alone, and it waits for its wave.
func TestASecretThatWasSetBackWaitsForItsWave(t *testing.T) {
	f := newFixture(t)
	prod := f.inWave("k/5", "")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", prod)
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.Clock.Advance(time.Minute)
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", prod, "--reason", "the app broke")
	f.Clock.Advance(11 * time.Minute)

	// The plan under which it was set back does not move it again, and says so.
	const stands = "it was set back (the app broke): plan it again"
	f.expect(0, "# k/5: no call now: "+stands, "migrate", "apply", f.file, "--dry-run")
	f.expect(0, stands, "migrate", "apply", f.file)
	f.stays(prod, "an apply of the plan that it was set back under")

	// No plan moves it as if it were a canary.
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", prod)
	f.expect(1, "is in wave canary; doublelock migrate show", "migrate", "apply", f.file, "--wave", "canary")
	f.stays(prod, "an apply of canaries, of which there are none")

	one, two := f.inWave("a/one", "canary"), f.inWave("a/two", "canary")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", one, "--secret", two, "--secret", prod)
	for _, args := range [][]string{{"--wave", "canary"}, nil} {
		apply := append([]string{"migrate", "apply", f.file}, args...)
		if out := f.expect(0, "--secret-id "+one, append(apply, "--dry-run")...); strings.Contains(out, prod) || strings.Contains(out, "k/5") {
			t.Errorf("%v: a call for the secret of prod:\n%s", apply, out)
		}
	}
	f.expect(2, "wave prod waits: 2 secrets are not past observing in wave canary", "migrate", "apply", f.file, "--wave", "prod")
	if out := f.expect(0, "observing", "migrate", "apply", f.file, "--wave", "canary", "--wave", "prod"); strings.Contains(out, "k/5") {
		t.Errorf("moved with the canaries:\n%s", out)
	}
	for range 3 {
		f.Clock.Advance(time.Hour)
		f.sweep()
		f.become("remediate")
		f.expect(0, "observing", "migrate", "apply", f.file)
		f.stays(prod, "the canaries observe")
	}
	f.Clock.Advance(24 * time.Hour)
	f.expect(0, "sealing", "migrate", "apply", f.file)
	f.expect(0, "observing", "migrate", "apply", f.file, "--wave", "prod") // its turn
	if s := f.describe(prod); s.Key.Manager != guard.ManagerCustomer {
		t.Errorf("not moved when it was its turn: %+v", s.Key)
	}
}

// A canary that another plan left at rest begins anew: the next wave waits for it as for the others.
func TestAWaveWaitsForACanaryThatBeginsAnew(t *testing.T) {
	f := newFixture(t)
	canary, prod := f.inWave("a/one", "canary"), f.inWave("k/5", "prod")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", canary)
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", canary, "--reason", "the app broke")
	f.Clock.Advance(11 * time.Minute)
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", canary, "--secret", prod)
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.stays(prod, "the canary began anew")
}

// A wave that is halted sets no more keys and seals nothing; what was begun in it is watched, and goes on when somebody says so.
func TestAHaltedWaveSealsNothingUntilItGoesOn(t *testing.T) {
	f := newFixture(t)
	one, two, dev := f.inWave("a/one", "canary"), f.inWave("a/two", "canary"), f.inWave("d/one", "dev")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", one, "--secret", two, "--secret", dev)
	f.expect(0, "observing", "migrate", "apply", f.file)
	f.Clock.Advance(time.Minute)
	f.expect(0, "rolled_back", "migrate", "rollback", "--secret", one, "--reason", "the app broke")
	f.Clock.Advance(30 * time.Hour)

	out := f.expect(2, "is halted", "migrate", "apply", f.file)
	if strings.Contains(out, "a/one  ") || strings.Contains(out, "d/one") || !strings.Contains(out, "a/two") || !strings.Contains(out, "sealing") {
		t.Errorf("applied: %s", out)
	}
	f.stays(one, "an apply of a halted wave")
	f.stays(dev, "an apply of a halted wave")
	if strings.Contains(out, "waiting for its owner") {
		t.Errorf("its owner is asked for a version that seals it: %s", out)
	}
	f.expect(0, "a/one", "migrate", "resume", "--wave", "canary", "--reason", "mended")
	f.expect(0, "waiting for its owner to write a new version", "migrate", "apply", f.file)
}
