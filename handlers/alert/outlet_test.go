package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

// sent is what arrived where: channel, address, owner.
type sent struct{ Channel, To, Owner string }

// senders are the named channels, and what they have sent.
func senders(overview string, names ...string) (map[string]*post, []alert.Channel) {
	posts, list := map[string]*post{}, []alert.Channel{}
	for _, name := range names {
		posts[name] = newPost()
		c := alert.Channel{Channel: row(name), Sender: posts[name]}
		if c.Field.Overview {
			c.Overview = overview
		}
		list = append(list, c)
	}
	return posts, list
}

func TestEveryOwnerIsReachedByWhatIsDeployed(t *testing.T) {
	for name, tt := range map[string]struct {
		channels []string
		overview string
		payments notify.Address
		want     []sent
	}{
		"a mail":                           {[]string{"email"}, "", notify.Address{"email": "p@example.com"}, []sent{{"email", "p@example.com", "payments"}}},
		"Slack alone, by Amazon Q":         {[]string{"email", "chat"}, "", notify.Address{"slackChannel": "C0PAYMENTS"}, []sent{{"chat", "C0PAYMENTS", "payments"}}},
		"Slack alone, by the API":          {[]string{"email", "slack-api"}, "", notify.Address{"slackChannel": "C0PAYMENTS"}, []sent{{"slack-api", "C0PAYMENTS", "payments"}}},
		"both, and the overview":           {[]string{"email", "chat"}, "C0SECURITY", notify.Address{"email": "p@example.com", "slackChannel": "C0PAYMENTS"}, []sent{{"email", "p@example.com", "payments"}, {"chat", "", "payments"}, {"chat", "C0PAYMENTS", "payments"}}},
		"the overview's own channel, once": {[]string{"email", "chat"}, "C0PAYMENTS", notify.Address{"slackChannel": "C0PAYMENTS"}, []sent{{"chat", "", "payments"}}},
		"the overview of the API":          {[]string{"slack-api"}, "C0SECURITY", notify.Address{"slackChannel": "C0PAYMENTS"}, []sent{{"slack-api", "C0SECURITY", "payments"}, {"slack-api", "C0PAYMENTS", "payments"}}},
		"an owner whom nothing reaches":    {[]string{"email"}, "", notify.Address{}, []sent{{"email", "security@example.com", "security"}}},
	} {
		t.Run(name, func(t *testing.T) {
			posts, list := senders(tt.overview, tt.channels...)
			claims := newPost()
			h := claims.handler()
			h.Channels = list
			h.Directory.Channels["payments"] = tt.payments
			if failed := handle(t, h, opened("app")); failed != nil {
				t.Fatalf("failed %v", failed)
			}
			var got []sent
			for _, c := range tt.channels {
				for _, m := range posts[c].messages {
					got = append(got, sent{c, m.To, m.Attributes["owner"]})
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if handle(t, h, opened("app")); len(claims.done) != len(tt.want) {
				t.Errorf("remembered as delivered: %v", claims.done)
			}
		})
	}
}

func TestTheFallbackReadsWhyItIsNotified(t *testing.T) {
	p := newPost()
	h := p.handler()
	h.Directory.Channels["payments"] = notify.Address{}
	handle(t, h, opened("app"))
	if len(p.messages) != 1 || !strings.Contains(p.messages[0].Text, "its tag Owner names payments, who has no channel here") {
		t.Errorf("messages %+v", p.messages)
	}
}

func TestADigestOfAnOwnerWithoutAChannelGoesToTheFallback(t *testing.T) {
	p := newPost()
	digest := guard.Notice{ID: "digest|gone|2026-06-02", Kind: guard.NoticeDigest, Name: "gone",
		Open: []guard.Notice{notifytest.Opened(guard.SecretDefaultKey, "app", "")}}
	if failed := handle(t, p.handler(), envelope(digest, nil)); failed != nil || len(p.messages) != 1 {
		t.Fatalf("failed %v, messages %+v", failed, p.messages)
	}
	if m := p.messages[0]; m.To != "security@example.com" || m.Attributes["owner"] != "security" || !strings.Contains(m.Text, "They are of gone, who has no channel here.") {
		t.Errorf("message %+v", m)
	}
}

// Sending to a topic that nobody subscribed succeeds. It must not be remembered as a delivery.
func TestWhatReachesNobodyIsNotRememberedAsDelivered(t *testing.T) {
	p := newPost()
	h := p.handler()
	h.Directory = notify.Directory{Tags: []string{"Owner"}, Fallback: "security", Channels: map[string]notify.Address{"payments": {}}}
	if diff := cmp.Diff([]string{"m0"}, handle(t, h, opened("app"))); diff != "" {
		t.Errorf("messages that come again (-want +got):\n%s", diff)
	}
	if len(p.messages)+len(p.done)+len(p.claims) != 0 {
		t.Errorf("sent %+v, delivered %v, claimed %v", p.messages, p.done, p.claims)
	}
	h.Directory.Channels["security"] = notify.Address{"email": "security@example.com"}
	if failed := handle(t, h, opened("app")); failed != nil || len(p.messages) != 1 {
		t.Errorf("once somebody can be reached: failed %v, messages %+v", failed, p.messages)
	}
}

func TestWhatTheSlackAPIPostsNamesTheChannel(t *testing.T) {
	posts, list := senders("", "slack-api")
	h := newPost().handler()
	h.Channels = list
	handle(t, h, opened("app"))
	var body struct{ Channel, Text string }
	if err := json.Unmarshal([]byte(posts["slack-api"].messages[0].Text), &body); err != nil || body.Channel != "C0PAYMENTS" || !strings.Contains(body.Text, "app") {
		t.Errorf("posted %+v, error %v", body, err)
	}
}
