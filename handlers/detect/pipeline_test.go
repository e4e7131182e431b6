package detect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/store"
)

// pipeline is the whole way from an event to a person, with queues that repeat and reorder and processes that die.
type pipeline struct {
	*world
	events  []string // delivered at least once each, in any order
	notices []string // likewise
	sent    int      // how many published notices are on their way already
	claims  map[string]claimed
	mailed  map[string]int // how often a person was told, by notice and channel
}

type claimed struct {
	done, begun bool
	by          string
	until       time.Time
}

// claims is the store of deliveries as one process sees it, which knows what it holds itself.
type claims struct {
	p    *pipeline
	held map[string]bool
}

func (f claims) Claim(_ context.Context, id, by string, lease time.Duration) (store.Claim, error) {
	if err := f.p.trip("claim"); err != nil {
		return "", err
	}
	have, known := f.p.claims[id]
	switch {
	case have.done:
		return store.ClaimDone, nil
	case known && f.p.now.Before(have.until):
		return store.ClaimBusy, nil
	}
	f.p.claims[id] = claimed{by: by, begun: have.begun, until: f.p.now.Add(lease)}
	if err := f.p.trip("claim done"); err != nil {
		return "", err // stored, and the one who asked does not know
	}
	f.held[id] = true
	if have.begun {
		return store.ClaimAgain, nil
	}
	return store.ClaimNew, nil
}

func (f claims) Begin(_ context.Context, id, by string) error {
	have := f.p.claims[id]
	if have.by != by || have.done {
		return store.ErrLost
	}
	f.p.claims[id] = claimed{by: by, begun: true, until: f.p.now.Add(store.UnderWay)}
	return f.p.trip("begin")
}

func (f claims) Delivered(_ context.Context, id string, _ time.Duration) error {
	f.p.claims[id] = claimed{done: true}
	delete(f.held, id)
	return nil
}

func (f claims) Doubt(_ context.Context, id, _ string) error {
	f.p.claims[id] = claimed{begun: true, until: f.p.now}
	delete(f.held, id)
	return nil
}

func (f claims) Release(_ context.Context, id, _ string) error {
	delete(f.p.claims, id)
	delete(f.held, id)
	return nil
}

// inbox counts what a person is told in one channel. There is one owner, so one message has all that the process holds.
type inbox struct {
	claims  claims
	channel string
}

func (f inbox) Send(ctx context.Context, l alert.Message) error {
	if err := store.SendingOf(ctx).Before(ctx); err != nil {
		return err
	}
	if err := f.claims.p.trip("send"); err != nil {
		return err
	}
	if l.Subject == "" || l.Attributes["owner"] != "payments" {
		return fmt.Errorf("message %q for %q", l.Subject, l.Attributes["owner"])
	}
	for id := range f.claims.held {
		if strings.HasPrefix(id, f.channel) {
			f.claims.p.mailed[id]++
		}
	}
	return nil
}

func (p *pipeline) alert() *alert.Handler {
	mine := claims{p, map[string]bool{}}
	var deployed []alert.Channel
	for _, row := range channels.All()[:2] {
		deployed = append(deployed, alert.Channel{Channel: row, Sender: inbox{mine, row.Name}, Overview: "C0OVERVIEW"})
	}
	return &alert.Handler{
		Channels: deployed, Claims: mine, Source: "doublelock", Account: account, Log: slog.New(slog.DiscardHandler),
		Directory: notify.Directory{Tags: []string{"Owner"}, Fallback: "payments", Channels: map[string]notify.Address{"payments": {"email": "payments@example.com"}}},
		KeyFor:    func(guard.Notice, string) string { return "alias/doublelock/secrets" },
	}
}

// carry puts what was published on the way to alert.
func (p *pipeline) carry() {
	for ; p.sent < len(p.published); p.sent++ {
		n := p.published[p.sent]
		detail, err := json.Marshal(n)
		if err != nil {
			panic(err)
		}
		body, err := json.Marshal(events.EventBridgeEvent{ID: n.ID, Source: "doublelock", DetailType: "Doublelock Finding", AccountID: account, Detail: detail})
		if err != nil {
			panic(err)
		}
		p.notices = append(p.notices, string(body))
	}
}

type batchHandler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// deliver hands a batch to a new process, which may die, and returns what has to come again.
func deliver(h batchHandler, bodies []string) (again []string) {
	defer func() {
		if died := recover(); died != nil {
			if err, ok := died.(error); !ok || !errors.Is(err, errCrash) {
				panic(died)
			}
			again = bodies
		}
	}()
	answer, err := h(context.Background(), queue(bodies...))
	if err != nil {
		return bodies
	}
	for _, f := range answer.BatchItemFailures {
		for i := range bodies {
			if f.ItemIdentifier == fmt.Sprintf("m%d", i) {
				again = append(again, bodies[i])
			}
		}
	}
	return again
}

// take takes some of a queue out, in any order, and leaves some of what it took in it: queues repeat themselves.
func take(t *rapid.T, label string, from *[]string) []string {
	if len(*from) == 0 {
		return nil
	}
	order := make([]int, len(*from))
	for i := range order {
		order[i] = i
	}
	order = rapid.Permutation(order).Draw(t, label)
	n := rapid.IntRange(1, min(4, len(order))).Draw(t, label+" size")
	var batch, kept []string
	for i, at := range order {
		if i < n {
			batch = append(batch, (*from)[at])
			continue
		}
		kept = append(kept, (*from)[at])
	}
	if rapid.IntRange(0, 4).Draw(t, label+" repeats") == 0 {
		kept = append(kept, batch[0])
	}
	*from = kept
	return batch
}

// touch changes a secret the way some API call does, and queues its event.
func (p *pipeline) touch(t *rapid.T, name string) {
	s := p.secrets[arnOf(name)]
	event := rapid.SampledFrom([]string{"UpdateSecret", "PutSecretValue", "drift", "TagResource", "DeleteSecret"}).Draw(t, "change")
	id := fmt.Sprintf("%s-%s-%d", event, name, len(p.events)+p.now.Nanosecond()+p.now.Second()+p.now.Minute()*60)
	switch {
	case s == nil:
		p.add(name, "")
		event = "CreateSecret"
	case event == "UpdateSecret":
		p.rekey(s, cmk)
	case event == "drift":
		event = "UpdateSecret"
		p.rekey(s, "")
	case event == "PutSecretValue":
		p.put(s)
	case event == "DeleteSecret":
		delete(p.secrets, s.ARN)
	}
	p.events = append(p.events, call{name: event, secret: arnOf(name), id: id}.body())
}

func TestAnyInterleavingEndsInTheTruthAndNotifiesOfEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pipeline{world: newWorld(), claims: map[string]claimed{}, mailed: map[string]int{}}
		names := []string{"app", "db"}
		faults := 0
		p.trip = func(step string) error {
			if faults == 0 || rapid.IntRange(0, 9).Draw(t, step) > 0 {
				return nil
			}
			faults--
			switch rapid.IntRange(0, 2).Draw(t, "fault") {
			case 0:
				panic(errCrash)
			case 1:
				return fmt.Errorf("%s: %w", step, guard.ErrThrottled)
			default:
				return errors.New(step + ": broken")
			}
		}
		for range rapid.IntRange(3, 25).Draw(t, "steps") {
			p.now = p.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			faults = rapid.IntRange(0, 2).Draw(t, "faults")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				p.touch(t, rapid.SampledFrom(names).Draw(t, "secret"))
			case 1:
				p.events = append(p.events, deliver(p.handler().Handle, take(t, "events", &p.events))...)
			case 2:
				p.notices = append(p.notices, deliver(p.alert().Handle, take(t, "notices", &p.notices))...)
			}
			p.carry()
		}
		faults = 0
		p.drain(t)
		for _, name := range names {
			p.checkTruth(t, name)
		}
		p.checkNotified(t)
	})
}

// drain delivers until nothing is left.
func (p *pipeline) drain(t *rapid.T) {
	for round := 0; len(p.events)+len(p.notices) > 0; round++ {
		if round > 200 {
			t.Fatalf("%d events and %d notices never end", len(p.events), len(p.notices))
		}
		p.now = p.now.Add(10 * time.Minute)
		p.events = append(p.events, deliver(p.handler().Handle, take(t, "events", &p.events))...)
		p.carry()
		p.notices = append(p.notices, deliver(p.alert().Handle, take(t, "notices", &p.notices))...)
	}
}

// checkTruth compares what is recorded with what is true.
func (p *pipeline) checkTruth(t *rapid.T, name string) {
	rec := p.load(arnOf(name))
	if len(rec.Outbox) > 0 {
		t.Errorf("%s: %d notices are still in the outbox", name, len(rec.Outbox))
	}
	want := map[guard.ControlID]bool{}
	if s, err := (secrets{p.world}).Describe(context.Background(), guard.SecretRef{ID: arnOf(name)}); err == nil {
		for _, v := range guard.Evaluate(s, guard.Standard{}, p.now) {
			if v.Outcome == guard.Fail {
				want[v.Control.ID] = true
			}
		}
		if state := guard.StateOf(s, rec.LastKnown); rec.State != state {
			t.Errorf("%s: recorded as %s, is %s", name, rec.State, state)
		}
		if missing := guard.MissingTags(s.Tags, guard.Tags(rec)); len(missing) > 0 {
			t.Errorf("%s: tags %v do not say what is recorded", name, missing)
		}
	}
	got := map[guard.ControlID]bool{}
	for _, f := range rec.Open() {
		got[f.Control] = true
	}
	if !maps.Equal(want, got) {
		t.Errorf("%s: findings %v are open, want %v", name, got, want)
	}
}

// checkNotified sees to it that every notice for a person reached one, once in each channel, and that the notices of each
// finding opened and resolved by turns.
func (p *pipeline) checkNotified(t *rapid.T) {
	last := map[string]guard.NoticeKind{}
	seen := map[string]bool{}
	for _, n := range p.published {
		if seen[n.ID] {
			continue
		}
		seen[n.ID] = true
		if n.Finding != nil {
			if last[n.Finding.ID()] == n.Kind || (last[n.Finding.ID()] == "" && n.Kind != guard.NoticeOpened) {
				t.Errorf("%s twice in a row for %s", n.Kind, n.Finding.ID())
			}
			last[n.Finding.ID()] = n.Kind
		}
		for _, channel := range []string{"email", "chat"} {
			want := 0
			if n.Notified() {
				want = 1
			}
			if got := p.mailed[notify.DedupeKey(channel, n)]; got != want {
				t.Errorf("%s was told %d times by %s, want %d", n.ID, got, channel, want)
			}
		}
	}
}
