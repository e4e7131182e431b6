package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/notify/slack"
)

var update = flag.Bool("update", false, "write the golden files")

func TestSlackPassesTheKit(t *testing.T) {
	notifytest.Run(t, notifytest.Channel{
		Render: func(m notify.Message) (notifytest.Post, error) {
			body, err := slack.Render(m)
			if err != nil {
				return notifytest.Post{}, err
			}
			var n slack.Notification
			err = json.Unmarshal(body, &n)
			return notifytest.Post{Title: n.Content.Title, Body: string(body)}, err
		},
		MaxTitle: slack.MaxTitle, MaxBody: 200 * 1024, // SNS takes 262,144 bytes
		Forbidden: []string{"<", ">", "& "},
		Check:     checkSchema,
	})
}

// checkSchema holds the limits of the custom-notification schema: beyond them a message vanishes without an error.
func checkSchema(t *testing.T, body string) {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	var n slack.Notification
	if err := decoder.Decode(&n); err != nil {
		t.Fatal(err)
	}
	if n.Version != "1.0" || n.Source != "custom" || n.Content.TextType != "client-markdown" {
		t.Errorf("version %q, source %q, textType %q", n.Version, n.Source, n.Content.TextType)
	}
	limit := func(what, s string, least, most int) {
		if c := utf8.RuneCountInString(s); c < least || c > most {
			t.Errorf("%s has %d characters, want %d to %d: %s", what, c, least, most, s)
		}
	}
	limit("title", n.Content.Title, 1, slack.MaxTitle)
	limit("description", n.Content.Description, 1, slack.MaxDescription)
	limit("threadId", n.Metadata.ThreadID, 32, 32)
	for _, step := range n.Content.NextSteps {
		limit("step", step, 1, slack.MaxStep)
		if strings.Count(step, "`")%2 != 0 {
			t.Errorf("step with half a code span: %s", step)
		}
	}
	for _, word := range n.Content.Keywords {
		limit("keyword", word, 1, slack.MaxKeyword)
	}
	if strings.Count(n.Content.Description, "`")%2 != 0 {
		t.Errorf("description with half a code span: %s", n.Content.Description)
	}
}

func TestSlackMessagesAsTheyArrive(t *testing.T) {
	for name, m := range notifytest.Samples() {
		if name == "very long input" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			body, err := slack.Render(m)
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, name+".json", pretty.String())
		})
	}
}

// A part of a policy statement or of a command does harm when it is pasted.
func TestWhatIsToBePastedIsWholeOrLeftOut(t *testing.T) {
	entities := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
	rapid.Check(t, func(rt *rapid.T) {
		m := notifytest.Long(func(most int) int { return rapid.IntRange(0, most).Draw(rt, "pick") })
		body, err := slack.Render(m)
		if err != nil {
			rt.Fatal(err)
		}
		checkSchema(t, string(body))
		n := slack.Compose(m)
		text := entities.Replace(n.Content.Description + "\n" + strings.Join(n.Content.NextSteps, "\n"))
		if problem := notifytest.Whole(m, text, "too long for a chat message", "a chat message cannot show", "a chat message has room for", "\nand "); problem != "" {
			rt.Fatalf("%s\nin:\n%s", problem, text)
		}
	})
}

// A statement of more than the 500 characters at which it was once cut is printed where the channel has room for it.
func TestALongStatementIsPrintedWhole(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	statement := `{"Sid":"ReadSecretUnderCMK","Resource":"` + strings.Repeat("x", 3000) + `"}`
	n.Kind, n.Move = guard.NoticeFailed, &guard.Move{Breaks: []string{"role/app would lose access"}, Remedies: []guard.Remedy{{
		Principal: "role/app", Statements: []guard.Statement{{Where: "identity policy of role/app", JSON: statement}},
	}}}
	m := notify.Compose([]notify.Item{{Notice: n}}, notifytest.Directory(), notifytest.KeyFor)[0]
	if text := slack.Compose(m).Content.Description; !strings.Contains(text, "`"+statement+"`") || strings.Contains(text, "too long") {
		t.Errorf("the statement is not whole:\n%s", text)
	}
}

func FuzzRenderKeepsTheLimits(f *testing.F) {
	f.Add("prod/db", "<!channel> & co", "arn:aws:iam::111122223333:user/`x`", uint16(1))
	f.Add("&", "", "\xff\xfe", uint16(9000))
	// Long text is a short one many times: the fuzzer shortens what it finds byte by byte, and would do nothing else.
	f.Fuzz(func(t *testing.T, name, detail, actor string, times uint16) {
		long := func(s string) string { return strings.Repeat(s, min(int(times), 10_000/max(len(s), 1)+1)) }
		n := notifytest.Opened("DL.SECRET.1", long(name), "cli")
		n.Detail, n.Actor = long(detail), long(actor)
		m := notify.Compose([]notify.Item{{Notice: n}}, notifytest.Directory(), notifytest.KeyFor)[0]
		body, err := slack.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(body) || bytes.ContainsAny(body, "<>") {
			t.Errorf("unsafe: %s", body)
		}
		checkSchema(t, string(body))
	})
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
