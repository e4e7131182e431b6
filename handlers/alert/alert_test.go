package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/store"
)

// post is a topic and a store of deliveries in one, with a clock.
type post struct {
	now      time.Time
	messages []alert.Message
	claims   map[string]claimed
	done     map[string]bool
	broken   map[string]error // by step: claim, begin, send, delivered
	before   func()           // a message's bytes go
}

// claimed is a claim of a delivery.
type claimed struct {
	by     string
	until  time.Time
	repeat bool
}

func newPost() *post {
	return &post{now: notifytest.At, claims: map[string]claimed{}, done: map[string]bool{}, broken: map[string]error{}, before: func() {}}
}

func (p *post) Send(ctx context.Context, m alert.Message) error {
	p.before()
	if err := store.SendingOf(ctx).Before(ctx); err != nil {
		return err
	}
	if p.broken["send"] != nil {
		return p.broken["send"]
	}
	p.messages = append(p.messages, m)
	return nil
}

func (p *post) Claim(_ context.Context, id, by string, lease time.Duration) (store.Claim, error) {
	have, known := p.claims[id]
	switch {
	case p.broken["claim"] != nil:
		return "", p.broken["claim"]
	case p.done[id]:
		return store.ClaimDone, nil
	case known && p.now.Before(have.until):
		return store.ClaimBusy, nil
	}
	p.claims[id] = claimed{by, p.now.Add(lease), have.repeat}
	if have.repeat {
		return store.ClaimAgain, nil
	}
	return store.ClaimNew, nil
}

func (p *post) Begin(_ context.Context, id, by string) error {
	switch {
	case p.broken["begin"] != nil:
		return p.broken["begin"]
	case p.claims[id].by != by || p.done[id]:
		return store.ErrLost
	}
	p.claims[id] = claimed{by, p.now.Add(store.UnderWay), true}
	return nil
}

func (p *post) Delivered(_ context.Context, id string, _ time.Duration) error {
	if p.broken["delivered"] == nil {
		p.done[id] = true
	}
	return p.broken["delivered"]
}

func (p *post) Doubt(_ context.Context, id, by string) error {
	if p.claims[id].by == by && !p.done[id] {
		p.claims[id] = claimed{repeat: true}
	}
	return nil
}

func (p *post) Release(_ context.Context, id, by string) error {
	if p.claims[id].by == by {
		delete(p.claims, id)
	}
	return nil
}

func (p *post) handler() *alert.Handler {
	return &alert.Handler{Channels: []alert.Channel{{Channel: row("email"), Sender: p}}, Claims: p, Directory: notifytest.Directory(), Source: "doublelock", Account: "999988887777",
		KeyFor: notifytest.KeyFor, Log: slog.New(slog.DiscardHandler)}
}

// row is a row of the channel list.
func row(name string) channels.Channel {
	all := channels.All()
	return all[slices.IndexFunc(all, func(c channels.Channel) bool { return c.Name == name })]
}

func envelope(n guard.Notice, change func(*events.EventBridgeEvent)) string {
	detail, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	e := events.EventBridgeEvent{ID: "b-" + n.ID, Source: "doublelock", DetailType: "Doublelock Finding", AccountID: "999988887777", Detail: detail}
	if change != nil {
		change(&e)
	}
	body, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func handle(t *testing.T, h *alert.Handler, bodies ...string) []string {
	t.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: body})
	}
	answer, err := h.Handle(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

func opened(name string) string {
	return envelope(notifytest.Opened(guard.SecretDefaultKey, name, "terraform"), nil)
}

func TestOneMessagePerOwnerWithOnlyTheirResources(t *testing.T) {
	p := newPost()
	theirs := notifytest.Opened(guard.SecretReplicaKey, "stray", "cli")
	theirs.Tags = nil
	handle(t, p.handler(), opened("app"), opened("db"), envelope(theirs, nil))
	if len(p.messages) != 2 {
		t.Fatalf("%d messages, want one for payments and one for security", len(p.messages))
	}
	want := []map[string]string{
		{"owner": "payments", "severity": "high", "control": "DL.SECRET.1", "account": "111122223333", "batch_id": "cd7bca25bb1c307562d363accbe8bf25"},
		{"owner": "security", "severity": "high", "control": "DL.SECRET.3", "account": "111122223333", "batch_id": "1f3835ce63b32bc20a060db48c172b5e", "notice_id": "f8445dda0e08e1b4a7b697ef44274411"},
	}
	for i, message := range p.messages {
		if diff := cmp.Diff(want[i], message.Attributes); diff != "" {
			t.Errorf("attributes of message %d (-want +got):\n%s", i, diff)
		}
	}
	if body := p.messages[0].Text; !strings.Contains(body, "app") || !strings.Contains(body, "db") || strings.Contains(body, "stray") {
		t.Errorf("payments reads:\n%s", body)
	}
}

func TestWhoIsNotified(t *testing.T) {
	quiet := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	quiet.Decision.Mode = guard.ModeObserve
	denied := quiet
	denied.Kind = guard.NoticeDenied
	failed := quiet
	failed.Kind = guard.NoticeFailed
	sealed := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	sealed.Kind = guard.NoticeSealed
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"a finding of a notifying mode":              {opened("app"), 1},
		"a resolved finding":                         {envelope(notifytest.Resolved(guard.SecretDefaultKey, "app"), nil), 1},
		"a finding in observe mode":                  {envelope(quiet, nil), 0},
		"a denied attempt":                           {envelope(denied, nil), 0},
		"a failed remediation, whatever the mode":    {envelope(failed, nil), 1},
		"a change of state that its finding reports": {envelope(sealed, nil), 0},
		"a look-alike from another source":           {envelope(notifytest.Opened(guard.SecretDefaultKey, "app", ""), func(e *events.EventBridgeEvent) { e.Source = "evil" }), 0},
		"a look-alike from an account that may put":  {envelope(notifytest.Opened(guard.SecretDefaultKey, "app", ""), func(e *events.EventBridgeEvent) { e.AccountID = "111122223333" }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost()
			if failed := handle(t, p.handler(), tt.body); len(failed) > 0 {
				t.Errorf("%v failed", failed)
			}
			if len(p.messages) != tt.want {
				t.Errorf("%d messages, want %d", len(p.messages), tt.want)
			}
		})
	}
}

func TestRepeatsAreNotSent(t *testing.T) {
	p := newPost()
	h := p.handler()
	handle(t, h, opened("app"), opened("app"))
	handle(t, h, opened("app"))
	handle(t, p.handler(), opened("app"))
	if len(p.messages) != 1 {
		t.Errorf("%d messages, want 1", len(p.messages))
	}
}

func TestAFailedSendComesAgainAndIsSent(t *testing.T) {
	p := newPost()
	h := p.handler()
	p.broken["send"] = fmt.Errorf("the topic %w", guard.ErrGone)
	if diff := cmp.Diff([]string{"m0", "m1", "m2"}, handle(t, h, opened("app"), opened("db"), opened("app"))); diff != "" {
		t.Fatalf("messages that come again (-want +got):\n%s", diff)
	}
	delete(p.broken, "send")
	if failed := handle(t, h, opened("app"), opened("db")); len(failed) > 0 || len(p.messages) != 1 {
		t.Errorf("failed %v, %d messages", failed, len(p.messages))
	}
	if strings.Contains(p.messages[0].Text, "may have had") {
		t.Error("a first delivery is called a repeat")
	}
}

func TestOneChannelDoesNotHoldBackTheOther(t *testing.T) {
	mail, chat := newPost(), newPost()
	h := mail.handler()
	h.Channels = append(h.Channels, alert.Channel{Channel: row("chat"), Sender: chat, Overview: "C0PAYMENTS"})
	chat.broken["send"] = errors.New("chat is down")
	if failed := handle(t, h, opened("app")); len(failed) != 1 || len(mail.messages) != 1 {
		t.Fatalf("failed %v, %d mails", failed, len(mail.messages))
	}
	delete(chat.broken, "send")
	if failed := handle(t, h, opened("app")); len(failed) > 0 {
		t.Fatalf("failed %v", failed)
	}
	if len(mail.messages) != 1 || len(chat.messages) != 1 {
		t.Errorf("%d mails and %d chat messages, want one each", len(mail.messages), len(chat.messages))
	}
	if !json.Valid([]byte(chat.messages[0].Text)) {
		t.Errorf("chat message is not JSON: %s", chat.messages[0].Text)
	}
}

// A process that dies between sending and remembering leaves nobody who knows. What is sent again says that it may be
// a repeat; sending nothing could lose the only message.
func TestDeathBetweenSendingAndRememberingIsAdmitted(t *testing.T) {
	p := newPost()
	p.broken["delivered"] = errors.New("died")
	handle(t, p.handler(), opened("app"))
	delete(p.broken, "delivered")
	if failed := handle(t, p.handler(), opened("app")); len(failed) != 1 || len(p.messages) != 1 {
		t.Fatalf("while the claim lasts: failed %v, %d messages", failed, len(p.messages))
	}
	p.now = p.now.Add(10 * time.Minute)
	if failed := handle(t, p.handler(), opened("app")); len(failed) > 0 || len(p.messages) != 2 {
		t.Fatalf("after it: failed %v, %d messages", failed, len(p.messages))
	}
	if !strings.Contains(p.messages[1].Text, "may have had this message before") {
		t.Errorf("the repeat does not say so:\n%s", p.messages[1].Text)
	}
}

// Between its claim and the sending somebody may take a notice over, who has a clock that is ahead. Of the two one sends it.
func TestWhoseClaimWasTakenOverSendsNothing(t *testing.T) {
	p := newPost()
	slow, quick := p.handler(), p.handler()
	p.before = func() {
		p.before = func() {}
		p.now = p.now.Add(20 * time.Minute)
		if failed := handle(t, quick, opened("app")); len(failed) > 0 {
			t.Errorf("who took it over failed: %v", failed)
		}
	}
	if diff := cmp.Diff([]string{"m0", "m1"}, handle(t, slow, opened("app"), opened("db"))); diff != "" {
		t.Errorf("messages that come again (-want +got):\n%s", diff)
	}
	if len(p.messages) != 1 || strings.Contains(p.messages[0].Text, "may have had") {
		t.Fatalf("%d messages, want the one of who took it over: %+v", len(p.messages), p.messages)
	}
	if failed := handle(t, slow, opened("app"), opened("db")); len(failed) > 0 || len(p.messages) != 2 {
		t.Fatalf("afterwards: failed %v, %d messages", failed, len(p.messages))
	}
	if text := p.messages[1].Text; strings.Contains(text, "may have had") || strings.Contains(text, "app") {
		t.Errorf("of the two the other goes, and for the first time:\n%s", text)
	}
}

// Nobody knows whose a notice is while the table does not answer: it stays until it does.
func TestWhatCannotBeBegunIsNotSent(t *testing.T) {
	p := newPost()
	p.broken["begin"] = fmt.Errorf("the table: %w", guard.ErrUnavailable)
	if failed := handle(t, p.handler(), opened("app")); len(failed) != 1 || len(p.messages) > 0 {
		t.Fatalf("failed %v, %d messages", failed, len(p.messages))
	}
	delete(p.broken, "begin")
	if failed := handle(t, p.handler(), opened("app")); len(failed) > 0 || len(p.messages) != 1 || strings.Contains(p.messages[0].Text, "may have had") {
		t.Errorf("failed %v, %+v", failed, p.messages)
	}
}

func TestOpenedAndResolvedInOneBatchIsSentAsResolved(t *testing.T) {
	p := newPost()
	h := p.handler()
	resolved := envelope(notifytest.Resolved(guard.SecretDefaultKey, "app"), nil)
	handle(t, h, resolved, opened("app")) // the queue has turned them round
	if len(p.messages) != 1 || !strings.Contains(p.messages[0].Subject, "DONE") {
		t.Fatalf("messages %+v", p.messages)
	}
	handle(t, h, opened("app"))
	if len(p.messages) != 1 {
		t.Error("the overtaken notice was sent after all")
	}
}

func TestBrokenMessagesGoBackAndTheOthersAreSent(t *testing.T) {
	p := newPost()
	nameless := envelope(guard.Notice{Kind: guard.NoticeOpened}, nil)
	if diff := cmp.Diff([]string{"m0", "m2"}, handle(t, p.handler(), "{", opened("app"), nameless)); diff != "" {
		t.Errorf("messages that come again (-want +got):\n%s", diff)
	}
	if len(p.messages) != 1 {
		t.Errorf("%d messages, want 1", len(p.messages))
	}
	p.broken["claim"] = guard.ErrThrottled
	if failed := handle(t, p.handler(), opened("db")); len(failed) != 1 {
		t.Errorf("throttled claim: failed %v", failed)
	}
}

func FuzzHandleNeverPanics(f *testing.F) {
	f.Add(opened("app"))
	f.Add(`{"source":"doublelock","account":"999988887777","detail":{"id":"1","kind":"finding_opened","decision":{"tell":true}}}`)
	f.Add(`{"source":"doublelock","account":"999988887777","detail":{"id":"1","kind":"incident_opened","blast":{"stops":[{}]}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		p := newPost()
		handle(t, p.handler(), body)
		for _, m := range p.messages {
			if len(m.Subject) > notify.MaxSubject || m.Attributes["owner"] == "" {
				t.Errorf("subject of %d bytes, owner %q", len(m.Subject), m.Attributes["owner"])
			}
		}
	})
}

func TestADigestIsOneMessageOnceADay(t *testing.T) {
	open := func(name string) guard.Notice { return notifytest.Opened(guard.SecretDefaultKey, name, "") }
	digest := guard.Notice{
		ID: "digest|payments|2026-06-02", Kind: guard.NoticeDigest, Name: "payments", Resource: "doublelock:digest:payments",
		Open: []guard.Notice{open("app"), open("db")}, Detail: "7 more findings of yours are open; the most urgent come first.",
	}
	p := newPost()
	body := envelope(digest, nil)
	if failed := handle(t, p.handler(), body, opened("app"), body); failed != nil {
		t.Errorf("failed: %v", failed)
	}
	handle(t, p.handler(), body)
	if len(p.messages) != 2 {
		t.Fatalf("%d messages, want the news and one digest: %+v", len(p.messages), p.messages)
	}
	m := p.messages[1]
	if m.Subject != "[Doublelock] HIGH: 2 resources still need you" || m.Attributes["owner"] != "payments" {
		t.Errorf("subject %q, attributes %v", m.Subject, m.Attributes)
	}
	for _, want := range []string{"app", "db", "7 more findings of yours"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the digest does not say %q:\n%s", want, m.Text)
		}
	}
	digest.ID, digest.Open = "digest|payments|2026-06-03", nil
	handle(t, p.handler(), envelope(digest, nil))
	if len(p.messages) != 2 {
		t.Error("an empty digest was sent")
	}
}

func TestADigestThatCouldNotBeSentComesAgain(t *testing.T) {
	p := newPost()
	p.broken["send"] = errors.New("throttled")
	body := envelope(guard.Notice{ID: "digest|x|2026-06-02", Kind: guard.NoticeDigest, Name: "x",
		Open: []guard.Notice{notifytest.Opened(guard.SecretDefaultKey, "app", "")}}, nil)
	if failed := handle(t, p.handler(), body); len(failed) != 1 {
		t.Errorf("failed: %v", failed)
	}
	delete(p.broken, "send")
	if failed := handle(t, p.handler(), body); failed != nil || len(p.messages) != 1 {
		t.Errorf("failed: %v, messages %+v", failed, p.messages)
	}
}

// What the guard says of one resource can be for two: the finding for its owner, the blind spot for the fallback.
func TestAFindingIsNotLostBesideABlindSpotOfTheSameResource(t *testing.T) {
	finding := notifytest.Opened(guard.SecretDefaultKey, "app", "terraform")
	finding.ID = "DL.SECRET.1|" + finding.ID
	sight := notifytest.Resolved(guard.SecretReplicaKey, "app")
	sight.ID, sight.At, sight.Finding.Control = "DL.ORG.1|"+sight.ID, finding.At, guard.OrgCoverage
	sight.Finding.Title = guard.CoverageControl().Title
	p := newPost()
	if failed := handle(t, p.handler(), envelope(finding, nil), envelope(sight, nil)); failed != nil {
		t.Fatalf("failed: %v", failed)
	}
	owners := map[string]bool{}
	for _, m := range p.messages {
		owners[m.Attributes["owner"]] = strings.Contains(m.Text, "is under the AWS managed key")
	}
	if diff := cmp.Diff(map[string]bool{"payments": true, "security": false}, owners); diff != "" {
		t.Errorf("owners who are notified, and whether of the finding (-want +got):\n%s", diff)
	}
	if len(p.done) != 2 {
		t.Errorf("%d deliveries remembered, want both", len(p.done))
	}
}

func TestWithoutAnAccountNothingIsTheHubsOwn(t *testing.T) {
	p := newPost()
	h := p.handler()
	h.Account = ""
	if failed := handle(t, h, opened("app")); failed != nil || len(p.messages) > 0 {
		t.Errorf("failed %v, %d messages from an account nobody named", failed, len(p.messages))
	}
}
