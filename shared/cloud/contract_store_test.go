package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// What outlives a process: conditional writes, claims, counters, bookmarks, documents and the journal.
func TestContractStore(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a record comes back as it was saved":        recordRoundTrip,
		"of two writers one must read again":         recordConflict,
		"records are found by their key":             recordsByKey,
		"every record is yielded, and nothing else":  everyRecord,
		"a record and its entries are one write":     recordAndEntries,
		"a record with more keys than one write":     recordOfManyKeys,
		"an entry that cannot be read is made anew":  entryMadeAnew,
		"an entry that no record has is taken away":  entryPruned,
		"entries go when their record does":          entriesForgotten,
		"a delivery is claimed until it is done":     deliveryClaimed,
		"of many at once one may deliver":            oneOfManyClaims,
		"a release takes nobody else's claim":        releaseRepeated,
		"a counter gives what its limit allows":      changesCounted,
		"the journal keeps the first word, in order": journalKept,
		"a bookmark comes back, and is no record":    bookmarkRoundTrip,
		"a document comes back as it was saved":      documentRoundTrip,
		"of two who save a document one reads again": documentConflict,
		"documents are listed by group, in order":    documentsListed,
	})
}

// table makes the table as infra declares it.
func newTable(t testing.TB, w *world) string {
	t.Helper()
	name := fmt.Sprint("doublelock-", tables.Add(1))
	text := func(n string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS}
	}
	key := func(n string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &n, KeyType: kind}
	}
	_, err := w.dynamodb(t).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{text(table.AttributeKey), text(table.AttributeSort)},
		KeySchema:            []types.KeySchemaElement{key(table.AttributeKey, types.KeyTypeHash), key(table.AttributeSort, types.KeyTypeRange)},
	})
	// The name is this call's alone: where the table is there, an attempt made it whose answer was lost.
	if made := new(types.ResourceInUseException); err != nil && !errors.As(err, &made) {
		t.Fatal(err)
	}
	return name
}

var tables atomic.Int64

func record(resource, key string) guard.Record {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return guard.Record{
		Resource: resource, Account: member, Region: region, Name: "app/db", KeyARN: key, Held: guard.Held{Key: key}, State: guard.StateDual, Since: now, SeenAt: now,
		Findings: []guard.Finding{{Control: guard.SecretNotSealed, Resource: resource, Status: guard.FindingOpen, Severity: guard.SeverityMedium, OpenedAt: now}},
		Outbox:   []guard.Notice{{ID: "n1", Kind: guard.NoticeOpened, At: now, Resource: resource}},
	}
}

func recordRoundTrip(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	if got, err := records.Load(t.Context(), secretARN); err != nil || !cmp.Equal(got, guard.Record{}) {
		t.Errorf("never saved loads %+v, %v", got, err)
	}
	want := record(secretARN, keyARN)
	for range 3 {
		if err := records.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.Revision++
		got, err := records.Load(t.Context(), secretARN)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	}
}

func recordConflict(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		w.atOnce(&all, func() {
			switch err := records.Save(t.Context(), record(secretARN, keyARN)); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, guard.ErrConflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d of 8 first writers won, %d must read again", won.Load(), lost.Load())
	}
	stale := record(secretARN, keyARN)
	stale.Revision = 7
	if err := records.Save(t.Context(), stale); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("a revision that never was saves with %v", err)
	}
}

func recordsByKey(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	moved := record("secret-b", keyARN)
	for _, r := range []guard.Record{record("secret-a", keyARN), moved, record("secret-c", centralARN), record("secret-d", "")} {
		if err := records.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	moved.Revision, moved.KeyARN, moved.Held = 1, "", guard.Held{}
	if err := records.Save(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	got, unreadable, err := records.Under(t.Context(), guard.KeyEntry(keyARN))
	if err != nil || unreadable != nil || len(got) != 1 || got[0].Secret != "secret-a" || got[0].Held.Key != keyARN {
		t.Errorf("under the key: %+v, %v", got, err)
	}
}

func everyRecord(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var want []string
	for n := range 40 {
		r := record(fmt.Sprintf("secret-%02d", n), keyARN)
		r.Findings[0].Detail = strings.Repeat("x", 60_000) // more than one page of a megabyte
		want = append(want, r.Resource)
		if err := records.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	_, err := records.Claim(t.Context(), "n1", "w", time.Hour)
	err = errors.Join(err, records.Journal().Append(t.Context(), store.JournalEntry{ID: "1", Resource: "secret-00", At: time.Now()}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = records.All(t.Context(), func(r guard.Record, _ *store.Unreadable) error { got = append(got, r.Resource); return nil })
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func deliveryClaimed(t *testing.T, w *world) {
	now := time.Now()
	records := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }), newTable(t, w))
	expect := func(when, by string, want store.Claim) {
		t.Helper()
		if got, err := records.Claim(t.Context(), "n1|email", by, 5*time.Minute); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", when, got, err, want)
		}
	}
	begin := func(when, by string, want error) {
		t.Helper()
		if err := records.Begin(t.Context(), "n1|email", by); !errors.Is(err, want) {
			t.Errorf("%s: begun by %s: %v, want %v", when, by, err, want)
		}
	}
	begin("unclaimed", "a", store.ErrLost)
	expect("first", "a", store.ClaimNew)
	expect("meanwhile", "b", store.ClaimBusy)
	begin("meanwhile", "b", store.ErrLost)
	must(t, records.Release(t.Context(), "n1|email", "b"))
	expect("given back by who did not have it", "b", store.ClaimBusy)
	must(t, records.Release(t.Context(), "n1|email", "a"))
	expect("given back", "b", store.ClaimNew)

	now = now.Add(6 * time.Minute) // a lease is over, or a clock is ahead
	expect("after a crash before it was begun", "c", store.ClaimNew)
	begin("taken over", "b", store.ErrLost)
	begin("by who took it over", "c", nil)
	must(t, records.Release(t.Context(), "n1|email", "b")) // whose it is no more
	must(t, records.Release(t.Context(), "n1|email", "c"))
	expect("given back, and nothing was sent", "d", store.ClaimNew)
	begin("again", "d", nil)
	begin("a second attempt", "d", nil)
	now = now.Add(store.UnderWay + 2*store.Skew - time.Second)
	expect("it may be under way, by a clock that is ahead", "e", store.ClaimBusy)
	now = now.Add(time.Second)
	expect("after a crash when it was begun", "e", store.ClaimAgain)
	begin("who woke", "d", store.ErrLost)
	must(t, records.Doubt(t.Context(), "n1|email", "d"))
	now = now.Add(6 * time.Minute)
	expect("after another crash", "f", store.ClaimAgain)
	must(t, records.Delivered(t.Context(), "n1|email", time.Hour))
	expect("delivered", "g", store.ClaimDone)
	begin("delivered", "f", store.ErrLost)
	must(t, records.Release(t.Context(), "n1|email", "f"))
	expect("delivered, and given back", "g", store.ClaimDone)
}

// losesAnswers carries a call out, and then breaks the connection before its answer: the first of an operation, after which
// something happens.
type losesAnswers struct {
	of    string
	after func()
	lost  atomic.Bool
}

func (l *losesAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	out, err := http.DefaultTransport.RoundTrip(r)
	if _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); err != nil || operation != l.of || l.lost.Swap(true) {
		return out, err
	}
	_ = out.Body.Close() // nobody reads it
	l.after()
	return nil, syscall.ECONNRESET
}

// releaseRepeated has somebody claim a delivery between a release and its repeat by the SDK, which got no answer.
func releaseRepeated(t *testing.T, w *world) {
	var o cloud.Options
	name := newTable(t, w)
	other := table.Open(w.cloud(t, func(have *cloud.Options) { o = *have }), name)
	network := &losesAnswers{of: "PutItem", after: func() {
		if got, err := other.Claim(t.Context(), "n1|email", "other", time.Minute); err != nil || got != store.ClaimNew {
			t.Errorf("given back: %q, %v", got, err)
		}
	}}
	c, err := cloud.Open(cloud.WithNetwork(t.Context(), network), o)
	if err != nil {
		t.Fatal(err)
	}
	records := table.Open(c, name)
	if _, err := other.Claim(t.Context(), "n1|email", "w", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := records.Release(t.Context(), "n1|email", "w"); err != nil || !network.lost.Load() {
		t.Fatal(err, network.lost.Load())
	}
	if got, err := records.Claim(t.Context(), "n1|email", "w", time.Minute); err != nil || got != store.ClaimBusy {
		t.Errorf("while another is at it: %q, %v", got, err)
	}
	must(t, other.Begin(t.Context(), "n1|email", "other"))
}

func oneOfManyClaims(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var won atomic.Int32
	var all sync.WaitGroup
	for n := range 8 {
		w.atOnce(&all, func() {
			got, err := records.Claim(t.Context(), "n1|email", fmt.Sprint(n), time.Minute)
			if err != nil || (got != store.ClaimNew && got != store.ClaimBusy) {
				t.Errorf("claim %q, %v", got, err)
			}
			if got == store.ClaimNew {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 may deliver", won.Load())
	}
}

func changesCounted(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	until := time.Now().Add(time.Hour)
	var all sync.WaitGroup
	var taken atomic.Int32
	for range 4 {
		w.atOnce(&all, func() {
			for range 2 {
				ok, err := records.Take(t.Context(), "changes 2026-03-01T09", 5, until)
				if err != nil {
					t.Error(err)
				}
				if ok {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != 5 {
		t.Errorf("%d of a limit of 5 taken", taken.Load())
	}
	if ok, err := records.Take(t.Context(), "changes 2026-03-01T10", 5, until); !ok || err != nil {
		t.Errorf("the next hour has nothing left: %v", err)
	}
	for name, want := range map[string]int{"changes 2026-03-01T09": 5, "changes 2026-03-01T10": 1, "changes 2026-03-01T11": 0} {
		for range 2 { // to look takes none
			if n, err := records.Taken(t.Context(), name); n != want || err != nil {
				t.Errorf("%s: %d taken, %v; want %d", name, n, err, want)
			}
		}
	}
}

func journalKept(t *testing.T, w *world) {
	journal := table.Open(w.cloud(t, nil), newTable(t, w)).Journal()
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	entry := func(id string, after time.Duration) store.JournalEntry {
		return store.JournalEntry{ID: id, Resource: secretARN, Action: "UpdateSecret", At: start.Add(after), By: "doublelock-remediate",
			Before: map[string]string{"kmsKeyId": ""}, After: map[string]string{"kmsKeyId": keyARN}}
	}
	repeat := entry("b", time.Second)
	repeat.Before = map[string]string{"kmsKeyId": keyARN}
	other := entry("x", 0)
	other.Resource = "another"
	for _, e := range []store.JournalEntry{entry("c", 10*time.Second), entry("a", 0), entry("b", time.Second), repeat, other} {
		if err := journal.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := journal.List(t.Context(), secretARN, time.Time{})
	want := []store.JournalEntry{entry("a", 0), entry("b", time.Second), entry("c", 10*time.Second)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, _, err = journal.List(t.Context(), secretARN, start.Add(time.Second))
	if diff := cmp.Diff(want[1:], got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if err := journal.Append(t.Context(), store.JournalEntry{ID: "z", Resource: secretARN}); err == nil {
		t.Error("an entry without time was written: it could not be found again")
	}
}

func bookmarkRoundTrip(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	if got, err := records.Bookmark(t.Context(), "sweep"); got != "" || err != nil {
		t.Errorf("before anything: %q, %v", got, err)
	}
	for _, want := range []string{`{"account":"1"}`, `{"account":"2"}`} {
		if err := records.SetBookmark(t.Context(), "sweep", want); err != nil {
			t.Fatal(err)
		}
		if got, err := records.Bookmark(t.Context(), "sweep"); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if got, err := records.Bookmark(t.Context(), "another"); got != "" || err != nil {
		t.Errorf("another: %q, %v", got, err)
	}
	if err := records.All(t.Context(), func(r guard.Record, _ *store.Unreadable) error { return errors.New("a record: " + r.Resource) }); err != nil {
		t.Error(err)
	}
}

func document(group, id string, revision int64) store.Document {
	return store.Document{Kind: "migration", Group: group, ID: id, Body: []byte(`{"phase":"planned"}`), Revision: revision}
}

// as saves a document with its body, whatever is stored.
func as(doc store.Document) func(json.RawMessage) (json.RawMessage, error) {
	return func(json.RawMessage) (json.RawMessage, error) { return doc.Body, nil }
}

func documentRoundTrip(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	jobs := records.Documents("migration")
	if got, err := jobs.Load(t.Context(), member, secretARN); err != nil || !cmp.Equal(got, store.Document{Kind: "migration", Group: member, ID: secretARN}) {
		t.Errorf("never saved loads %+v, %v", got, err)
	}
	want := document(member, secretARN, 0)
	for range 3 {
		if err := jobs.Save(t.Context(), want, as(want)); err != nil {
			t.Fatal(err)
		}
		want.Revision++
		got, err := jobs.Load(t.Context(), member, secretARN)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	}
	for what, elsewhere := range map[string]func() (store.Document, error){
		"another kind":  func() (store.Document, error) { return records.Documents("wave").Load(t.Context(), member, secretARN) },
		"another group": func() (store.Document, error) { return jobs.Load(t.Context(), hub, secretARN) },
	} {
		if got, err := elsewhere(); err != nil || got.Revision != 0 {
			t.Errorf("%s has %+v, %v", what, got, err)
		}
	}
	if err := records.All(t.Context(), func(r guard.Record, _ *store.Unreadable) error { return errors.New("a record: " + r.Resource) }); err != nil {
		t.Error(err)
	}
}

func documentConflict(t *testing.T, w *world) {
	jobs := table.Open(w.cloud(t, nil), newTable(t, w)).Documents("migration")
	for _, revision := range []int64{0, 1} { // the first to write, and the first to write again
		var won, lost atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			w.atOnce(&all, func() {
				switch err := jobs.Save(t.Context(), document(member, secretARN, revision), as(document(member, secretARN, revision))); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, guard.ErrConflict):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Errorf("%d of 8 saved revision %d, %d must read again", won.Load(), revision, lost.Load())
		}
	}
	if err := jobs.Save(t.Context(), document(member, "never", 7), as(document(member, "never", 7))); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("a revision that never was saves with %v", err)
	}
}

func documentsListed(t *testing.T, w *world) {
	jobs := table.Open(w.cloud(t, nil), newTable(t, w)).Documents("migration")
	body := []byte(`"` + strings.Repeat("x", 60_000) + `"`)
	var want []string
	for n := range 40 { // more than one page of a megabyte
		doc := document(member, fmt.Sprintf("secret-%02d", n), 0)
		doc.Body, want = body, append(want, doc.ID)
		if err := jobs.Save(t.Context(), doc, as(doc)); err != nil {
			t.Fatal(err)
		}
	}
	if err := jobs.Save(t.Context(), document(hub, "secret-00", 0), as(document(hub, "secret-00", 0))); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := jobs.List(t.Context(), member, func(doc store.Document, _ *store.Unreadable) error {
		if doc.Group != member || doc.Kind != "migration" || doc.Revision != 1 || string(doc.Body) != string(body) {
			t.Errorf("%s of %s %s, revision %d, %d bytes", doc.ID, doc.Kind, doc.Group, doc.Revision, len(doc.Body))
		}
		got = append(got, doc.ID)
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	groups, err := jobs.Groups(t.Context())
	if diff := cmp.Diff([]string{member, hub}, groups); diff != "" || err != nil {
		t.Error(err, diff)
	}
	enough := errors.New("enough")
	if err := jobs.List(t.Context(), member, func(store.Document, *store.Unreadable) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of yield ends with %v", err)
	}
}
