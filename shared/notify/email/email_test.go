package email_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
