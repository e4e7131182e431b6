package watchdog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

const hub = "222222222222"

var at = time.Date(2026, 6, 2, 8, 0, 0, 0, time.UTC)

// fakeHub is all that the watchdog stands on, in memory.
type fakeHub struct {
	healths   []fleet.Health
	records   map[string]guard.Record
	published []guard.Notice
	beats     int
	reads     []trail.Change
	conflicts int              // saves that somebody else was faster than
	broken    map[string]error // by step
	unproved  []string         // where the way of the reads was said to be broken
}

func newFakeHub(healths ...fleet.Health) *fakeHub {
	return &fakeHub{healths: healths, records: map[string]guard.Record{}, broken: map[string]error{}}
}

func (w *fakeHub) Pulses(context.Context) ([]fleet.Health, error) {
	return w.healths, w.broken["pulses"]
}

func (w *fakeHub) Load(_ context.Context, resource string) (guard.Record, error) {
	return w.records[resource], w.broken["load"]
}

func (w *fakeHub) Save(_ context.Context, rec guard.Record) error {
	if w.conflicts > 0 {
		w.conflicts--
		return guard.ErrConflict
	}
	if err := w.broken["save "+rec.Account]; err != nil {
		return err
	}
	if w.records[rec.Resource].Revision != rec.Revision {
		return guard.ErrConflict
	}
	rec.Revision++
	w.records[rec.Resource] = rec
	return nil
}

func (w *fakeHub) Break(_ context.Context, at migration.Location, found time.Time) error {
	w.unproved = append(w.unproved, at.Account+" "+at.Region+" "+found.Format(time.RFC3339))
	return w.broken["break"]
}

func (w *fakeHub) Publish(_ context.Context, notices []guard.Notice) error {
	if err := w.broken["publish"]; err != nil {
		return err
	}
	w.published = append(w.published, notices...)
	return nil
}

func (w *fakeHub) Beat(context.Context) error {
	w.beats++
	return w.broken["beat"]
}

func (w *fakeHub) DeniedRead(_ context.Context, c trail.Change) error {
	w.reads = append(w.reads, c)
	return w.broken["read"]
}

func (w *fakeHub) coverage(log *slog.Logger) *watchdog.Coverage {
	return &watchdog.Coverage{Fleet: w, Records: w, Bus: w, Namespace: "Doublelock", Metric: "Coverage", Now: func() time.Time { return at }, Log: log}
}

func heartbeat(account string) string {
	return `{"source":"doublelock","detail-type":"Doublelock Schedule","account":"` + account + `","detail":{"task":"heartbeat"}}`
}

// denied is a read that was denied, by whom.
func denied(session string) string {
	return `{"detail-type":"AWS API Call via CloudTrail","source":"aws.secretsmanager","account":"333333333333","region":"eu-central-1","detail":{
		"eventID":"e1","eventName":"GetSecretValue","eventSource":"secretsmanager.amazonaws.com","awsRegion":"eu-central-1","eventTime":"2026-06-02T08:00:00Z",
		"recipientAccountId":"333333333333","errorCode":"AccessDenied","errorMessage":"no","readOnly":true,"requestParameters":{"secretId":"app/db"},
		"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::333333333333:assumed-role/app/` + session + `","accountId":"333333333333"}}}`
}

func TestMessagesGoToWhomTheyAreFor(t *testing.T) {
	for name, tt := range map[string]struct {
		body         string
		change       func(*fakeHub, *watchdog.Handler)
		beats, reads int
		failed       bool
	}{
		"a heartbeat":                   {body: heartbeat(hub), beats: 1},
		"a heartbeat that fails":        {body: heartbeat(hub), beats: 1, failed: true, change: func(w *fakeHub, _ *watchdog.Handler) { w.broken["beat"] = errors.New("no") }},
		"a heartbeat that was forged":   {body: heartbeat("333333333333")},
		"a task of another handler":     {body: strings.Replace(heartbeat(hub), "heartbeat", "sweep", 1), failed: true},
		"a denied read":                 {body: denied("i-1"), reads: 1},
		"a denied read nobody judges":   {body: denied("i-1"), change: func(_ *fakeHub, h *watchdog.Handler) { h.Reads = nil }},
		"a denied read that fails":      {body: denied("i-1"), reads: 1, failed: true, change: func(w *fakeHub, _ *watchdog.Handler) { w.broken["read"] = guard.ErrThrottled }},
		"a denied read of our own":      {body: strings.Replace(denied("doublelock-remediate"), "/app/", "/doublelock-change/", 1)},
		"a read that was allowed":       {body: strings.Replace(denied("i-1"), `"errorCode":"AccessDenied",`, "", 1)},
		"another event":                 {body: strings.Replace(denied("i-1"), "GetSecretValue", "ListSecrets", 1)},
		"what is no JSON":               {body: "{", failed: true},
		"what is no event of anybody's": {body: "{}", failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFakeHub()
			h := &watchdog.Handler{Heartbeat: w, Reads: w, Account: hub, Log: slog.New(slog.DiscardHandler)}
			if tt.change != nil {
				tt.change(w, h)
			}
			answer, err := h.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: tt.body}}})
			if err != nil {
				t.Fatal(err)
			}
			if w.beats != tt.beats || len(w.reads) != tt.reads || (len(answer.BatchItemFailures) > 0) != tt.failed {
				t.Errorf("%d beats, %d reads, failures %v", w.beats, len(w.reads), answer.BatchItemFailures)
			}
		})
	}
}

func health(account string, pulse fleet.Pulse) fleet.Health {
	p := fleet.Health{Account: account, Region: "eu-central-1", Pulse: pulse}
	if pulse != fleet.PulseAlive {
		p.Why = "forward rule doublelock-labels: the rule does not exist"
	}
	return p
}

func TestSilenceIsAFindingUntilItEnds(t *testing.T) {
	w := newFakeHub()
	beat := func(pulse fleet.Pulse) {
		t.Helper()
		w.healths = []fleet.Health{health("333333333333", pulse)}
		if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, pulse := range []fleet.Pulse{
		fleet.PulseAlive, fleet.PulseUnknown, fleet.PulseSilent, fleet.PulseSilent, fleet.PulseUnknown, fleet.PulseAlive, fleet.PulseAlive, fleet.PulseSilent,
	} {
		beat(pulse)
	}
	var got []string
	for _, n := range w.published {
		got = append(got, string(n.Kind)+" "+n.Finding.ID())
		if !n.Notified() {
			t.Errorf("%s notifies nobody", n.ID)
		}
	}
	const id = "DL.ORG.1|arn:aws:events:eu-central-1:333333333333:rule/doublelock-*"
	if diff := cmp.Diff([]string{"finding_opened " + id, "finding_resolved " + id, "finding_opened " + id}, got); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if rec := w.records["arn:aws:events:eu-central-1:333333333333:rule/doublelock-*"]; len(rec.Outbox) > 0 {
		t.Errorf("left in the outbox: %v", rec.Outbox)
	}
}

// The ledger of uses must not vouch for a time in which reads could not arrive. A look that found out nothing says nothing.
func TestTheLedgerDoesNotVouchForALocationThatALookFindsSilent(t *testing.T) {
	w := newFakeHub(health("333333333333", fleet.PulseSilent), health("444444444444", fleet.PulseAlive), health("555555555555", fleet.PulseUnknown))
	c := w.coverage(slog.New(slog.DiscardHandler))
	c.Uses = w
	w.broken["break"] = guard.ErrThrottled
	if err := c.Beat(t.Context()); !errors.Is(err, guard.ErrThrottled) {
		t.Errorf("error %v: the look comes again", err)
	}
	if diff := cmp.Diff([]string{"333333333333 eu-central-1 2026-06-02T08:00:00Z"}, w.unproved); diff != "" || len(w.published) != 1 {
		t.Errorf("published %v, broken (-want +got):\n%s", w.published, diff)
	}
}

func TestOneLocationThatCannotBeWrittenDoesNotHoldUpTheOthers(t *testing.T) {
	w := newFakeHub(health("333333333333", fleet.PulseSilent), health("444444444444", fleet.PulseSilent))
	w.broken["save 333333333333"] = guard.ErrThrottled
	if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); !errors.Is(err, guard.ErrThrottled) {
		t.Errorf("error %v", err)
	}
	if len(w.published) != 1 || w.published[0].Account != "444444444444" {
		t.Errorf("published %+v", w.published)
	}
}

func TestWhatCouldNotBePublishedIsPublishedNextTime(t *testing.T) {
	w := newFakeHub(health("333333333333", fleet.PulseSilent))
	w.broken["publish"] = guard.ErrThrottled
	if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); !errors.Is(err, guard.ErrThrottled) {
		t.Errorf("error %v", err)
	}
	delete(w.broken, "publish")
	w.conflicts = 2
	if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.published) == 0 || w.published[0].Kind != guard.NoticeOpened {
		t.Errorf("published %+v", w.published)
	}
}

func TestConflictsEnd(t *testing.T) {
	w := newFakeHub(health("333333333333", fleet.PulseSilent))
	w.conflicts = 99
	if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("error %v", err)
	}
	w.broken["pulses"] = guard.ErrDenied
	if err := w.coverage(slog.New(slog.DiscardHandler)).Beat(t.Context()); !errors.Is(err, guard.ErrDenied) {
		t.Errorf("error %v", err)
	}
}

// measurements are the log lines in embedded metric format, as "dimensions: percent".
func measurements(t *testing.T, log *bytes.Buffer) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for decoder := json.NewDecoder(log); decoder.More(); {
		var line struct {
			Account, Region string
			Coverage        *float64
			AWS             struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Coverage == nil || line.AWS.Timestamp != at.UnixMilli() || len(line.AWS.CloudWatchMetrics) != 1 {
			t.Fatalf("no measurement: %+v", line)
		}
		m := line.AWS.CloudWatchMetrics[0]
		if m.Namespace != "Doublelock" || len(m.Metrics) != 1 || m.Metrics[0].Name != "Coverage" || m.Metrics[0].Unit != "Percent" {
			t.Errorf("metric %+v", m)
		}
		if len(m.Dimensions) != 1 || len(m.Dimensions[0]) > 0 != (line.Account != "") {
			t.Errorf("dimensions %v of account %q", m.Dimensions, line.Account)
		}
		found[strings.TrimSpace(line.Account+" "+line.Region)] = *line.Coverage
	}
	return found
}

func TestCoverageIsMeasured(t *testing.T) {
	var log bytes.Buffer
	w := newFakeHub(health("333333333333", fleet.PulseAlive), health("444444444444", fleet.PulseSilent), health("555555555555", fleet.PulseUnknown), health("666666666666", fleet.PulseAlive))
	if err := w.coverage(slog.New(slog.NewJSONHandler(&log, nil))).Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"": 50, "333333333333 eu-central-1": 100, "444444444444 eu-central-1": 0, "555555555555 eu-central-1": 0, "666666666666 eu-central-1": 100}
	if diff := cmp.Diff(want, measurements(t, &log)); diff != "" {
		t.Errorf("percent (-want +got):\n%s", diff)
	}
}

func TestInALargeOrganizationOnlySilenceCostsAMetric(t *testing.T) {
	var log bytes.Buffer
	var healths []fleet.Health
	for range 199 {
		healths = append(healths, health("333333333333", fleet.PulseAlive))
	}
	w := newFakeHub(append(healths, health("444444444444", fleet.PulseSilent))...)
	if err := w.coverage(slog.New(slog.NewJSONHandler(&log, nil))).Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"": 99.5, "444444444444 eu-central-1": 0}
	if diff := cmp.Diff(want, measurements(t, &log)); diff != "" {
		t.Errorf("percent (-want +got):\n%s", diff)
	}
}
