package email_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/email"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestEmailPassesTheKit(t *testing.T) {
	notifytest.Run(t, notifytest.Channel{
		Render: func(m notify.Message) (notifytest.Post, error) {
			return notifytest.Post{Title: m.Subject(), Body: email.Render(m)}, nil
		},
		MaxTitle: notify.MaxSubject, MaxBody: email.MaxText, ASCII: true,
		Forbidden: []string{"\nSubject: forged", "\r"},
	})
}

func TestEmailsAsTheyArrive(t *testing.T) {
	for name, m := range notifytest.Samples() {
		if name == "very long input" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", "Subject: "+m.Subject()+"\n\n"+email.Render(m))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(name))
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden (make it with -update): %v", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", path, diff)
	}
}

func TestWhatIsToBePastedIsWholeOrLeftOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := notifytest.Long(func(most int) int { return rapid.IntRange(0, most).Draw(rt, "pick") })
		text := email.Render(m)
		if problem := notifytest.Whole(m, text, "too long for a mail", "The others, most urgent first"); problem != "" {
			rt.Fatalf("%s\nin:\n%s", problem, text)
		}
	})
}

func TestAMailThatIsTooLongEndsWithAWholeLine(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Kind, n.Move = guard.NoticeFailed, &guard.Move{Breaks: []string{"readers would lose access"}}
	for i := range 60 {
		statement := fmt.Sprintf(`{"Sid":"S%d","Resource":"%s"}`, i, strings.Repeat("x", 3000))
		n.Move.Remedies = append(n.Move.Remedies, guard.Remedy{Principal: "role/app", Statements: []guard.Statement{{Where: "identity policy", JSON: statement}}})
	}
	m := notify.Compose([]notify.Item{{Notice: n}}, notifytest.Directory(), notifytest.KeyFor)[0]
	text := email.Render(m)
	if problem := notifytest.Whole(m, text, "too long for a mail"); problem != "" || len(text) > email.MaxText || !strings.Contains(text, `{"Sid":"S30"`) {
		t.Errorf("%d bytes: %s", len(text), problem)
	}
}
