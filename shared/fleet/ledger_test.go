package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

const busy = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/busy-AbCdEf"

// eventHistory is a CloudTrail with reads in it: pages of 50, the newest first.
type eventHistory struct {
	now   *time.Time
	reads []recorded // newest first
	pages int        // that were read
	fails int        // at the page of this number; 0: never
}

type recorded struct {
	at, shown    time.Time // shown: when CloudTrail has it
	role, secret string
}

func (h *eventHistory) add(role, secret string, times ...time.Time) {
	for _, at := range times {
		h.reads = append(h.reads, recorded{at, at, role, secret})
	}
	slices.SortStableFunc(h.reads, func(a, b recorded) int { return b.at.Compare(a.at) })
}

func (h *eventHistory) Find(_ context.Context, q fleet.Search, yield func([]byte) error) (bool, error) {
	var found []recorded
	for _, r := range h.reads {
		if q.Pages != nil && len(found) > 50**q.Pages+50 {
			break // no search comes so far
		}
		if (r.secret == q.Resource || q.Name == "GetSecretValue") && !r.at.Before(q.From) && (q.To.IsZero() || !r.at.After(q.To)) && !r.shown.After(*h.now) {
			found = append(found, r)
		}
	}
	for page := range slices.Chunk(append(found, make([]recorded, 1)...), 50) {
		if q.Pages != nil && *q.Pages == 0 {
			return true, nil
		}
		if q.Pages != nil {
			*q.Pages--
		}
		if h.pages++; h.pages == h.fails {
			return false, guard.ErrThrottled
		}
		for _, r := range page {
			if r.role == "" {
				continue
			}
			record := fmt.Sprintf(`{"eventVersion":"1.08","eventID":"e","eventName":"GetSecretValue","eventSource":"secretsmanager.amazonaws.com","eventTime":%q,"awsRegion":"eu-central-1","recipientAccountId":"111122223333",
				"eventType":"AwsApiCall","readOnly":true,"requestParameters":{"secretId":%q},"responseElements":null,
				"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/%[3]s/task","accountId":"111122223333","principalId":"AROAEXAMPLE:task",
				"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/%[3]s","accountId":"111122223333","userName":%[3]q}}}}`, r.at.Format(time.RFC3339), r.secret, r.role)
			if err := yield([]byte(record)); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// documents keep what is written, and refuse who did not read last.
type documents struct {
	mu   sync.Mutex
	have map[string]store.Document
	bad  string // id of one that cannot be read

	saves int
}

func (d *documents) Load(_ context.Context, group, id string) (store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == d.bad {
		return store.Document{}, &store.Unreadable{ID: id}
	}
	return d.have[group+"|"+id], nil
}

func (d *documents) Save(_ context.Context, doc store.Document, encode func(json.RawMessage) (json.RawMessage, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saves++
	was := d.have[doc.Group+"|"+doc.ID]
	if was.Revision != doc.Revision {
		return guard.ErrConflict
	}
	body, err := encode(was.Body)
	doc.Body, doc.Revision = body, was.Revision+1
	d.have[doc.Group+"|"+doc.ID] = doc
	return err
}

func (d *documents) Groups(context.Context) ([]string, error) { return nil, nil }

func (d *documents) List(_ context.Context, group string, yield func(store.Document, *store.Unreadable) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, doc := range d.have {
		if doc.Group != group {
			continue
		}
		if err := yield(doc, nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *documents) SetAside(context.Context, store.Unreadable) error { return nil }

type shelves struct {
	*testing.T
	now     time.Time
	history *eventHistory
	kept    *documents
	reads   fleet.Reads
}

func newShelves(t *testing.T) *shelves {
	w := &shelves{T: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), kept: &documents{have: map[string]store.Document{}}}
	w.history = &eventHistory{now: &w.now}
	w.reads = fleet.Reads{History: w.history, Ledger: w.kept, Now: func() time.Time { return w.now }}
	return w
}

// every are n times, each some time before the other, the last that long ago.
func (w *shelves) every(d time.Duration, n int) (times []time.Time) {
	for i := range n {
		times = append(times, w.now.Add(-time.Duration(i+1)*d))
	}
	return times
}

// visit looks as a visit of a job does, and answers how many pages it read.
func (w *shelves) visit() (seen map[string]int, gaps []migration.Gap, pages int) {
	w.Helper()
	before := w.history.pages
	found, gaps, err := w.reads.Uses(w.Context(), guard.Secret{ARN: busy, Name: "shop/busy", Account: "111122223333", Region: "eu-central-1"}, w.now.AddDate(0, 0, -90))
	if err != nil {
		w.Fatal(err)
	}
	return counted(found), gaps, w.history.pages - before
}

// plan looks as a plan does.
func (w *shelves) plan() (seen map[string]int, gaps []migration.Gap, err error) {
	w.Helper()
	found, gaps, err := w.reads.All(w.Context(), "111122223333", "eu-central-1", w.now.AddDate(0, 0, -90))
	return counted(found), gaps, err
}

func counted(found []migration.Sighting) map[string]int {
	seen := map[string]int{}
	for _, s := range found {
		seen[s.Principal[len("arn:aws:iam::111122223333:role/"):]] += s.Count
	}
	return seen
}

func TestAVisitOfABusySecretReadsNoMoreThanOneOfAQuietSecret(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Minute, 100_000)...)
	w.history.add("yearly", busy, w.now.AddDate(0, 0, -80))
	for range 3 {
		seen, gaps, pages := w.visit()
		if pages > 10 || seen["app"] == 0 {
			t.Errorf("%d pages, %v", pages, seen)
		}
		if len(gaps) == 0 || seen["yearly"] > 0 { // who is in the gap is not nobody
			t.Errorf("gaps %v, seen %v", gaps, seen)
		}
	}
}

func TestWhatWasNotReadIsSaidUntilItIsAndIsReadOnce(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Hour, 1200)...)
	w.history.add("monthly", busy, w.now.AddDate(0, 0, -45))
	visits := 0
	for {
		seen, gaps, _ := w.visit()
		if visits++; visits > 10 {
			t.Fatalf("still gaps: %v", gaps)
		}
		if (len(gaps) == 0) != (seen["monthly"] == 1) {
			t.Errorf("visit %d: gaps %v, seen %v", visits, gaps, seen)
		}
		if len(gaps) == 0 {
			if seen["app"] != 1200 {
				t.Errorf("%d reads, want 1200", seen["app"])
			}
			break
		}
	}
	if visits < 3 {
		t.Errorf("after %d visits: 24 pages are no two visits", visits)
	}
	w.now = w.now.Add(time.Hour)
	w.history.add("app", busy, w.now.Add(-time.Minute))
	if seen, gaps, pages := w.visit(); pages > 2 || len(gaps) > 0 || seen["app"] != 1201 {
		t.Errorf("what is new takes %d pages (%v, %v)", pages, gaps, seen)
	}
}

func TestAPlanThatIsCutGoesOnWhereItWas(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Minute, 20_000)...) // 400 pages
	w.history.add("web", "shop/quiet", w.every(24*time.Hour, 80)...)
	w.history.fails = 300
	if _, _, err := w.plan(); !errors.Is(err, guard.ErrThrottled) {
		t.Fatal(err)
	}
	w.history.pages, w.history.fails = 0, 0
	seen, gaps, err := w.plan()
	if err != nil || len(gaps) > 0 || seen["app"] != 20_000 || seen["web"] != 80 {
		t.Errorf("seen %v, gaps %v, %v", seen, gaps, err)
	}
	if w.history.pages > 230 {
		t.Errorf("%d pages were read again", w.history.pages)
	}
	if _, gaps, pages := w.visit(); len(gaps) > 0 || pages > 2 { // what a plan read, no visit reads again
		t.Errorf("the visit after it read %d pages, gaps %v", pages, gaps)
	}
}

func TestABusySecretHidesNoQuietOneFromAPlan(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Minute, 100_000)...)
	w.history.add("web", "shop/quiet", w.now.AddDate(0, 0, -85))
	if seen, gaps, err := w.plan(); err != nil || len(gaps) == 0 || seen["web"] > 0 {
		t.Fatalf("seen %v, gaps %v, %v", seen, gaps, err)
	}
	found, gaps, err := w.reads.Uses(t.Context(), guard.Secret{ARN: busy + "x", Name: "shop/quiet", Account: "111122223333", Region: "eu-central-1"}, w.now.AddDate(0, 0, -90))
	if err != nil || len(gaps) > 0 || counted(found)["web"] != 1 {
		t.Errorf("of the quiet one: %v, gaps %v, %v", found, gaps, err)
	}
}

func TestAReadThatCloudTrailShowsLateIsFound(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.now.Add(-time.Hour))
	w.history.reads = append([]recorded{{w.now.Add(-2 * time.Minute), w.now.Add(10 * time.Minute), "late", busy}}, w.history.reads...)
	if seen, _, _ := w.visit(); seen["late"] > 0 {
		t.Fatalf("seen %v before CloudTrail shows it", seen)
	}
	if _, _, err := w.plan(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(11 * time.Minute)
	if seen, gaps, _ := w.visit(); seen["late"] != 1 || seen["app"] != 1 || len(gaps) > 0 {
		t.Errorf("seen %v, gaps %v", seen, gaps)
	}
}

func TestMoreUsersThanAreKeptAreNotNobody(t *testing.T) {
	w := newShelves(t)
	for i := range 1100 {
		w.history.add(fmt.Sprintf("r%04d", i), busy, w.now.Add(-time.Hour-time.Duration(i)*time.Minute))
	}
	for range 2 {
		if _, gaps, err := w.plan(); err != nil || len(gaps) == 0 {
			t.Errorf("gaps %v, %v", gaps, err)
		}
	}
	if _, gaps, pages := w.visit(); len(gaps) == 0 || pages > 10 {
		t.Errorf("gaps %v after %d pages", gaps, pages)
	}
}

// Counters that cannot be read any more may have named anybody: that a plan read it all proves nothing then, not even when somebody
// takes the broken document away.
func TestABrokenDocumentOfTheLedgerMakesNoReaderVanish(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Minute, 30_000)...)
	w.history.add("yearly", busy, w.now.AddDate(0, 0, -80))
	if seen, gaps, err := w.plan(); err != nil || len(gaps) > 0 || seen["yearly"] != 1 {
		t.Fatalf("seen %v, gaps %v, %v", seen, gaps, err)
	}
	w.kept.bad = busy
	if seen, gaps, _ := w.visit(); len(gaps) == 0 {
		t.Errorf("no gaps, and seen %v", seen)
	}
	w.kept.bad = ""
	delete(w.kept.have, "111122223333/eu-central-1|"+busy)
	if seen, gaps, _ := w.visit(); len(gaps) == 0 {
		t.Errorf("after it was taken away: no gaps, and seen %v", seen)
	}
}

func TestAPlanThatIsKilledCountsNoReadTwice(t *testing.T) {
	w := newShelves(t)
	w.history.add("app", busy, w.every(time.Minute, 5000)...)
	for range 4 { // each with a CloudTrail of its own
		own := *w.history
		other := w.reads
		other.History = &own
		if _, _, err := other.All(t.Context(), "111122223333", "eu-central-1", w.now.AddDate(0, 0, -90)); err != nil {
			t.Fatal(err)
		}
		delete(w.kept.have, "111122223333/eu-central-1|*") // it was killed before it could say that it was done
	}
	if seen, gaps, err := w.plan(); err != nil || len(gaps) > 0 || seen["app"] != 5000 {
		t.Errorf("seen %v, gaps %v, %v", seen, gaps, err)
	}
}
