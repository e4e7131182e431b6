package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

func TestContractStorage(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"every item says which version wrote it":                    schemaOfEveryItem,
		"what a newer version added to an item outlives a write":    newerFieldsSurvive,
		"an item without a schema is an old one":                    oldItem,
		"no list ends at a row that cannot be read":                 listsGoOn,
		"a record that cannot be read is made anew":                 recordMadeAnew,
		"a row for newer versions is left alone":                    newerLeftAlone,
		"a job that cannot be read stays and blocks":                jobBlocks,
		"a row is set aside a single time, whoever comes":           setAsideOnce,
		"a row that was set aside can be put back":                  restored,
		"a row that was set aside can be forgotten":                 discarded,
		"a body that outgrows an item is cut, and comes back whole": cutBody,
		"of writers of long bodies one wins, and leaves no parts":   cutBodyConflict,
		"what no item holds is refused before AWS is asked":         refusedBeforeAWS,
		"older elements of a job's lists are kept apart":            listsKeptApart,
		"what is in a box stays until it is removed":                boxKept,
		"a delivery in doubt comes again as a repeat":               deliveryInDoubt,
		"the last answer to a question is kept with its age":        answersKept,
		"an intent that cannot be read is set aside, and stays":     intentAside,
		"a counter that cannot be read allows nothing":              counterAside,
		"a claim that cannot be read is made anew as a repeat":      claimAnew,
		"what was seen of an intent is made anew":                   watchAnew,
	})
}

// raw is the table as AWS has it, with no code of ours between.
type raw struct {
	t      testing.TB
	client *dynamodb.Client
	name   string
}

func rawTable(t testing.TB, w *world) raw {
	t.Helper()
	return raw{t, w.dynamodb(t), newTable(t, w)}
}

func (r raw) put(it map[string]types.AttributeValue) {
	r.t.Helper()
	if _, err := r.client.PutItem(r.t.Context(), &dynamodb.PutItemInput{TableName: &r.name, Item: it}); err != nil {
		r.t.Fatal(err)
	}
}

// all is every item, by its keys.
func (r raw) all() map[string]map[string]types.AttributeValue {
	r.t.Helper()
	items := map[string]map[string]types.AttributeValue{}
	pages := dynamodb.NewScanPaginator(r.client, &dynamodb.ScanInput{TableName: &r.name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, it := range page.Items {
			items[str(it["pk"])+" "+str(it["sk"])] = it
		}
	}
	return items
}

// largest is the size of the largest item, in bytes.
func (r raw) largest() int {
	most := 0
	for _, it := range r.all() {
		bytes := 0
		for name, v := range it {
			bytes += len(name) + len(str(v)) + len(num(v))
		}
		most = max(most, bytes)
	}
	return most
}

func str(v types.AttributeValue) string {
	if s, is := v.(*types.AttributeValueMemberS); is {
		return s.Value
	}
	return ""
}

func num(v types.AttributeValue) string {
	if n, is := v.(*types.AttributeValueMemberN); is {
		return n.Value
	}
	return ""
}

func s(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
func n(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }

func secretNo(n int) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:app-%06d", region, member, n)
}

func job(secret string) migration.Job {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return migration.Job{Secret: secret, Name: "app", Account: member, Region: region, Plan: "p1", Wave: migration.Canary, Seal: migration.SealOwner,
		Phase: migration.Observing, Since: at, Target: keyARN, Before: &migration.Before{KeyID: "", State: guard.StateDefault, At: at}}
}

func jobsOf(records *table.Table) *migration.Documents {
	return migration.NewStore(records.Documents(migration.DocumentKind), records.Entries())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func schemaOfEveryItem(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	must(t, records.Save(t.Context(), record(secretNo(1), keyARN)))
	must(t, jobsOf(records).Save(t.Context(), job(secretNo(1))))
	must(t, records.Journal().Append(t.Context(), store.JournalEntry{ID: "1", Resource: secretNo(1), At: time.Now()}))
	must(t, records.Entries().Add(t.Context(), "list", "1", json.RawMessage(`{}`)))
	must(t, records.SetBookmark(t.Context(), "sweep", "x"))
	_, err := records.Claim(t.Context(), "n1", "w", time.Minute)
	must(t, err)
	must(t, records.Delivered(t.Context(), "n1", time.Minute))
	_, err = records.Take(t.Context(), "c", 1, time.Now())
	must(t, err)
	items := r.all()
	if len(items) != 9 {
		t.Errorf("%d items: %v", len(items), slices.Sorted(maps.Keys(items)))
	}
	for key, it := range items {
		if num(it["schema"]) != fmt.Sprint(table.Schema) {
			t.Errorf("%s has schema %q", key, num(it["schema"]))
		}
	}
}

// newer adds to an item what a version after this one might: attributes, and fields in its body.
func (r raw) newer(key string) {
	r.t.Helper()
	it := r.all()[key]
	if it == nil {
		r.t.Fatalf("no item %s", key)
	}
	it["schema"], it["fence"], it["ttlClass"] = n("7"), n("42"), s("warm")
	it["body"] = s(`{"novel":{"a":[1,18446744073709551615]},` + str(it["body"])[1:])
	r.put(it)
}

// stillNewer fails the test unless all that is there.
func (r raw) stillNewer(key string) {
	r.t.Helper()
	it := r.all()[key]
	var body map[string]json.RawMessage
	must(r.t, json.Unmarshal([]byte(str(it["body"])), &body))
	if num(it["schema"]) != "7" || num(it["fence"]) != "42" || str(it["ttlClass"]) != "warm" || string(body["novel"]) != `{"a":[1,18446744073709551615]}` {
		r.t.Errorf("%s lost something: %v", key, it)
	}
}

func newerFieldsSurvive(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	must(t, records.Save(t.Context(), record(secretNo(1), keyARN)))
	key := "resource#" + secretNo(1) + " record"
	r.newer(key)
	rec, err := records.Load(t.Context(), secretNo(1))
	must(t, err)
	rec.State, rec.KeyARN, rec.Outbox = guard.StateSealed, "", nil
	must(t, records.Save(t.Context(), rec))
	r.stillNewer(key)
	if it := r.all()[key]; it["keyArn"] != nil || str(it["state"]) != "sealed" {
		t.Errorf("what this version decides about was kept: %v", it)
	}

	jobs := jobsOf(records)
	must(t, jobs.Save(t.Context(), job(secretNo(1))))
	key = "document#migration#" + member + " " + secretNo(1)
	r.newer(key)
	j, err := jobs.Load(t.Context(), secretNo(1))
	must(t, err)
	j.Reason = "moved on"
	must(t, jobs.Save(t.Context(), j))
	r.stillNewer(key)

	_, err = records.Claim(t.Context(), "n1", "w", time.Nanosecond)
	must(t, err)
	r.newer("delivery#n1 claim")
	_, err = records.Claim(t.Context(), "n1", "w", time.Minute)
	must(t, err)
	r.stillNewer("delivery#n1 claim")
	must(t, records.Begin(t.Context(), "n1", "w"))
	r.stillNewer("delivery#n1 claim")
	must(t, records.Delivered(t.Context(), "n1", time.Hour))
	r.stillNewer("delivery#n1 claim")

	_, err = records.Take(t.Context(), "c", 9, time.Now())
	must(t, err)
	r.newer("counter#c count")
	_, err = records.Take(t.Context(), "c", 9, time.Now())
	must(t, err)
	r.stillNewer("counter#c count")

	intents := records.Intents()
	set := func(change func(*store.Intent)) {
		t.Helper()
		next, err := intents.Intent(t.Context(), secretNo(1))
		must(t, err)
		change(&next)
		if ok, err := intents.SetIntent(t.Context(), next); !ok || err != nil {
			t.Fatalf("written %v, %v", ok, err)
		}
	}
	set(func(i *store.Intent) { i.Fence = 1 })
	r.newer("intent#" + secretNo(1) + " intent")
	set(func(i *store.Intent) { i.Fence = 2 })
	set(func(i *store.Intent) { i.Call = "UpdateSecret" })
	r.stillNewer("intent#" + secretNo(1) + " intent")

	group := "documents#migration " + member // which every first job of an account names
	it := r.all()[group]
	it["schema"], it["ttlClass"] = n("7"), s("warm")
	r.put(it)
	must(t, jobs.Save(t.Context(), job(secretNo(2))))
	if it = r.all()[group]; num(it["schema"]) != "7" || str(it["ttlClass"]) != "warm" {
		t.Errorf("the group lost something: %v", it)
	}
}

func oldItem(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	r.put(map[string]types.AttributeValue{"pk": s("resource#" + secretNo(1)), "sk": s("record"), "revision": n("3"), "state": s("default"),
		"body": s(`{"resource":"` + secretNo(1) + `","account":"` + member + `","state":"default","findings":null,"revision":3}`)})
	rec, err := records.Load(t.Context(), secretNo(1))
	if err != nil || rec.Revision != 3 {
		t.Fatalf("%+v, %v", rec, err)
	}
	must(t, records.Save(t.Context(), rec))
	if it := r.all()["resource#"+secretNo(1)+" record"]; num(it["schema"]) != "1" || num(it["revision"]) != "4" {
		t.Errorf("written back: %v", it)
	}
}

// brokenRows are rows that cannot be read, by what is wrong, beneath the keys of a record or a job.
func brokenRows(resource string) map[string]map[string]types.AttributeValue {
	body := func(text string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"revision": n("2"), "body": s(text)}
	}
	return map[string]map[string]types.AttributeValue{
		"it has no body":                          {"revision": n("2")},
		"its body is not JSON":                    body(`{"resource":`),
		`its body is of another shape`:            body(`{"resource":"` + resource + `","secret":"` + resource + `","phase":7,"state":[1],"findings":"none"}`),
		"its revision is no number":               {"revision": s("two"), "body": s(`{}`)},
		"it has no revision":                      {"body": s(`{"resource":"` + resource + `","secret":"` + resource + `","phase":"planned"}`)},
		"its body is of another":                  body(`{"resource":"arn:other","secret":"arn:other","phase":"planned"}`),
		"the number of its parts is none":         {"revision": n("2"), "parts": n("0"), "partOf": s("x")},
		"0 of the 2 parts of its body are there":  {"revision": n("2"), "parts": n("2"), "partOf": s("x")},
		"a newer version wrote it, which needs v": {"revision": n("2"), "needs": n("9"), "schema": n("9"), "body": s(`{}`)},
	}
}

func listsGoOn(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	jobs := jobsOf(records)
	must(t, records.Save(t.Context(), record(secretNo(0), keyARN)))
	must(t, jobs.Save(t.Context(), job(secretNo(0))))
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	must(t, records.Journal().Append(t.Context(), store.JournalEntry{ID: "1", Resource: secretNo(0), At: at}))
	must(t, records.Entries().Add(t.Context(), "l", "2", json.RawMessage(`{"a":1}`)))
	r.put(map[string]types.AttributeValue{"pk": s("journal#" + secretNo(0)), "sk": s("2026-03-01T08"), "body": s("}")})
	r.put(map[string]types.AttributeValue{"pk": s("list#l"), "sk": s("1"), "body": s("}")})
	wrong := map[string]string{} // by secret
	for number, reason := range slices.Sorted(maps.Keys(brokenRows(""))) {
		secret := secretNo(number + 1)
		wrong[secret] = reason
		for _, key := range [][2]string{{"resource#" + secret, "record"}, {"document#migration#" + member, secret}} {
			it := brokenRows(secret)[reason]
			it["pk"], it["sk"] = s(key[0]), s(key[1])
			if strings.HasPrefix(key[0], "resource#") {
				it["keyArn"] = s(keyARN)
			}
			r.put(it)
		}
	}
	check := func(list string, bad []store.Unreadable, kind string) {
		t.Helper()
		got := map[string]string{}
		for _, b := range bad {
			got[b.ID] = b.Reason
			if b.Kind != kind || b.Group != member {
				t.Errorf("%s: %+v", list, b)
			}
		}
		for secret, reason := range wrong {
			if !strings.HasPrefix(got[secret], reason) {
				t.Errorf("%s: %s is wrong with %s, want %s", list, got[secret], secret, reason)
			}
		}
		if len(bad) != len(wrong) {
			t.Errorf("%s: %d rows cannot be read, want %d", list, len(bad), len(wrong))
		}
	}
	for range 2 { // the second time all of them are set aside already
		var good, bad = 0, []store.Unreadable(nil)
		must(t, records.All(t.Context(), func(rec guard.Record, u *store.Unreadable) error {
			if u != nil {
				bad = append(bad, *u)
			} else if rec.Resource == secretNo(0) {
				good++
			}
			return nil
		}))
		check("all", bad, store.KindRecord)
		under, bad, err := records.Under(t.Context(), guard.KeyEntry(keyARN))
		if len(bad) > 0 {
			t.Errorf("by key: %+v", bad)
		}
		all, bad, errJobs := migration.All(t.Context(), jobs)
		check("jobs", bad, migration.DocumentKind)
		entries, bad, errJournal := records.Journal().List(t.Context(), secretNo(0), time.Time{})
		if errors.Join(err, errJobs, errJournal) != nil || good != 1 || len(under) != 1 || len(all) != 1 || len(entries) != 1 || len(bad) != 1 {
			t.Errorf("%d records, %d under the key, %d jobs, %d and %d of the journal: %v %v %v", good, len(under), len(all), len(entries), len(bad), err, errJobs, errJournal)
		}
		read, unread := 0, 0
		must(t, records.Entries().Read(t.Context(), "l", func(_ string, body json.RawMessage, bad *store.Unreadable) error {
			if bad != nil {
				unread++
			} else if string(body) == `{"a":1}` {
				read++
			}
			return nil
		}))
		if read != 1 || unread != 1 {
			t.Errorf("%d elements read, %d not", read, unread)
		}
	}
	if set := aside(t, records); len(set) != 2*len(wrong)+2 {
		t.Errorf("%d rows in quarantine, want %d", len(set), 2*len(wrong)+2)
	}
	for secret := range wrong {
		if r.all()["resource#"+secret+" record"] == nil {
			t.Errorf("a list took the row of %s away", secret)
		}
	}
}

// aside is what is in quarantine.
func aside(t testing.TB, records *table.Table) []store.Quarantined {
	t.Helper()
	var all []store.Quarantined
	must(t, records.Quarantined(t.Context(), func(q store.Quarantined) error { all = append(all, q); return nil }))
	return all
}

// broken puts a row that cannot be read, and answers its item.
func (r raw) broken(pk, sk string) map[string]types.AttributeValue {
	r.t.Helper()
	it := map[string]types.AttributeValue{"pk": s(pk), "sk": s(sk), "revision": n("2"), "body": s(`{"findings":"none","wrong":"<yes>"}`),
		"odd": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberBOOL{Value: true}, &types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberB{Value: []byte{1, 2}},
			&types.AttributeValueMemberSS{Value: []string{"b", "a"}}, &types.AttributeValueMemberNS{Value: []string{"2"}}, &types.AttributeValueMemberBS{Value: [][]byte{{3}}},
		}}}}}
	r.put(it)
	return it
}

func recordMadeAnew(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	r.broken("resource#"+secretNo(1), "record")
	rec, err := records.Load(t.Context(), secretNo(1))
	if err != nil || !cmp.Equal(rec, guard.Record{}) {
		t.Fatalf("%+v, %v", rec, err)
	}
	must(t, records.Save(t.Context(), record(secretNo(1), keyARN)))
	set := aside(t, records)
	if len(set) != 1 || set[0].Kind != store.KindRecord || set[0].ID != secretNo(1) || !set[0].Open() || set[0].At.IsZero() ||
		!strings.Contains(set[0].Reason, "another shape") {
		t.Fatalf("quarantine %+v", set)
	}
	for _, part := range []string{`\"wrong\":\"`, `{"BOOL":true}`, `{"NULL":true}`, `{"B":"AQI="}`, `{"SS":["a","b"]}`, `{"NS":["2"]}`, `{"BS":["Aw=="]}`, `"revision":{"N":"2"}`} {
		if !strings.Contains(set[0].Item, part) {
			t.Errorf("the copy lacks %s: %s", part, set[0].Item)
		}
	}
	now, err := records.Original(t.Context(), set[0])
	if err != nil || !now.There || now.Unreadable != nil || now.Revision != 1 {
		t.Errorf("the row now: %+v, %v", now, err)
	}
}

func newerLeftAlone(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	it := map[string]types.AttributeValue{"pk": s("resource#" + secretNo(1)), "sk": s("record"), "revision": n("2"), "schema": n("9"), "needs": n("9"), "body": s(`{"resource":"` + secretNo(1) + `"}`)}
	r.put(it)
	_, err := records.Load(t.Context(), secretNo(1))
	if bad, is := errors.AsType[*store.Unreadable](err); !is || !bad.Newer {
		t.Errorf("load: %v", err)
	}
	stale := record(secretNo(1), keyARN)
	stale.Revision = 2
	if err := records.Save(t.Context(), stale); err == nil {
		t.Error("a version that cannot read it wrote over it")
	}
	if diff := cmp.Diff(plainItem(it), plainItem(r.all()["resource#"+secretNo(1)+" record"])); diff != "" {
		t.Errorf("the row changed (-was +is):\n%s", diff)
	}
}

func plainItem(it map[string]types.AttributeValue) map[string]string {
	out := map[string]string{}
	for name, v := range it {
		out[name] = str(v) + num(v)
	}
	return out
}

func jobBlocks(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	it := r.broken("document#migration#"+member, secretNo(1))
	it["body"] = s(`{"secret":"` + secretNo(1) + `","phase":7}`)
	r.put(it)
	engine := &migration.Engine{Store: jobsOf(records), Rules: migration.Defaults(), By: "test", Effects: &store.Effects{Intents: records.Intents(), Worker: "w", Now: time.Now}, Now: time.Now}
	item := migration.Item{Secret: secretNo(1), Name: "app", Account: member, Region: region, Target: keyARN}
	for name, do := range map[string]func() error{
		"begin":   func() error { _, err := engine.Start(t.Context(), item, "p2", migration.Defaults()); return err },
		"advance": func() error { _, _, err := engine.Advance(t.Context(), secretNo(1)); return err },
		"go back": func() error { _, err := engine.Rollback(t.Context(), secretNo(1), "why"); return err },
		"order": func() error {
			_, _, err := engine.Order(t.Context(), migration.Order{Secret: guard.Secret{ARN: secretNo(1)}})
			return err
		},
		"go ahead": func() error { return engine.GoAhead(t.Context(), secretNo(1), "me") },
		"refused": func() error {
			_, err := engine.Refused(t.Context(), secretNo(1), migration.Refused{EventID: "e"})
			return err
		},
	} {
		if _, is := errors.AsType[*store.Unreadable](do()); !is {
			t.Errorf("%s: not blocked", name)
		}
	}
	if diff := cmp.Diff(plainItem(it), plainItem(r.all()["document#migration#"+member+" "+secretNo(1)])); diff != "" {
		t.Errorf("the row changed (-was +is):\n%s", diff)
	}
	if set := aside(t, records); len(set) != 1 || set[0].Kind != migration.DocumentKind || set[0].Group != member {
		t.Errorf("quarantine %+v", set)
	}
}

func setAsideOnce(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	r.broken("resource#"+secretNo(1), "record")
	var workers sync.WaitGroup
	for range 8 {
		w.atOnce(&workers, func() {
			if rec, err := records.Load(t.Context(), secretNo(1)); err != nil || rec.Revision != 0 {
				t.Errorf("%+v, %v", rec, err)
			}
		})
	}
	workers.Wait()
	set := aside(t, records)
	if len(set) != 1 {
		t.Fatalf("quarantine %+v", set)
	}
	must(t, records.End(t.Context(), set[0].Copy, store.EndedReads))
	must(t, records.End(t.Context(), set[0].Copy, store.EndedDiscarded))
	if set = aside(t, records); set[0].Open() || set[0].End != store.EndedReads {
		t.Errorf("its end: %+v", set[0])
	}
	if it := r.all()["quarantine "+set[0].Copy]; it["expiresAt"] == nil {
		t.Error("a copy that ended is kept for good")
	}
	r.broken("resource#"+secretNo(1), "record") // the same again
	_, err := records.Load(t.Context(), secretNo(1))
	must(t, err)
	if set = aside(t, records); len(set) != 1 || !set[0].Open() {
		t.Errorf("quarantine %+v", set)
	}
	if it := r.all()["quarantine "+set[0].Copy]; it["expiresAt"] != nil {
		t.Error("a copy that is needed again is forgotten some day")
	}
}

// setAside breaks a row and answers its copy, and the row as it is.
func (r raw) setAside(records *table.Table, pk, sk string) (store.Quarantined, store.Original) {
	r.t.Helper()
	r.broken(pk, sk)
	r.put(map[string]types.AttributeValue{"pk": s("documents#migration"), "sk": s(member)})
	_, _, errJobs := migration.All(r.t.Context(), jobsOf(records))
	errRecords := records.All(r.t.Context(), func(guard.Record, *store.Unreadable) error { return nil })
	must(r.t, errors.Join(errJobs, errRecords))
	set := aside(r.t, records)
	if len(set) != 1 {
		r.t.Fatalf("quarantine %+v", set)
	}
	now, err := records.Original(r.t.Context(), set[0])
	must(r.t, err)
	return set[0], now
}

func restored(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	q, now := r.setAside(records, "resource#"+secretNo(1), "record")
	body, err := json.Marshal(record(secretNo(1), keyARN))
	must(t, err)
	must(t, records.Restore(t.Context(), q, now, body))
	rec, err := records.Load(t.Context(), secretNo(1))
	if under, _, _ := records.Under(t.Context(), guard.KeyEntry(keyARN)); err != nil || rec.Revision != 3 || rec.Name != "app/db" || len(under) != 1 {
		t.Errorf("%+v, %v, %d under its key", rec, err, len(under))
	}
	if q, err = records.Copy(t.Context(), q.Copy); err != nil || q.End != store.EndedRestored {
		t.Errorf("%+v, %v", q, err)
	}
	if err := records.Restore(t.Context(), q, now, body); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("over a row that was written meanwhile: %v", err)
	}

	r = rawTable(t, w)
	records = table.Open(w.cloud(t, nil), r.name)
	q, now = r.setAside(records, "document#migration#"+member, secretNo(2))
	body, err = json.Marshal(job(secretNo(2)))
	must(t, err)
	must(t, records.Restore(t.Context(), q, now, body))
	if j, err := jobsOf(records).Load(t.Context(), secretNo(2)); err != nil || j.Phase != migration.Observing || j.Revision != 3 {
		t.Errorf("%+v, %v", j, err)
	}
}

func discarded(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	q, now := r.setAside(records, "document#migration#"+member, secretNo(1))
	now.Unreadable = &q.Unreadable // the table alone does not know what a job is
	must(t, records.Discard(t.Context(), q, now))
	if r.all()["document#migration#"+member+" "+secretNo(1)] != nil {
		t.Error("the row is still there")
	}
	if q, err := records.Copy(t.Context(), q.Copy); err != nil || q.End != store.EndedDiscarded || q.Item == "" {
		t.Errorf("%+v, %v", q, err)
	}
	if _, err := records.Copy(t.Context(), "nothing"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a copy that is not there: %v", err)
	}
}

// longTags are as many and as long as Secrets Manager takes, less those that are AWS's own, of letters that take four bytes.
func longTags() map[string]string {
	tags := map[string]string{}
	for i := range 45 {
		tags[fmt.Sprintf("%02d", i)+strings.Repeat("𝔘", 126)] = strings.Repeat("𝔙", 256)
	}
	return tags
}

func longRecord(secret string) guard.Record {
	rec := record(secret, keyARN)
	rec.Outbox = nil
	for i := range 8 { // every control, and two changes of state
		rec.Outbox = append(rec.Outbox, guard.Notice{ID: fmt.Sprint(i), Kind: guard.NoticeOpened, Resource: secret, Tags: longTags()})
	}
	return rec
}

func cutBody(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	want := longRecord(secretNo(1))
	for range 2 {
		must(t, records.Save(t.Context(), want))
		want.Revision++
	}
	items := r.all()
	if most := r.largest(); most > 100_000 || len(items) < 4 {
		t.Errorf("%d items, the largest of %d bytes", len(items), most)
	}
	got, err := records.Load(t.Context(), secretNo(1))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v\n%.2000s", err, diff)
	}
	under, _, err := records.Under(t.Context(), guard.KeyEntry(keyARN))
	if err != nil || len(under) != 1 || !cmp.Equal(under[0], want.Entries()[guard.KeyEntry(keyARN)]) {
		t.Errorf("%d under its key, %v", len(under), err)
	}
	seen := 0
	must(t, records.All(t.Context(), func(rec guard.Record, bad *store.Unreadable) error {
		if seen++; bad != nil || !cmp.Equal(rec, want) {
			t.Errorf("in the list: %v", bad)
		}
		return nil
	}))
	want.Outbox = nil
	must(t, records.Save(t.Context(), want))
	if items := r.all(); seen != 1 || len(items) != 2 { // it and what leads to it
		t.Errorf("%d in the list; %d items when it is short again: %v", seen, len(items), slices.Sorted(maps.Keys(items)))
	}
}

func cutBodyConflict(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	must(t, records.Save(t.Context(), longRecord(secretNo(1))))
	before := len(r.all())
	var workers sync.WaitGroup
	won := make(chan string, 6)
	for worker := range 6 {
		w.atOnce(&workers, func() {
			rec := longRecord(secretNo(1))
			rec.Revision, rec.Name = 1, fmt.Sprint("worker ", worker)
			switch err := records.Save(t.Context(), rec); {
			case err == nil:
				won <- rec.Name
			case !errors.Is(err, guard.ErrConflict):
				t.Error(err)
			}
		})
	}
	workers.Wait()
	close(won)
	rec, err := records.Load(t.Context(), secretNo(1))
	if len(won) != 1 || err != nil || rec.Name != <-won || len(rec.Outbox) != 8 {
		t.Errorf("%d won; %s with %d notices, %v", len(won), rec.Name, len(rec.Outbox), err)
	}
	if after := len(r.all()); after != before {
		t.Errorf("%d items, were %d", after, before)
	}
}

func refusedBeforeAWS(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	endless := record(secretNo(1), keyARN)
	for range 60 {
		endless.Outbox = append(endless.Outbox, guard.Notice{ID: "n", Tags: longTags()})
	}
	for name, do := range map[string]func(context.Context) error{
		"a body of more parts than there may be": func(ctx context.Context) error { return records.Save(ctx, endless) },
		"an attribute that does not fit": func(ctx context.Context) error {
			rec := record(secretNo(1), strings.Repeat("k", 100_000))
			return records.Save(ctx, rec)
		},
		"a bookmark that does not fit": func(ctx context.Context) error { return records.SetBookmark(ctx, "b", strings.Repeat("x", 100_001)) },
	} {
		err := do(t.Context())
		if large, is := errors.AsType[*store.TooLargeError](err); !is || large.Bytes <= large.Most || large.Kind == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if items := r.all(); len(items) != 0 {
		t.Errorf("written all the same: %v", slices.Sorted(maps.Keys(items)))
	}
}

func listsKeptApart(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	jobs := jobsOf(records)
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	old := job(secretNo(1)) // as an older version kept it: all in one
	for i := range 200 {
		old.History = append(old.History, migration.Turn{At: start.Add(time.Duration(i) * time.Hour), To: migration.Observing, Reason: fmt.Sprint("turn ", i)})
	}
	for i := range 50 {
		at := start.Add(time.Duration(i) * time.Hour)
		old.Denials = append(old.Denials, migration.Denial{Principal: "app", EventID: fmt.Sprint("e", i), At: at})
		old.Flips = append(old.Flips, migration.Flip{At: at, Key: keyARN})
		old.Rescues = append(old.Rescues, migration.Rescue{Principal: "app", GrantID: fmt.Sprint("g", i), Until: at, Ended: at})
	}
	old.Rescues = append(old.Rescues, migration.Rescue{Principal: "other", GrantID: "open", Until: start})
	body, err := json.Marshal(old)
	must(t, err)
	body = []byte(strings.Replace(string(body), `"eventId":"e3"`, `"eventId":"e3","novel":1`, 1))
	r.put(map[string]types.AttributeValue{"pk": s("document#migration#" + member), "sk": s(secretNo(1)), "revision": n("1"), "body": s(string(body))})
	r.put(map[string]types.AttributeValue{"pk": s("documents#migration"), "sk": s(member)})

	j, err := jobs.Load(t.Context(), secretNo(1))
	if err != nil || len(j.History) != 200 {
		t.Fatalf("%d turns, %v", len(j.History), err)
	}
	must(t, jobs.Save(t.Context(), j))
	stale := j // a worker that goes on with what it loaded
	stale.Revision, stale.Reason = 2, "moved on"
	must(t, jobs.Save(t.Context(), stale))
	j, err = jobs.Load(t.Context(), secretNo(1))
	want := migration.Earlier{History: 180, Flips: 30, Denials: 30, Rescues: 30}
	if err != nil || j.Earlier != want || len(j.History) != 20 || len(j.Denials) != 20 || len(j.Flips) != 20 || len(j.Rescues) != 21 || j.Rescues[20].GrantID != "open" {
		t.Fatalf("%+v, %d turns, %d denials, %d flips, %d rescues, %v", j.Earlier, len(j.History), len(j.Denials), len(j.Flips), len(j.Rescues), err)
	}
	if j.History[0].Reason != "turn 180" || j.Denials[0].EventID != "e30" {
		t.Errorf("the latest begin with %q and %q", j.History[0].Reason, j.Denials[0].EventID)
	}
	for event, want := range map[string]bool{"e3": true, "e30": false, "e99": false} {
		if got, err := jobs.Answered(t.Context(), secretNo(1), event); got != want || err != nil {
			t.Errorf("%s was answered long ago: %v, %v", event, got, err)
		}
	}
	if it := r.all()["list#migration|denials|"+secretNo(1)+" e3"]; !strings.Contains(str(it["body"]), `"novel":1`) {
		t.Errorf("what a newer version kept in an element is gone: %v", it)
	}
	all, bad, err := jobs.Happened(t.Context(), j)
	if err != nil || len(bad) != 0 || len(all) != 200+50+50+51 {
		t.Errorf("%d things happened, %d unreadable, %v", len(all), len(bad), err)
	}
	if !slices.IsSortedFunc(all, func(a, b migration.Happened) int { return a.At.Compare(b.At) }) {
		t.Error("what happened is in no order")
	}
}
