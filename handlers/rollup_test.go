package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// sendings is all that several processes of alert have sent, whose clock it is. lose has an answer fail after, or before,
// the message went out.
type sendings struct {
	mu   sync.Mutex
	now  time.Time
	sent []sending
	lose func() (before, after error)
	die  func(sent bool) // ends the process that sends, before the message went out or after
}

type sending struct {
	alert.Message

	channel string
	at      time.Time
}

type via struct {
	*sendings

	channel string
}

func (v via) Send(ctx context.Context, m alert.Message) error {
	if err := store.SendingOf(ctx).Before(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var before, after error
	if v.lose != nil {
		before, after = v.lose()
	}
	if before != nil {
		return before
	}
	if v.die != nil {
		v.die(false)
	}
	v.sent = append(v.sent, sending{m, v.channel, v.now})
	if v.die != nil {
		v.die(true)
	}
	return after
}

func (s *sendings) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *sendings) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// owned is alert on the hub's table, for so many owners that have a mail address and a Slack channel each.
func owned(t *testing.T, s *sendings, owners int, names ...string) func() *alert.Handler {
	t.Helper()
	h := newHub(t)
	return func() *alert.Handler {
		a, err := alert.Wire(t.Context(), func(name string) string { return h.env[name] }, s.clock, nil)
		if err != nil {
			t.Error(err)
			return nil
		}
		a.Directory = notify.Directory{Tags: []string{"Owner"}, Fallback: "owner-0", Channels: map[string]notify.Address{}}
		for n := range owners {
			a.Directory.Channels[fmt.Sprintf("owner-%d", n)] = notify.Address{"email": fmt.Sprintf("o%d@example.com", n), "slackChannel": fmt.Sprintf("C%09d", n)}
		}
		a.Channels = nil
		for _, row := range channels.All() {
			if !slices.Contains(names, row.Name) {
				continue
			}
			a.Channels = append(a.Channels, alert.Channel{Channel: row, Sender: via{s, row.Name}})
		}
		return a
	}
}

func finding(n, owners int) guard.Notice {
	one := notifytest.Opened(guard.SecretDefaultKey, fmt.Sprintf("secret-%05d", n), "cli")
	one.Tags = map[string]string{"Owner": fmt.Sprintf("owner-%d", n%owners)}
	one.EventID, one.Actor = "", ""
	return one
}

func body(t testing.TB, source, detailType string, detail any) events.SQSMessage {
	t.Helper()
	raw, err := json.Marshal(detail)
	if err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal(events.EventBridgeEvent{ID: "b", Source: source, DetailType: detailType, AccountID: hubAccount, Detail: raw})
	if err != nil {
		t.Fatal(err)
	}
	return events.SQSMessage{Body: string(event)}
}

func rollUp(t testing.TB) events.SQSEvent {
	m := body(t, settings.EventSource, settings.DetailTypeSchedule, map[string]string{"task": settings.TaskRollUp})
	m.MessageId = "task"
	return events.SQSEvent{Records: []events.SQSMessage{m}}
}

// An organization is enrolled: its sweep finds everything at a time.
func TestTenThousandFindingsOfAnHourAreTwelveMessagesAnOwnerAtMostAndNoneIsLeftOut(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand findings")
	}
	owners := 50
	if raceDetector { // eight times as long; processes meet on an owner's row, and there are as many of each
		owners = 5
	}
	t.Run("by mail", func(t *testing.T) { enrolled(t, owners, owners*200, "email") })
	t.Run("in a chat", func(t *testing.T) { enrolled(t, 4, 800, "chat") }) // as many an owner
}

func enrolled(t *testing.T, owners, findings int, channel string) {
	const processes = 4
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
	open := owned(t, s, owners, channel)
	all := make([]*alert.Handler, processes)
	for i := range all {
		all[i] = open()
	}
	began, ticked := s.now, s.now
	for from := 0; from < findings; {
		var group errgroup.Group
		for _, h := range all {
			var batch events.SQSEvent
			for range 10 {
				m := body(t, settings.EventSource, settings.DetailTypeNotice, finding(from, owners))
				m.MessageId = fmt.Sprint(from)
				batch.Records, from = append(batch.Records, m), from+1
			}
			group.Go(func() error {
				for tries := 0; len(batch.Records) > 0; tries++ { // as the queue does
					answer, err := h.Handle(t.Context(), batch)
					if err != nil || tries > 50 {
						return fmt.Errorf("%d messages fail: %w", len(batch.Records), err)
					}
					batch.Records = slices.DeleteFunc(batch.Records, func(m events.SQSMessage) bool {
						return !slices.ContainsFunc(answer.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == m.MessageId })
					})
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if s.pass(time.Hour / time.Duration(findings/(processes*10))); s.clock().Sub(ticked) >= time.Minute {
			tick(t, all)
			ticked = s.clock()
		}
	}
	for range 130 {
		s.pass(time.Minute)
		tick(t, all)
	}
	perHour, in := map[string]int{}, map[string]int{}
	for _, m := range s.sent {
		if m.at.Sub(began) < time.Hour {
			perHour[m.channel+" to "+m.To+m.Attributes["owner"]]++
		}
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`secret-\d{5}`).FindAllString(m.Text, -1) {
			named[name] = true
		}
		if len(named) != len(m.Notices) {
			t.Errorf("a message names %d secrets and has the ids of %d notices", len(named), len(m.Notices))
		}
		for name := range named {
			in[name]++
		}
	}
	most := slices.Max(slices.Collect(maps.Values(perHour)))
	if most > 12 {
		t.Errorf("%d messages of an hour by one channel to one owner", most)
	}
	if len(in) != findings {
		t.Errorf("%d findings are in messages, want %d", len(in), findings)
	}
	for name, n := range in {
		if n != 1 {
			t.Errorf("%s is in %d messages", name, n)
		}
	}
	t.Logf("%d messages for %d findings; at most %d an owner and channel in the first hour", len(s.sent), findings, most)
}

// The overview has the messages of every owner, and people who read them all.
func TestTheOverviewGetsNoMoreOfAnHourThanAnOwner(t *testing.T) {
	const owners, findings = 20, 200
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
	h := owned(t, s, owners, "chat")()
	for i := range h.Channels {
		h.Channels[i].Overview = "C0OVERVIEW"
	}
	for n := range findings {
		m := body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, owners))
		m.MessageId = fmt.Sprint(n)
		if answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}}); err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatal(answer, err)
		}
	}
	for range 130 {
		s.pass(time.Minute)
		if answer, err := h.Handle(t.Context(), rollUp(t)); err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatal(answer, err)
		}
	}
	messages, in := map[int]int{}, map[string]int{}
	for _, m := range s.sent {
		if m.To != "" { // an owner's own; the overview's has a topic of its own
			continue
		}
		messages[int(m.at.Sub(s.sent[0].at)/time.Hour)]++
		for _, id := range m.Notices {
			in[id]++
		}
	}
	for hour, n := range messages {
		if n > 12 {
			t.Errorf("%d messages in hour %d", n, hour)
		}
	}
	if len(in) != findings || slices.Max(slices.Collect(maps.Values(in))) != 1 {
		t.Errorf("%d findings are in the overview, want %d, each in one message", len(in), findings)
	}
}

// Whoever sends a roll-up dies in the middle of it, before a message went out or after, and another process goes on.
func TestAProcessThatDiesInARollUpLeavesEachFindingInOneMessage(t *testing.T) {
	for name, died := range map[string]struct {
		sent bool
		want int // messages that a finding of the interrupted one is in
	}{"before it was sent": {false, 1}, "after it was sent": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
			open := owned(t, s, 1, "email")
			const findings = 60
			h := open()
			for n := range findings {
				m := body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, 1))
				m.MessageId = fmt.Sprint(n)
				if answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}}); err != nil || len(answer.BatchItemFailures) > 0 {
					t.Fatal(answer, err)
				}
			}
			atOnce := len(s.sent)
			s.pass(11 * time.Minute)
			s.die = func(sent bool) {
				if sent == died.sent {
					runtime.Goexit() // nothing of it reaches the table any more
				}
			}
			task, gone := rollUp(t), make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = h.Handle(t.Context(), task)
				t.Error("nobody died")
			}()
			<-gone
			s.die = nil
			next := open()
			for range 30 {
				s.pass(time.Minute)
				_, _ = next.Handle(t.Context(), rollUp(t))
			}
			in, repeats := map[string]int{}, 0
			for _, m := range s.sent {
				for _, id := range m.Notices {
					in[id]++
				}
				if m.Attributes["repeat"] == "true" {
					repeats += len(m.Notices)
				}
			}
			twice := 0
			for id, n := range in {
				if n > died.want {
					t.Errorf("%s is in %d messages", id, n)
				}
				if n == 2 {
					twice++
				}
			}
			if len(in) != findings || atOnce != 4 || repeats < twice || (twice > 0) != died.sent {
				t.Errorf("%d of %d findings were sent, %d at once; %d twice, %d of them marked", len(in), findings, atOnce, twice, repeats)
			}
		})
	}
}

// tick has every process try the roll-up at the same time.
func tick(t *testing.T, all []*alert.Handler) {
	t.Helper()
	var group errgroup.Group
	for _, h := range all[:2] {
		group.Go(func() error {
			answer, err := h.Handle(t.Context(), rollUp(t))
			if len(answer.BatchItemFailures) > 0 {
				return fmt.Errorf("roll-up failed: %w", guard.ErrConflict)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Log(err) // the next minute comes to it again
	}
}

// once refuses the first Put, as a throttled table does.
type once struct {
	store.Outbox

	refused bool
}

func (o *once) Put(ctx context.Context, box, id string, body json.RawMessage) error {
	if !o.refused {
		o.refused = true
		return guard.ErrThrottled
	}
	return o.Outbox.Put(ctx, box, id, body)
}

func TestWhatIsKeptForARollUpGoesAlthoughAnotherNoticeOfItsMessageCouldNotBeKept(t *testing.T) {
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
	a := owned(t, s, 1, "email")()
	for n := range 5 { // the fourth is the last that goes at once
		m := body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, 1))
		if n == 4 {
			a.RollUps.Box = &once{Outbox: a.RollUps.Box}
			second := body(t, settings.EventSource, settings.DetailTypeNotice, finding(5, 1))
			m.MessageId, second.MessageId = "refused", "kept"
			answer, err := a.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m, second}})
			if err != nil || len(answer.BatchItemFailures) != 1 {
				t.Fatalf("answer is %v, %v, want one of the two to come again", answer, err)
			}
			continue
		}
		if answer, err := a.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}}); err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatalf("answer is %v, %v", answer, err)
		}
	}
	s.pass(11 * time.Minute)
	if answer, err := a.Handle(t.Context(), rollUp(t)); err != nil || len(answer.BatchItemFailures) > 0 {
		t.Fatalf("roll-up: %v, %v", answer, err)
	}
	if len(s.sent) != 5 || len(s.sent[4].Notices) != 1 {
		t.Errorf("%d messages went, want the four and a roll-up of the one that was kept", len(s.sent))
	}
}

// late has the write of something that is kept arrive twice, as when it was slow and its sender tried again.
type late struct {
	store.Outbox

	again func() error
}

func (l *late) Put(ctx context.Context, box, id string, body json.RawMessage) error {
	if strings.HasPrefix(box, "rollup#") {
		l.again = func() error { return l.Outbox.Put(store.WithSending(context.WithoutCancel(ctx), nil), box, id, body) } // it left in time
	}
	return l.Outbox.Put(ctx, box, id, body)
}

// A write that was slow can arrive after the roll-up had its notice, which its second try brought.
func TestWhatIsKeptASecondTimeGoesASecondTimeOnlyAsARepeat(t *testing.T) {
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
	a := owned(t, s, 1, "email")()
	box := &late{Outbox: a.RollUps.Box}
	a.RollUps.Box = box
	handle := func(batch events.SQSEvent) {
		t.Helper()
		if answer, err := a.Handle(t.Context(), batch); err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatalf("answer is %v, %v", answer, err)
		}
	}
	for n := range 5 { // the fourth is the last that goes at once
		handle(events.SQSEvent{Records: []events.SQSMessage{body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, 1))}})
	}
	s.pass(11 * time.Minute)
	handle(rollUp(t))
	if err := box.again(); err != nil {
		t.Fatal(err)
	}
	handle(events.SQSEvent{Records: []events.SQSMessage{body(t, settings.EventSource, settings.DetailTypeNotice, finding(6, 1))}}) // names the owner again
	s.pass(61 * time.Minute)
	handle(rollUp(t))
	s.pass(11 * time.Minute)
	for n := 7; n < 12; n++ {
		handle(events.SQSEvent{Records: []events.SQSMessage{body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, 1))}})
	}
	s.pass(11 * time.Minute)
	handle(rollUp(t))
	seen, repeats := map[string]bool{}, 0
	for _, m := range s.sent {
		for _, id := range m.Notices {
			if seen[id] && m.Attributes["repeat"] != "true" {
				t.Errorf("notice %s in a second message without a word", id)
			}
			if seen[id] {
				repeats++
			}
			seen[id] = true
		}
	}
	if repeats != 1 || len(seen) != 11 {
		t.Errorf("%d notices went, %d of them twice; want 11, and the one that was kept twice", len(seen), repeats)
	}
}

// A window that cannot be read begins anew, and counts its turns anew: by a clock that goes wrong, too. What waited under the lost
// one is of a turn that the new one has not had, and goes in the next roll-up all the same, as one that may have gone.
func TestWhatWaitsUnderAWindowThatIsLostGoesInTheNextRollUpAsARepeat(t *testing.T) {
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}
	a := owned(t, s, 1, "email")()
	handle := func(batch events.SQSEvent) {
		t.Helper()
		if answer, err := a.Handle(t.Context(), batch); err != nil || len(answer.BatchItemFailures) > 0 {
			t.Fatalf("answer is %v, %v", answer, err)
		}
	}
	n := 0
	notify := func() {
		handle(events.SQSEvent{Records: []events.SQSMessage{body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, 1))}})
		n++
	}
	for range 5 { // the fourth is the last that goes at once
		notify()
	}
	for range 5 { // turns
		s.pass(11 * time.Minute)
		handle(rollUp(t))
		for range 5 {
			notify()
		}
	}
	before := len(s.sent)

	var garbage any
	revision, err := a.RollUps.Windows.LoadAnew(t.Context(), "email", "owner-0", &garbage)
	if err != nil || revision == 0 {
		t.Fatalf("revision %d, %v", revision, err)
	}
	err = a.RollUps.Windows.Save(t.Context(), store.Document{Kind: store.KindRollUp, Group: "email", ID: "owner-0", Revision: revision},
		func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{"from":7}`), nil })
	if err != nil {
		t.Fatal(err)
	}
	s.pass(-20 * time.Minute)
	handle(rollUp(t))
	s.pass(31 * time.Minute)
	handle(rollUp(t))
	gone := 0
	for _, m := range s.sent[before:] {
		if gone += len(m.Notices); m.Attributes["repeat"] != "true" {
			t.Errorf("notices %v went without saying that they may have gone", m.Notices)
		}
	}
	if gone != 5 {
		t.Errorf("%d notices went after the window was lost, want the 5 that waited", gone)
	}
}

// Answers get lost, sends are refused, and the queue brings everything again: nothing may come twice without saying so.
func TestAMessageWhoseAnswerWasLostComesAgainOnlyAsARepeat(t *testing.T) {
	const owners, notices = 10, 400
	random := rand.New(rand.NewPCG(10, 7))
	lost, refused := 0, 0
	s := &sendings{now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC), lose: func() (before, after error) {
		switch random.IntN(10) {
		case 0:
			refused++
			return fmt.Errorf("send: %w", guard.ErrThrottled), nil
		case 1, 2:
			lost++
			return nil, fmt.Errorf("send: %w", guard.ErrUnavailable)
		}
		return nil, nil
	}}
	h := owned(t, s, owners, "email", "chat")()
	var waiting []events.SQSMessage
	for n := range notices {
		m := body(t, settings.EventSource, settings.DetailTypeNotice, finding(n, owners))
		m.MessageId = fmt.Sprint(n)
		waiting = append(waiting, m)
	}
	for minutes := 0; minutes < 400; minutes++ {
		s.pass(time.Minute)
		batch := events.SQSEvent{Records: slices.Clone(waiting[:min(10, len(waiting))])}
		waiting = waiting[len(batch.Records):]
		answer, err := h.Handle(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch.Records {
			again := slices.ContainsFunc(answer.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == m.MessageId })
			if again || random.IntN(20) == 0 {
				waiting = append(waiting, m)
			}
		}
		if _, err := h.Handle(t.Context(), rollUp(t)); err != nil {
			t.Fatal(err)
		}
	}
	if len(waiting) > 0 || lost < 10 || refused < 5 {
		t.Fatalf("%d messages never end; %d answers were lost, %d sends refused", len(waiting), lost, refused)
	}
	times, unmarked := map[string]int{}, 0
	for _, m := range s.sent {
		for _, id := range m.Notices {
			key := m.channel + " " + id
			if times[key]++; times[key] > 1 && (m.Attributes["repeat"] != "true" || !strings.Contains(m.Text, "may have had this message") && !strings.Contains(m.Text, "may be a repeat")) {
				unmarked++
			}
		}
	}
	twice := 0
	for _, n := range times {
		if n > 1 {
			twice++
		}
	}
	if len(times) != 2*notices || unmarked > 0 || twice == 0 {
		t.Errorf("%d of %d notices by channel were sent, %d more than a single time, %d without saying so", len(times), 2*notices, twice, unmarked)
	}
	t.Logf("%d notices by two channels, %d answers lost, %d sends refused: %d came twice, %d of them unmarked", notices, lost, refused, twice, unmarked)
}
