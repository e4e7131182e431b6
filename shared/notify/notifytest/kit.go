package notifytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/doublelock/doublelock/shared/notify"
)

// Post is what a channel would send.
type Post struct {
	Title string // subject or heading, as people see it
	Body  string // everything else, as it goes over the wire
}

// Channel is what the kit needs to know about a channel.
type Channel struct {
	Render    func(notify.Message) (Post, error)
	MaxTitle  int                      // characters
	MaxBody   int                      // bytes
	ASCII     bool                     // the title must be printable ASCII
	Forbidden []string                 // what must not come out however it went in
	Check     func(*testing.T, string) // judges the body by the channel's own format; may be nil
}

// Run tries the channel with every sample.
func Run(t *testing.T, c Channel) {
	t.Helper()
	samples := Samples()
	names := make([]string, 0, len(samples))
	for name := range samples {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { c.try(t, name, samples[name]) })
	}
}

func (c Channel) try(t *testing.T, name string, m notify.Message) {
	t.Helper()
	post, err := c.Render(m)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Render(m); err != nil || again != post {
		t.Errorf("rendered twice, two results (error %v)", err)
	}
	c.checkTitle(t, post.Title)
	c.checkBody(t, post.Body)
	if name != "hostile input" && (strings.Contains(post.Body, "http://") || strings.Contains(post.Body, "https://")) {
		t.Error("a link got in")
	}
	for _, want := range mentions(name) {
		if !strings.Contains(post.Title+post.Body, want) {
			t.Errorf("does not mention %q", want)
		}
	}
	if name == "a hundred resources" {
		checkCount(t, post.Body, 100)
	}
	if c.Check != nil {
		c.Check(t, post.Body)
	}
}

// checkCount finds every resource in the body, by name or among the "and N more": none may be lost in silence.
func checkCount(t *testing.T, body string, want int) {
	t.Helper()
	got := 0
	for i := range want {
		if strings.Contains(body, fmt.Sprintf("prod/app-%03d", i)) {
			got++
		}
	}
	if _, rest, ok := strings.Cut(body, "and "); ok {
		more := 0
		if _, err := fmt.Sscanf(rest, "%d more", &more); err == nil {
			got += more
		}
	}
	if got != want {
		t.Errorf("speaks of %d resources, want %d", got, want)
	}
}

// mentions lists what a reader must find in a sample, wherever the channel puts it.
func mentions(sample string) []string {
	switch sample {
	case "one secret, made with Terraform":
		return []string{"prod/db/password", "111122223333", "eu-central-1", "AWS managed key", "kms_key_id", Key, "alice@example.com"}
	case "a resolved finding":
		return []string{"prod/db/password", "sealed"}
	case "a change that did not take":
		return []string{"prod/db/password", "could not be moved"}
	case "two disabled keys":
		return []string{"eu-central-1", "enable-key --region eu-west-1", "cancel-key-deletion --region eu-west-1"}
	case "a replica under a wrong key":
		return []string{"prod/db/password", "update-secret --region eu-west-1"}
	case "a replication that failed":
		return []string{"prod/db/password", "already exists in region eu-west-1", "replicate-secret-to-regions --region eu-central-1"}
	case "a secret that denies us":
		return []string{"prod/db/password", "ArnNotLike", "role/doublelock-read"}
	case "a disabled key":
		return []string{"payments", "disabled", "prod/app-00", "prod/legacy", "more", "enable-key"}
	case "a hundred resources":
		return []string{"100 resources", "prod/app-000"}
	case "two that need work and one done":
		return []string{"2 need you, 1 is fine again", "cancel-key-deletion", "update-secret --region eu-west-1"}
	case "a message that may be a repeat":
		return []string{"may have had this message before"}
	default:
		return nil
	}
}

func (c Channel) checkTitle(t *testing.T, title string) {
	t.Helper()
	if title == "" {
		t.Error("no title")
	}
	if n := utf8.RuneCountInString(title); n > c.MaxTitle {
		t.Errorf("title of %d characters, at most %d allowed: %s", n, c.MaxTitle, title)
	}
	for _, r := range title {
		if unicode.IsControl(r) || (c.ASCII && (r < ' ' || r > '~')) {
			t.Errorf("title has character %U: %q", r, title)
		}
	}
}

func (c Channel) checkBody(t *testing.T, body string) {
	t.Helper()
	if len(body) > c.MaxBody {
		t.Errorf("body of %d bytes, at most %d allowed", len(body), c.MaxBody)
	}
	if !utf8.ValidString(body) {
		t.Error("body is not valid UTF-8")
	}
	for _, r := range body {
		if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("body has character %U", r)
			break
		}
	}
	for _, forbidden := range append([]string{Canary}, c.Forbidden...) {
		if strings.Contains(body, forbidden) {
			t.Errorf("body has %q", forbidden)
		}
	}
}
