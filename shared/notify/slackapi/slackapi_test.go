package slackapi_test

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

	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/notify/slackapi"
)

var update = flag.Bool("update", false, "write the golden files")

const channel = "C0PAYMENTS"

func TestSlackAPIPassesTheKit(t *testing.T) {
	notifytest.Run(t, notifytest.Channel{
		Render: func(m notify.Message) (notifytest.Post, error) {
			body, err := slackapi.Render(m, channel)
			if err != nil {
				return notifytest.Post{}, err
			}
			var post slackapi.Post
			err = json.Unmarshal(body, &post)
			title, _, _ := strings.Cut(post.Text, "\n")
			return notifytest.Post{Title: title, Body: string(body)}, err
		},
		MaxTitle: 250, MaxBody: 200 * 1024, // EventBridge takes 262,144 bytes
		Forbidden: []string{"<", ">", "& "},
		Check: func(t *testing.T, body string) {
			decoder := json.NewDecoder(strings.NewReader(body))
			decoder.DisallowUnknownFields()
			var post slackapi.Post
			if err := decoder.Decode(&post); err != nil {
				t.Fatal(err)
			}
			if n := utf8.RuneCountInString(post.Text); post.Channel != channel || n > slackapi.MaxText || strings.Count(post.Text, "`")%2 != 0 {
				t.Errorf("channel %q, %d characters, or half a code span: %s", post.Channel, n, post.Text)
			}
			if post.UnfurlLinks || post.UnfurlMedia {
				t.Error("Slack would fetch what a notice quotes")
			}
		},
	})
}

func TestAMessageAsItIsPosted(t *testing.T) {
	const name = "two that need work and one done"
	body, err := slackapi.Render(notifytest.Samples()[name], channel)
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s (-want +got); run go test ./shared/notify/slackapi -update:\n%s", path, diff)
	}
}
