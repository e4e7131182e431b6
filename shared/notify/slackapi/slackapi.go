package slackapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/slack"
)

// MaxText is how many characters of text Slack shows of a message; it cuts what is longer.
const MaxText = 40000

// Post is the body of chat.postMessage. Links are not unfolded: what a notice quotes is not ours to fetch.
type Post struct {
	Channel     string `json:"channel"`
	Text        string `json:"text"` // in Slack's markup
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
}

// Render writes the message as JSON, for a Slack channel by its id.
func Render(m notify.Message, channel string) ([]byte, error) {
	said := slack.Compose(m).Content
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s", said.Title, said.Description)
	for i, step := range said.NextSteps {
		b.WriteString("\n" + strconv.Itoa(i+1) + ". " + step)
	}
	var body strings.Builder
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // & < > are already escaped the way Slack wants them
	if err := encoder.Encode(Post{Channel: channel, Text: b.String()}); err != nil {
		return nil, fmt.Errorf("write Slack message: %w", err)
	}
	return []byte(strings.TrimSuffix(body.String(), "\n")), nil
}
