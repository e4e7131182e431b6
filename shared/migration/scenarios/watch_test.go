package scenarios_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

const (
	readsBoth   = `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}`
	readsSecret = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}`
)

// noKey denies a key, or every key.
func noKey(of string) string {
	return `{"Effect":"Deny","Action":"kms:Decrypt","Resource":"` + of + `"}`
}

func oneReader() script {
	return script{Keys: map[string]keyScript{"new": {}}, Readers: map[string]reader{"app": {May: []string{readsBoth}}}, Seen: []string{"app"},
		Secret: secretScript{Tags: map[string]string{"environment": "dev", "doublelock:state": "default"}}}
}

// begin takes the stage's secret to observing.
func (w *stage) begin() migration.Job {
	w.Helper()
	m := w.migrations(nil)
	snapshot, err := m.Snapshots.Take(w.Context())
	must(w, err)
	f, err := m.Facts(w.Context(), snapshot, nil)
	must(w, err)
	p, err := migration.Make(f, w.secret)
	must(w, err)
	_, err = m.Engine.Start(w.Context(), p.Items[0], p.ID, p.Rules)
	must(w, err)
	return w.visit(migration.Observing)
}

// visit is one visit of the sweep, after which the job must be in a phase.
func (w *stage) visit(want migration.Phase) migration.Job {
	w.Helper()
	m := w.migrations(nil)
	must(w, (&sweep.Migrations{Engine: m.Engine, Concurrency: 1, Log: slog.New(slog.DiscardHandler)}).Advance(w.Context()))
	j, err := m.Store.Load(w.Context(), w.secret)
	must(w, err)
	if j.Phase != want {
		w.Fatalf("%s (%s), want %s", j.Phase, j.Reason, want)
	}
	return j
}

// watch hands every denied read to the watchdog, twice.
func (w *stage) watch() {
	w.Helper()
	reads := watching(w.migrations(nil))
	for _, c := range append(w.denied, w.denied...) {
		must(w, reads.DeniedRead(w.Context(), c))
	}
	w.denied = nil
}

// watching is what the watchdog does with a denied read.
func watching(m *fleet.Migrations) watchdog.Migrations {
	return watchdog.Migrations{Engine: m.Engine, Secrets: m.Engine.Secrets, Log: slog.New(slog.DiscardHandler)}
}

func (w *stage) notices(kind guard.NoticeKind) []string {
	var out []string
	for _, n := range w.onBus {
		if n["kind"] == string(kind) {
			var notice guard.Notice
			if raw, err := json.Marshal(n); err != nil || json.Unmarshal(raw, &notice) != nil {
				w.Fatalf("no notice: %v", n)
			}
			out = append(out, notice.Describe())
		}
	}
	return out
}

func TestADeniedReadBeforeTheSealGoesBackExactly(t *testing.T) {
	w := newStage(t, oneReader())
	w.begin()
	must(t, ignore(secrets.Seal(t.Context(), w.owner(), w.secret))) // no visit has seen it: its version opens with the new key alone
	w.aws.AddRole(shop, "app", trustOfSelf, policyText(readsBoth, noKey(w.keys["new"])))
	if got := w.read("app"); got == "" {
		t.Fatal("the read was to be denied")
	}
	w.watch()
	if got := w.read("app"); got != "" {
		t.Errorf("app cannot read after going back: %s", got)
	}
	w.visitResting(migration.RolledBack)
	now := w.describe()
	if now.KeyID != w.first.KeyID {
		t.Errorf("key %q, was %q", now.KeyID, w.first.KeyID)
	}
	if diff := cmp.Diff(w.first.Tags, now.Tags); diff != "" {
		t.Errorf("tags (-before +now):\n%s", diff)
	}
	lost := w.notices(guard.NoticeReaderLost)
	if len(lost) != 1 || !strings.Contains(lost[0], "role/app") || !strings.Contains(lost[0], "kms:Decrypt") {
		t.Errorf("the owner reads %q", lost)
	}
	if back := w.notices(guard.NoticeRolledBack); len(back) != 1 {
		t.Errorf("notified %d times that it is back: %q", len(back), back)
	}
}

// Whoever is denied every key reads with the previous one as little: going back would lower the lock for nothing.
func TestNothingGoesBackForAReaderThatThePreviousKeyKeepsOutToo(t *testing.T) {
	w := newStage(t, oneReader())
	w.begin()
	w.aws.AddRole(shop, "app", trustOfSelf, policyText(readsBoth, noKey("*")))
	if got := w.read("app"); got == "" {
		t.Fatal("the read was to be denied")
	}
	w.watch()
	j := w.visitResting(migration.Observing)
	for _, part := range []string{"role/app cannot read it and lacks kms:Decrypt on " + w.keys["new"], "setting the AWS managed key again would not let it in"} {
		if !strings.Contains(j.Reason, part) {
			t.Errorf("the job says %q, and not %q", j.Reason, part)
		}
	}
	lost := w.notices(guard.NoticeReaderLost)
	if len(lost) != 1 || !strings.Contains(lost[0], "Nothing was changed (setting the AWS managed key again would not let it in") || w.describe().KeyID == w.first.KeyID {
		t.Errorf("the owner reads %q", lost)
	}
}

func (w *stage) visitResting(want migration.Phase) migration.Job {
	w.Helper()
	j, err := w.migrations(nil).Store.Load(w.Context(), w.secret)
	must(w, err)
	if j.Phase != want {
		w.Fatalf("%s (%s), want %s", j.Phase, j.Reason, want)
	}
	return j
}

func TestADeniedReadAfterANewVersionIsRestoredForAWhile(t *testing.T) {
	says := oneReader()
	says.AutoGrant = true
	w := newStage(t, says)
	w.begin()
	w.advance(25 * time.Hour)
	if got := w.read("app"); got != "" {
		t.Fatalf("app reads under two keys: %s", got)
	}
	w.visit(migration.Sealing)
	must(t, ignore(secrets.Seal(t.Context(), w.owner(), w.secret)))
	w.visit(migration.Sealing)

	w.aws.AddRole(shop, "app", trustOfSelf, policyText(readsSecret))
	if got := w.read("app"); got != "AccessDeniedException" {
		t.Fatalf("app reads the new version: %q", got)
	}
	w.watch()
	if got := w.read("app"); got != "" {
		t.Fatalf("app cannot read with the grant: %s", got)
	}
	lost := w.notices(guard.NoticeReaderLost)
	if len(lost) != 1 || !strings.Contains(lost[0], "role/app") || !strings.Contains(lost[0], "identity policy") || !strings.Contains(lost[0], `"kms:Decrypt"`) {
		t.Errorf("the owner reads %q", lost)
	}
	w.advance(25 * time.Hour)
	w.visit(migration.Sealing)
	if got := w.read("app"); got != "AccessDeniedException" {
		t.Errorf("the grant did not end: %q", got)
	}
	j := w.visitResting(migration.Sealing)
	if len(j.Rescues) != 1 || j.Rescues[0].Ended.IsZero() {
		t.Errorf("rescues %+v", j.Rescues)
	}
}

func TestWithoutGrantsTheOwnerIsPaged(t *testing.T) {
	w := newStage(t, oneReader())
	w.begin()
	w.advance(25 * time.Hour)
	w.read("app")
	w.visit(migration.Sealing)
	must(t, ignore(secrets.Seal(t.Context(), w.owner(), w.secret)))
	w.visit(migration.Sealing)
	w.aws.AddRole(shop, "app", trustOfSelf, policyText(readsSecret))
	w.read("app")
	w.watch()
	if lost := w.notices(guard.NoticeReaderLost); len(lost) != 1 || !strings.Contains(lost[0], "Nothing was changed") {
		t.Errorf("the owner reads %q", lost)
	}
	j := w.visitResting(migration.Sealing)
	if len(j.Denials) != 1 || j.Denials[0].Answer != migration.AnswerPage || w.describe().KeyID == w.first.KeyID {
		t.Errorf("denials %+v", j.Denials)
	}
}

// Secrets Manager answers a read of such a secret with the code that it has for a key that cannot be used.
func TestARefusedReadOfASecretPendingDeletionIsNobodysLoss(t *testing.T) {
	w := newStage(t, oneReader())
	w.begin()
	_, err := w.client("root").DeleteSecret(w.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.secret})
	must(t, err)
	if got := w.read("app"); got != "InvalidRequestException" {
		t.Fatalf("app reads a secret pending deletion: %q", got)
	}
	if len(w.denied) == 0 {
		t.Fatal("the refused read is no event")
	}
	w.watch()
	if lost := w.notices(guard.NoticeReaderLost); len(lost) != 0 {
		t.Errorf("the owner reads %q", lost)
	}
	if j := w.visitResting(migration.Observing); len(j.Denials) != 0 {
		t.Errorf("denials %+v", j.Denials)
	}
}

func TestTheSealKeepsWhatSomebodyElseWrites(t *testing.T) {
	w := newStage(t, oneReader())
	w.begin()
	before := w.describe()
	version, err := secrets.Seal(t.Context(), w.owner(), w.secret)
	must(t, err)
	after := w.describe()
	if len(after.Versions) != len(before.Versions)+1 {
		t.Errorf("%d versions, want one more than %d", len(after.Versions), len(before.Versions))
	}
	for _, v := range after.Versions {
		if v.ID == version && (cmp.Diff([]string{"AWSCURRENT"}, v.Stages) != "" || len(v.Keys) != 1) {
			t.Errorf("the new version has stages %v under %v", v.Stages, v.Keys)
		}
	}
}
