package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/store"
)

func answersKept(t *testing.T, w *world) {
	r := rawTable(t, w)
	answers := table.Open(w.cloud(t, nil), r.name).Answers()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	last := func(want string, age time.Duration) {
		t.Helper()
		got, err := answers.Last(t.Context(), "q")
		if err != nil || string(got.Body) != want || want != "" && !got.At.Equal(at.Add(age)) {
			t.Errorf("last answer %s of %s, %v; want %s of %s", got.Body, got.At, err, want, at.Add(age))
		}
	}
	keep := func(body string, age time.Duration) {
		t.Helper()
		must(t, answers.Keep(t.Context(), "q", store.Answer{At: at.Add(age), Body: json.RawMessage(body)}))
	}
	last("", 0)
	keep(`["a"]`, 0)
	last(`["a"]`, 0)
	keep(`["a"]`, 59*time.Minute) // the same, and not an hour later
	last(`["a"]`, 0)
	keep(`["a"]`, time.Hour)
	last(`["a"]`, time.Hour)
	keep(`["old"]`, 30*time.Minute) // by who was slower
	last(`["a"]`, time.Hour)
	keep(`["b"]`, 61*time.Minute)
	last(`["b"]`, 61*time.Minute)
	const key = "answer#q answer"
	if expires := num(r.all()[key]["expiresAt"]); expires != "1772964060" { // seven days later
		t.Errorf("kept until %s", expires)
	}
	r.newer(key)
	keep(`["c"]`, 62*time.Minute)
	r.stillNewer(key)
	last(`["c"]`, 62*time.Minute)

	it := r.broken("answer#q", "answer")
	it["body"] = s(`{"at":7}`)
	r.put(it)
	last("", 0)
	if set := aside(t, table.Open(w.cloud(t, nil), r.name)); len(set) != 1 || set[0].Kind != store.KindAnswer || set[0].ID != "q" {
		t.Errorf("quarantine %+v", set)
	}
	keep(`["d"]`, 0)
	last(`["d"]`, 0)
}

// oneBroken puts a row that no version has written like that, and answers the table that it is in.
func oneBroken(t *testing.T, w *world, pk, sk string) (raw, *table.Table) {
	t.Helper()
	r := rawTable(t, w)
	it := r.broken(pk, sk)
	it["body"] = s(`{"sent":"yes","taken":"few","fence":"high","counter":"x"}`)
	r.put(it)
	return r, table.Open(w.cloud(t, func(o *cloud.Options) {
		o.Now = func() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }
	}), r.name)
}

// inQuarantine fails the test unless the row alone is there.
func inQuarantine(t *testing.T, records *table.Table, kind, id string) {
	t.Helper()
	set := aside(t, records)
	if len(set) != 1 || set[0].Kind != kind || set[0].ID != id || !set[0].Open() {
		t.Errorf("quarantine %+v, want the %s of %s", set, kind, id)
	}
}

func intentAside(t *testing.T, w *world) {
	r, records := oneBroken(t, w, "intent#"+secretNo(1), "intent")
	for range 2 {
		_, err := records.Intents().Intent(t.Context(), secretNo(1))
		if bad, is := errors.AsType[*store.Unreadable](err); !is || bad.Kind != store.KindIntent || bad.ID != secretNo(1) {
			t.Errorf("error %v", err)
		}
	}
	inQuarantine(t, records, store.KindIntent, secretNo(1))
	if r.all()["intent#"+secretNo(1)+" intent"] == nil {
		t.Error("it was taken away: a second owner could come")
	}
	if i, err := records.Intents().Intent(t.Context(), secretNo(2)); err != nil || i.Revision != 0 {
		t.Errorf("its neighbour: %+v, %v", i, err)
	}
}

func counterAside(t *testing.T, w *world) {
	r, records := oneBroken(t, w, "counter#changes", "count")
	if ok, err := records.Take(t.Context(), "changes", 5, time.Now().Add(time.Hour)); ok || err == nil {
		t.Errorf("taken: %t, %v", ok, err)
	}
	if n, err := records.Taken(t.Context(), "changes"); err == nil {
		t.Errorf("%d are taken", n)
	}
	inQuarantine(t, records, store.KindCounter, "changes")
	if r.all()["counter#changes count"] == nil {
		t.Error("it was taken away: its hour would begin anew")
	}
	if ok, err := records.Take(t.Context(), "others", 5, time.Now().Add(time.Hour)); !ok || err != nil {
		t.Errorf("its neighbour: %t, %v", ok, err)
	}
	below := r.broken("counter#below", "count")
	below["body"] = s(`{"taken":-5}`)
	r.put(below)
	if ok, err := records.Take(t.Context(), "below", 5, time.Now().Add(time.Hour)); ok || err == nil {
		t.Errorf("taken of a count below 0: %t, %v", ok, err)
	}
	high := r.broken("intent#high", "intent")
	high["body"] = s(`{"target":"high","fence":9223372036854775807}`)
	r.put(high)
	if i, err := records.Intents().Intent(t.Context(), "high"); err == nil {
		t.Errorf("an owner cannot add one to the fence of %+v", i)
	}
}

func claimAnew(t *testing.T, w *world) {
	for name, ask := range map[string]func(*table.Table) error{
		"claimed": func(*table.Table) error { return nil },
		"begun": func(records *table.Table) error {
			if bad, err := new(store.Unreadable), records.Begin(t.Context(), "email|n", "w"); !errors.As(err, &bad) {
				return fmt.Errorf("what cannot be read is begun: %w", err)
			}
			return nil
		},
		"given back": func(records *table.Table) error {
			return records.Release(t.Context(), "email|n", "w")
		},
		"in doubt": func(records *table.Table) error {
			return records.Doubt(t.Context(), "email|n", "w")
		},
	} {
		_, records := oneBroken(t, w, "delivery#email|n", "claim")
		if err := ask(records); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []store.Claim{store.ClaimAgain, store.ClaimBusy} {
			if got, err := records.Claim(t.Context(), "email|n", "w", time.Hour); err != nil || got != want {
				t.Errorf("%s: claim %q, %v, want %q", name, got, err, want)
			}
		}
		inQuarantine(t, records, store.KindClaim, "email|n")
	}
	_, records := oneBroken(t, w, "delivery#email|n", "claim")
	must(t, records.Delivered(t.Context(), "email|n", time.Hour))
	if got, err := records.Claim(t.Context(), "email|n", "w", time.Hour); err != nil || got != store.ClaimDone {
		t.Errorf("delivered: claim %q, %v", got, err)
	}
	inQuarantine(t, records, store.KindClaim, "email|n")
}

func watchAnew(t *testing.T, w *world) {
	_, records := oneBroken(t, w, "intent#"+secretNo(1), "watch")
	got, err := records.Intents().Watch(t.Context(), secretNo(1))
	if err != nil || got.Revision != 0 {
		t.Errorf("watch %+v, %v", got, err)
	}
	got.Counter = 3
	if ok, err := records.Intents().SetWatch(t.Context(), got); !ok || err != nil {
		t.Errorf("written anew: %t, %v", ok, err)
	}
	inQuarantine(t, records, store.KindWatch, secretNo(1))
}
