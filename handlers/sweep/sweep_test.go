package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	hub    = "222222222222"
	one    = "333333333333"
	two    = "444444444444"
	region = "eu-central-1"
)

// fakeHub is all that the sweep stands on, in memory.
type fakeHub struct {
	mu        sync.Mutex
	accounts  []string
	secrets   map[string][]guard.Secret // by account
	records   []guard.Record
	bookmarks map[string]string
	looked    []string
	revisited []string
	silent    []string
	published []guard.Notice
	advanced  int
	broken    map[string]error // by step, or by step and account or ARN
	onLook    func(arn string)
	unseen    map[string]bool // by ARN

	unreadable  []store.Unreadable
	quarantined []store.Quarantined
	originals   map[string]store.Original // by copy
}

func newFakeHub() *fakeHub {
	return &fakeHub{secrets: map[string][]guard.Secret{}, bookmarks: map[string]string{}, broken: map[string]error{}}
}

func (h *fakeHub) Accounts(context.Context) ([]string, error) {
	return h.accounts, h.broken["accounts"]
}

func (h *fakeHub) Outline(_ context.Context, account, in string, yield func(guard.Secret) error) error {
	if err := h.broken["outline "+account]; err != nil {
		return err
	}
	for _, s := range h.secrets[account] {
		if s.Region == in {
			if err := yield(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *fakeHub) All(_ context.Context, yield func(guard.Record, *store.Unreadable) error) error {
	for _, rec := range h.records {
		if err := yield(rec, nil); err != nil {
			return err
		}
	}
	for _, bad := range h.unreadable {
		if err := yield(guard.Record{}, &bad); err != nil {
			return err
		}
	}
	return h.broken["records"]
}

func (h *fakeHub) Load(_ context.Context, resource string) (guard.Record, error) {
	for _, rec := range h.records {
		if rec.Resource == resource {
			return rec, nil
		}
	}
	return guard.Record{}, nil
}

func (h *fakeHub) Save(_ context.Context, rec guard.Record) error {
	for i, have := range h.records {
		if have.Resource == rec.Resource {
			if have.Revision != rec.Revision {
				return guard.ErrConflict
			}
			rec.Revision++
			h.records[i] = rec
			return nil
		}
	}
	rec.Revision++
	h.records = append(h.records, rec)
	return nil
}

func (h *fakeHub) Quarantined(_ context.Context, yield func(store.Quarantined) error) error {
	for _, q := range slices.Clone(h.quarantined) {
		if err := yield(q); err != nil {
			return err
		}
	}
	return h.broken["quarantine"]
}

func (h *fakeHub) Original(_ context.Context, q store.Quarantined) (store.Original, error) {
	return h.originals[q.Copy], h.broken["original"]
}

func (h *fakeHub) End(_ context.Context, name, how string) error {
	for i, q := range h.quarantined {
		if q.Copy == name {
			h.quarantined[i].EndedAt, h.quarantined[i].End = h.handler().Now(), how
		}
	}
	return nil
}

func (h *fakeHub) Bookmark(_ context.Context, name string) (string, error) {
	return h.bookmarks[name], h.broken["bookmark"]
}

func (h *fakeHub) SetBookmark(_ context.Context, name, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bookmarks[name] = value
	return h.broken["set bookmark"]
}

func (h *fakeHub) Look(ctx context.Context, ref guard.SecretRef, _ guard.Cause) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	h.looked = append(h.looked, ref.ID)
	if h.onLook != nil {
		h.onLook(ref.ID)
	}
	return !h.unseen[ref.ID], h.broken["look "+ref.ID]
}

func (h *fakeHub) Revisit(_ context.Context, account, region string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revisited = append(h.revisited, account+" "+region)
	return h.broken["revisit "+account]
}

func (h *fakeHub) Silent(_ context.Context, account, region string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = append(h.silent, account+" "+region)
	return nil
}

func (h *fakeHub) Advance(context.Context) error {
	h.advanced++
	return h.broken["jobs"]
}

func (h *fakeHub) Publish(_ context.Context, notices []guard.Notice) error {
	if err := h.broken["publish"]; err != nil {
		return err
	}
	h.published = append(h.published, notices...)
	return nil
}

func (h *fakeHub) handler() *sweep.Handler {
	return &sweep.Handler{
		Accounts: h, Regions: []string{region}, Secrets: h, Records: h, Inspector: h, Jobs: h, Bus: h, Account: hub, Home: region, Table: "doublelock", Concurrency: 1, Log: slog.New(slog.DiscardHandler),
		Directory: notify.Directory{Tags: []string{"Owner"}, Fallback: "security", Channels: map[string]notify.Address{"payments": {"email": "payments@example.com"}, "search": {"slackChannel": "C0SEARCH"}}},
		Now:       func() time.Time { return time.Date(2026, 6, 2, 8, 0, 0, 0, time.UTC) },
	}
}

func arn(account, name string) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-AbCdEf", region, account, name)
}

func secret(account, name string) guard.Secret {
	return guard.Secret{ARN: arn(account, name), Account: account, Region: region, Name: name}
}

func record(account, name string) guard.Record {
	return guard.Record{Resource: arn(account, name), Account: account, Region: region, Name: name, Revision: 1}
}

func task(name string) events.SQSEvent {
	body, err := json.Marshal(map[string]any{"source": "doublelock", "detail-type": "Doublelock Schedule", "account": hub, "detail": map[string]string{"task": name}})
	if err != nil {
		panic(err)
	}
	return events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(body)}}}
}

func handle(t *testing.T, ctx context.Context, h *fakeHub, batch events.SQSEvent) (failed bool) {
	t.Helper()
	answer, err := h.handler().Handle(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	return len(answer.BatchItemFailures) > 0
}

// A location without a secret left is seen by nothing else.
func TestSweepLooksAgainIntoLocationsThatItCouldNotLookInto(t *testing.T) {
	spot := func(account string, status guard.FindingStatus) guard.Record {
		resource := "arn:aws:secretsmanager:" + region + ":" + account + ":secret:*"
		return guard.Record{Resource: resource, Account: account, Region: region, Revision: 1,
			Findings: []guard.Finding{{Control: guard.OrgCoverage, Resource: resource, Status: status}}}
	}
	h := newFakeHub()
	h.accounts = []string{one}
	h.records = []guard.Record{spot(one, guard.FindingOpen), spot(two, guard.FindingOpen), spot("333333333333", guard.FindingResolved), record(one, "a")}
	h.broken["revisit "+one] = guard.ErrUnavailable
	if handle(t, t.Context(), h, task(sweep.TaskSweep)) {
		t.Error("one that fails fails the sweep")
	}
	if diff := cmp.Diff([]string{one + " " + region, two + " " + region}, h.revisited); diff != "" {
		t.Errorf("looked again into (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{arn(one, "a")}, h.looked); diff != "" {
		t.Errorf("inspected (-want +got):\n%s", diff)
	}
}

func TestSweepLooksAtWhatIsThereAndWhatIsRemembered(t *testing.T) {
	gone := record(two, "deleted")
	gone.GoneAt = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	location := guard.Record{Resource: "arn:aws:secretsmanager:" + region + ":" + one + ":secret:*", Account: one, Region: region, Revision: 1}
	for name, tt := range map[string]struct {
		change func(*fakeHub)
		want   []string
		failed bool
	}{
		"every secret once, found or remembered": {
			want: []string{arn(one, "a"), arn(one, "b"), arn(one, "lost"), arn(two, "c")},
		},
		"an account that cannot be listed is looked at by what is remembered": {
			change: func(h *fakeHub) { h.broken["outline "+one] = guard.ErrDenied },
			want:   []string{arn(one, "a"), arn(one, "lost"), arn(two, "c")},
		},
		"a secret that fails does not hold up the others": {
			change: func(h *fakeHub) { h.broken["look "+arn(one, "a")] = guard.ErrThrottled },
			want:   []string{arn(one, "a"), arn(one, "b"), arn(one, "lost"), arn(two, "c")},
		},
		"an account that left the organization": {
			change: func(h *fakeHub) {
				h.accounts, h.secrets[two], h.records = []string{one}, nil, append(h.records, record(two, "c"))
			},
			want: []string{arn(one, "a"), arn(one, "b"), arn(one, "lost"), arn(two, "c")},
		},
		"jobs that fail do not hold up the sweep": {
			change: func(h *fakeHub) { h.broken["jobs"] = errors.New("no") },
			want:   []string{arn(one, "a"), arn(one, "b"), arn(one, "lost"), arn(two, "c")}, failed: true,
		},
		"no list of accounts":      {change: func(h *fakeHub) { h.broken["accounts"] = guard.ErrDenied }, failed: true},
		"no records":               {change: func(h *fakeHub) { h.broken["records"] = guard.ErrDenied }, failed: true},
		"a bookmark nobody reads":  {change: func(h *fakeHub) { h.bookmarks["sweep"] = "?" }, want: []string{arn(one, "a"), arn(one, "b"), arn(one, "lost"), arn(two, "c")}},
		"a bookmark in the middle": {change: func(h *fakeHub) { h.bookmarks["sweep"] = mark(one, arn(one, "a")) }, want: []string{arn(one, "b"), arn(one, "lost"), arn(two, "c")}},
		"a bookmark that cannot be written": {
			change: func(h *fakeHub) { h.broken["set bookmark"] = guard.ErrDenied }, want: []string{arn(one, "a"), arn(one, "b"), arn(one, "lost")}, failed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub()
			h.accounts = []string{two, one}
			h.secrets[one] = []guard.Secret{secret(one, "b"), secret(one, "a")}
			h.secrets[two] = []guard.Secret{secret(two, "c")}
			h.records = []guard.Record{record(one, "a"), record(one, "lost"), gone, location}
			if tt.change != nil {
				tt.change(h)
			}
			failed := handle(t, t.Context(), h, task("sweep"))
			if diff := cmp.Diff(tt.want, h.looked); diff != "" || failed != tt.failed || h.advanced != 1 {
				t.Errorf("failed %v, jobs advanced %d times, looked (-want +got):\n%s", failed, h.advanced, diff)
			}
			if !tt.failed && h.bookmarks["sweep"] != mark("", "") {
				t.Errorf("bookmark after a whole sweep: %s", h.bookmarks["sweep"])
			}
		})
	}
}

func mark(account, after string) string {
	in := region
	if account == "" {
		in = ""
	}
	return fmt.Sprintf(`{"account":%q,"region":%q,"after":%q}`, account, in, after)
}

// A sweep that is stopped again and again gets to the end, and looks at every secret.
func TestSweepGoesOnWhereItWasStopped(t *testing.T) {
	h := newFakeHub()
	h.accounts = []string{one, two}
	var want []string
	for i := range 250 {
		for _, account := range h.accounts {
			name := fmt.Sprintf("s%03d", i)
			h.secrets[account] = append(h.secrets[account], secret(account, name))
			want = append(want, arn(account, name))
		}
	}
	slices.Sort(want)
	runs := 0
	for done := false; !done; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		h.onLook = func(string) {
			if looks++; looks == 130 {
				cancel()
			}
		}
		if handle(t, ctx, h, task("sweep")) {
			t.Fatal("a sweep out of time counts as failed")
		}
		cancel()
		done = h.bookmarks["sweep"] == mark("", "")
		if runs > 10 {
			t.Fatal("it does not get on")
		}
	}
	slices.Sort(h.looked)
	if diff := cmp.Diff(want, slices.Compact(h.looked)); diff != "" {
		t.Errorf("looked (-want +got):\n%s", diff)
	}
	if runs < 3 {
		t.Errorf("%d runs: it was never stopped", runs)
	}
}

// What was not looked at may be anything: no sweep that left it out counts for it.
func TestAFullSweepOfALocationIsRememberedWithWhatItMissed(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 6, 2, hour, 0, 0, 0, time.UTC) }
	many := func(h *fakeHub) {
		h.unseen = map[string]bool{}
		for i := range guard.MostMissed + 1 {
			s := secret(one, fmt.Sprintf("m%03d", i))
			h.secrets[one], h.unseen[s.ARN] = append(h.secrets[one], s), true
		}
	}
	for sentence, tt := range map[string]struct {
		set  func(*fakeHub)
		runs int // of which each is stopped after 130 looks
		want guard.Swept
	}{
		"all were looked at":         {func(*fakeHub) {}, 1, guard.Swept{From: at(8), Until: at(8)}},
		"one could not be looked at": {func(h *fakeHub) { h.unseen = map[string]bool{arn(one, "s001"): true} }, 1, guard.Swept{From: at(8), Until: at(8), Missed: []string{arn(one, "s001")}}},
		"a look failed":              {func(h *fakeHub) { h.broken["look "+arn(one, "s002")] = guard.ErrThrottled }, 1, guard.Swept{From: at(8), Until: at(8), Missed: []string{arn(one, "s002")}}},
		"one that is remembered alone failed": {func(h *fakeHub) {
			h.records = []guard.Record{record(one, "old")}
			h.unseen = map[string]bool{arn(one, "old"): true}
		}, 1, guard.Swept{From: at(8), Until: at(8), Missed: []string{arn(one, "old")}}},
		"the list could not be read": {func(h *fakeHub) { h.broken["outline "+one] = guard.ErrDenied }, 1, guard.Swept{}},
		"too many were missed":       {many, 1, guard.Swept{}},
		"it began before it was stopped": {func(h *fakeHub) {
			h.unseen = map[string]bool{arn(one, "x001"): true, arn(one, "x240"): true}
			for i := range 250 {
				h.secrets[one] = append(h.secrets[one], secret(one, fmt.Sprintf("x%03d", i)))
			}
		}, 3, guard.Swept{From: at(8), Until: at(10), Missed: []string{arn(one, "x001"), arn(one, "x240")}}},
		"an older version's bookmark says not when it began": {func(h *fakeHub) { h.bookmarks["sweep"] = mark(one, arn(one, "s001")) }, 1, guard.Swept{}},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newFakeHub()
			h.accounts = []string{one}
			for i := range 4 {
				h.secrets[one] = append(h.secrets[one], secret(one, fmt.Sprintf("s%03d", i)))
			}
			tt.set(h)
			for run := range tt.runs {
				ctx, cancel := context.WithCancel(t.Context())
				looks := 0
				h.onLook = func(string) {
					if looks++; tt.runs > 1 && looks == 130 {
						cancel()
					}
				}
				sweeper := h.handler()
				sweeper.Now = func() time.Time { return at(8 + run) }
				if err := sweeper.Sweep(ctx); err != nil {
					t.Fatal(err)
				}
				cancel()
			}
			var got guard.Swept
			if raw := h.bookmarks[guard.SweptName(one, region)]; raw != "" {
				if err := json.Unmarshal([]byte(raw), &got); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func open(rec guard.Record, control guard.ControlID, severity guard.Severity) guard.Record {
	rec.Findings = append(rec.Findings, guard.Finding{Control: control, Resource: rec.Resource, Status: guard.FindingOpen, Severity: severity, Mode: guard.ModeNotify})
	return rec
}

func TestDigestListsForEachOwnerWhatIsOpen(t *testing.T) {
	h := newFakeHub()
	tagged := func(account, name, owner string) guard.Secret {
		s := secret(account, name)
		s.Tags = map[string]string{"owner": owner, "cost-center": "7"}
		return s
	}
	h.secrets[one] = []guard.Secret{tagged(one, "a", "payments"), tagged(one, "b", "payments"), tagged(one, "fine", "payments")}
	h.broken["outline "+two] = guard.ErrDenied
	waived := open(record(one, "fine"), guard.SecretDefaultKey, guard.SeverityHigh)
	waived.Findings[0].Status = guard.FindingWaived
	deleted := open(record(one, "gone"), guard.SecretDefaultKey, guard.SeverityHigh)
	deleted.GoneAt = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	observed := open(record(one, "observed"), guard.SecretDefaultKey, guard.SeverityHigh)
	observed.Findings[0].Mode = guard.ModeObserve
	h.records = []guard.Record{
		observed, open(record(one, "a"), guard.SecretNotSealed, guard.SeverityMedium), open(record(one, "b"), guard.SecretDefaultKey, guard.SeverityHigh),
		open(record(two, "c"), guard.SecretDefaultKey, guard.SeverityHigh), waived, deleted, record(one, "nothing"),
	}
	if handle(t, t.Context(), h, task("digest")) {
		t.Fatal("failed")
	}
	var got []string
	for _, n := range h.published {
		line := n.ID + ":"
		for _, o := range n.Open {
			line += " " + o.Name
			if len(o.Tags) > 1 {
				t.Errorf("tags that name no owner travel along: %v", o.Tags)
			}
		}
		got = append(got, line)
	}
	want := []string{"digest|payments|2026-06-02: b a", "digest|security|2026-06-02: c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
}

func TestDigestOfManyFitsIntoAnEvent(t *testing.T) {
	for sentence, tt := range map[string]struct {
		subject guard.Subject
		listed  func(int) bool
	}{
		"few facts each": {guard.Subject{}, func(n int) bool { return n == 120 }},
		"every Region and label that can be is wrong": {subjectOfMany(), func(n int) bool { return n > 5 && n < 120 }},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newFakeHub()
			for i := range 500 {
				rec := open(record(one, fmt.Sprintf("s%03d", i)), guard.SecretDefaultKey, guard.SeverityHigh)
				rec.Findings[0].Title, rec.Findings[0].Subject = strings.Repeat("t", 60), tt.subject
				h.records = append(h.records, rec)
			}
			if handle(t, t.Context(), h, task("digest")) || len(h.published) != 1 {
				t.Fatalf("%d digests", len(h.published))
			}
			raw, err := json.Marshal(h.published[0])
			if err != nil || len(raw) > 250*1024 {
				t.Errorf("%d bytes, %v", len(raw), err)
			}
			listed := len(h.published[0].Open)
			if !tt.listed(listed) {
				t.Errorf("%d findings listed", listed)
			}
			if want := fmt.Sprintf("%d more findings of yours are open; the most urgent come first.", 500-listed); h.published[0].Detail != want {
				t.Errorf("detail %q, want %q", h.published[0].Detail, want)
			}
		})
	}
}

// subjectOfMany is as big as one gets: AWS keeps 20 labels of a secret, and has some thirty Regions.
func subjectOfMany() guard.Subject {
	key := guard.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	var s guard.Subject
	for i := range 30 {
		s.Replicas = append(s.Replicas, guard.Replica{Region: fmt.Sprint("region-", i), KeyID: key.ARN, Key: key})
	}
	for i := range 20 {
		s.Versions = append(s.Versions, guard.Version{ID: fmt.Sprint("version-", i), Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key, key}})
	}
	return s
}

func TestTasks(t *testing.T) {
	forged := strings.Replace(task("sweep").Records[0].Body, hub, one, 1)
	for name, tt := range map[string]struct {
		batch  events.SQSEvent
		failed bool
	}{
		"nothing open is no digest":        {batch: task("digest")},
		"a task of another handler":        {batch: task("heartbeat"), failed: true},
		"a task that a member forged":      {batch: events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: forged}}}},
		"what is no JSON":                  {batch: events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: "{"}}}, failed: true},
		"an empty batch":                   {},
		"a sweep of an empty organization": {batch: task("sweep")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub()
			if failed := handle(t, t.Context(), h, tt.batch); failed != tt.failed {
				t.Errorf("failed %v, want %v", failed, tt.failed)
			}
			if len(h.published) > 0 || len(h.looked) > 0 {
				t.Errorf("published %v, looked %v", h.published, h.looked)
			}
		})
	}
}

func TestDigestThatCannotBePublishedComesAgain(t *testing.T) {
	h := newFakeHub()
	h.records = []guard.Record{open(record(one, "a"), guard.SecretDefaultKey, guard.SeverityHigh)}
	h.broken["publish"] = guard.ErrThrottled
	if !handle(t, t.Context(), h, task("digest")) {
		t.Error("not failed")
	}
}
