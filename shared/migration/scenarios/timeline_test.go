package scenarios_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

var update = flag.Bool("update", false, "write the timeline of the run into docs/migration.md")

// TestTheTimelineInTheDocsIsThatOfARun plays what docs/migration.md shows: one secret from default to sealed, with a
// reader that would have broken.
func TestTheTimelineInTheDocsIsThatOfARun(t *testing.T) {
	says := oneReader()
	says.Readers["batch"] = reader{May: []string{readsSecret}}
	says.Seen = []string{"app", "batch"}
	w := newStage(t, says)
	var b strings.Builder
	w.line(&b, "", "")
	w.planned(&b)
	w.aws.AddRole(shop, "batch", trustOfSelf, policyText(readsSecret,
		`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"`+w.keys["new"]+`","Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"`+w.secret+`"}}}`))
	w.line(&b, "fix", "the statement of the plan is added to the policies of role/batch")
	w.planned(&b)
	w.begin()
	w.line(&b, "apply", "")
	w.advance(25 * time.Hour)
	w.visit(migration.Observing)
	w.line(&b, "visit", "")
	w.readAll()
	w.visit(migration.Sealing)
	w.line(&b, "visit", "app and batch have read")
	for range 2 {
		must(t, ignore(secrets.Seal(t.Context(), w.owner(), w.secret)))
		w.line(&b, "seal", "the owner writes the value again")
		w.advance(time.Hour)
		m := w.migrations(nil)
		must(t, (&sweep.Migrations{Engine: m.Engine, Concurrency: 1, Log: slog.New(slog.DiscardHandler)}).Advance(t.Context()))
		w.line(&b, "visit", "")
	}
	w.inDocs(b.String())
}

// planned plans afresh and says what the plan says.
func (w *stage) planned(b *strings.Builder) {
	w.Helper()
	w.advance(time.Minute)
	m := w.migrations(nil)
	snapshot, err := m.Snapshots.Take(w.Context())
	must(w, err)
	f, err := m.Facts(w.Context(), snapshot, nil)
	must(w, err)
	p, err := migration.Make(f, w.secret)
	must(w, err)
	verdict := "safe"
	if !p.Items[0].Safe() {
		verdict = "blocked: " + strings.Join(p.Items[0].Blocked, "; ")
	}
	w.line(b, "plan", verdict)
}

func (w *stage) readAll() {
	for _, who := range w.says.Seen {
		if got := w.read(who); got != "" {
			w.Fatalf("%s cannot read: %s", who, got)
		}
	}
}

// line is one moment: who can read, what opens each version, and how far the job is.
func (w *stage) line(b *strings.Builder, what, detail string) {
	w.Helper()
	if what == "" {
		fmt.Fprintf(b, "%-13s %-6s %-10s %-9s %-38s %s\n", "time", "step", "phase", "state", "versions open with", "what")
		return
	}
	j, err := w.migrations(nil).Store.Load(w.Context(), w.secret)
	must(w, err)
	s := w.describe()
	if detail == "" {
		detail = j.Reason
	}
	detail = strings.NewReplacer("arn:aws:iam::111122223333:", "", w.keys["new"], "the CMK").Replace(detail)
	fmt.Fprintf(b, "%-13s %-6s %-10s %-9s %-38s %s\n", w.now.Format("Jan 02 15:04"), what, phaseOr(j), guard.StateOf(s, ""), opens(s), detail)
}

func phaseOr(j migration.Job) string {
	if j.Phase == "" {
		return "-"
	}
	return string(j.Phase)
}

func opens(s guard.Secret) string {
	var out []string
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		for _, v := range s.Versions {
			for _, label := range v.Stages {
				if label != stage {
					continue
				}
				var keys []string
				for _, k := range v.Keys {
					if k.Manager == guard.ManagerAWS {
						keys = append(keys, "default")
					} else {
						keys = append(keys, "CMK")
					}
				}
				out = append(out, strings.TrimPrefix(stage, "AWS")+": "+strings.Join(keys, "+"))
			}
		}
	}
	return strings.Join(out, ", ")
}

// inDocs compares with the block in the documentation.
func (w *stage) inDocs(got string) {
	w.Helper()
	path := filepath.Join("..", "..", "..", "docs", "migration.md")
	raw, err := os.ReadFile(path)
	must(w, err)
	const begin, end = "<!-- timeline -->\n```text\n", "```\n<!-- /timeline -->"
	before, rest, found := strings.Cut(string(raw), begin)
	want, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		w.Fatalf("%s has no timeline block", path)
	}
	if *update {
		must(w, os.WriteFile(path, []byte(before+begin+got+end+after), 0o600))
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("docs/migration.md (-want +got), write it again with -update:\n%s", diff)
	}
}
