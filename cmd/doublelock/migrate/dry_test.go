package migrate_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// A dry run counts what an hour allows: what is made already, and what it would make itself, in the order of the plan.
func TestADryRunPrintsNoCallThatTheHoursBudgetDoesNotAllow(t *testing.T) {
	f := newFixture(t)
	one, two := f.secret("a/one"), f.secret("a/two")
	f.configure(func(r *settings.Runtime) { r.Limits = settings.Limits{ChangesPerHour: 9, ChangesPerAccountPerHour: 1} })
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", one, "--secret", two)
	const spent = "# a/two: no call now: waiting: the 1 changes that an hour allows are made (until 2026-09-01 10:00:00 UTC)"
	for range 2 { // printing takes nothing of it
		if out := f.expect(0, spent, "migrate", "apply", f.file, "--dry-run"); !strings.Contains(out, "--secret-id "+one) || strings.Contains(out, "--secret-id "+two) {
			t.Errorf("before the hour's change:\n%s", out)
		}
	}
	f.expect(0, "the 1 changes that an hour allows are made", "migrate", "apply", f.file)
	if f.describe(one).Key.Same(f.describe(two).Key) {
		t.Fatal("apply did something else than the dry run said")
	}
	if out := f.expect(0, spent, "migrate", "apply", f.file, "--dry-run"); strings.Contains(out, "aws ") {
		t.Errorf("after the hour's change:\n%s", out)
	}
	f.Clock.Advance(time.Hour)
	f.expect(0, "--secret-id "+two, "migrate", "apply", f.file, "--dry-run")
}

// What somebody else is at, or these credentials cannot do, is no call of this run; of what goes back it is its way back.
func TestADryRunPrintsNoCallThatItsRunWouldNotMake(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("a/one")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "observing", "migrate", "apply", f.file)
	back := []string{"migrate", "rollback", "--secret", arn, "--reason", "the app broke"}
	dry := append(slices.Clone(back), "--dry-run")

	f.become("detect")
	const mayNot = "assumed-role/doublelock-detect/doublelock-detect may not change secrets in " + local.Search
	if out := f.expect(2, mayNot, dry...); strings.Contains(out, "aws ") {
		t.Errorf("of who may not:\n%s", out)
	}
	f.expect(2, mayNot, back...) // as the dry run says
	f.become("remediate")
	f.ask(arn, "the app broke")
	f.expect(0, "--kms-key-id ''", "migrate", "apply", f.file, "--dry-run") // which apply takes up
	f.hold(arn)
	for _, args := range [][]string{dry, {"migrate", "apply", f.file, "--dry-run"}} {
		if out := f.expect(0, "# a/one: no call now: another worker is at this secret", args...); strings.Contains(out, "aws ") {
			t.Errorf("%v of a secret that another worker is at:\n%s", args, out)
		}
	}
}

// jobs are those in the hub's table, with the credentials of the environment.
func (f *fixture) jobs() migration.Store {
	f.Helper()
	options := cloud.FromEnv(os.Getenv)
	options.Now, options.Session = f.Clock.Now, "test"
	c, err := profile.Open(f.Context(), options)
	if err != nil {
		f.Fatal(err)
	}
	records := table.Open(c, os.Getenv(settings.EnvTable))
	return migration.NewStore(records.Documents(migration.DocumentKind), records.Entries())
}

// ask has somebody want a secret back, before any worker has come to it.
func (f *fixture) ask(arn, why string) {
	f.Helper()
	store := f.jobs()
	j, err := store.Load(f.Context(), arn)
	if err != nil {
		f.Fatal(err)
	}
	j.Pending = &migration.Pending{Action: "rollback", At: f.Clock.Now(), Why: why}
	if err := store.Save(f.Context(), j); err != nil {
		f.Fatal(err)
	}
}

// hold has another worker be at a secret for some minutes.
func (f *fixture) hold(arn string) {
	f.Helper()
	store := f.jobs()
	j, err := store.Load(f.Context(), arn)
	if err != nil {
		f.Fatal(err)
	}
	j.Lease = migration.Lease{By: "another", Until: f.Clock.Now().Add(5 * time.Minute)}
	if err := store.Save(f.Context(), j); err != nil {
		f.Fatal(err)
	}
}
