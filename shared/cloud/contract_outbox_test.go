package cloud_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/store"
)

func boxKept(t *testing.T, w *world) {
	r := rawTable(t, w)
	box := table.Open(w.cloud(t, nil), r.name).Outbox()
	waiting := func(name string) map[string]string {
		t.Helper()
		found := map[string]string{}
		must(t, box.Waiting(t.Context(), name, func(id string, body json.RawMessage, bad *store.Unreadable) error {
			if found[id] = string(body); bad != nil {
				found[id] = bad.Reason
			}
			return nil
		}))
		return found
	}
	long := `"` + strings.Repeat("x", 150_000) + `"`
	for id, body := range map[string]string{"b": `"second"`, "a": `"first"`, "long": long, strings.Repeat("k", 2000): `"of a long name"`} {
		must(t, box.Put(t.Context(), "notices", id, json.RawMessage(body)))
	}
	must(t, box.Put(t.Context(), "notices", "a", json.RawMessage(`"repeated"`)))
	must(t, box.Put(t.Context(), "others", "a", json.RawMessage(`"of another box"`)))
	r.put(r.broken("outbox#notices", "c"))
	found := waiting("notices")
	if len(found) != 5 || found["a"] != `"first"` || found["b"] != `"second"` || found["long"] != long || found["c"] == "" {
		t.Errorf("%d are there: a %s, b %s, c %q, long of %d bytes", len(found), found["a"], found["b"], found["c"], len(found["long"]))
	}
	for id := range found {
		must(t, box.Remove(t.Context(), "notices", id))
	}
	for range 2 { // one that is gone is no error
		must(t, box.Remove(t.Context(), "notices", strings.Repeat("k", 2000)))
	}
	if diff := cmp.Diff(map[string]string{}, waiting("notices")); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": `"of another box"`}, waiting("others")); diff != "" {
		t.Errorf("the other box (-want +got):\n%s", diff)
	}
	for key := range r.all() {
		if strings.HasPrefix(key, "part#") {
			t.Errorf("a part is left: %s", key)
		}
	}
	for n := range 25 {
		must(t, box.Put(t.Context(), "sorted", fmt.Sprintf("%02d", 24-n), json.RawMessage("1")))
	}
	var order []string
	must(t, box.Waiting(t.Context(), "sorted", func(id string, _ json.RawMessage, _ *store.Unreadable) error {
		order = append(order, id)
		return nil
	}))
	if len(order) != 25 || !slices.IsSorted(order) {
		t.Errorf("in the order %v", order)
	}
}

func deliveryInDoubt(t *testing.T, w *world) {
	now := time.Now()
	claims := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }), rawTable(t, w).name)
	ask := func(want store.Claim) {
		t.Helper()
		got, err := claims.Claim(t.Context(), "email|n", "w", time.Hour)
		if err != nil || got != want {
			t.Errorf("claim %q, error %v, want %q", got, err, want)
		}
	}
	must(t, claims.Doubt(t.Context(), "email|n", "w")) // nobody claimed it
	ask(store.ClaimNew)
	ask(store.ClaimBusy)
	must(t, claims.Begin(t.Context(), "email|n", "w"))
	must(t, claims.Doubt(t.Context(), "email|n", "another"))
	must(t, claims.Doubt(t.Context(), "email|n", "w"))
	ask(store.ClaimBusy) // it may be under way
	now = now.Add(store.LongestCall + 2*store.Skew - time.Second)
	ask(store.ClaimBusy) // by a clock that is ahead
	now = now.Add(time.Second)
	ask(store.ClaimAgain)
	must(t, claims.Release(t.Context(), "email|n", "w"))
	ask(store.ClaimAgain) // of this one nothing was sent, of the one before nobody knows
	must(t, claims.Delivered(t.Context(), "email|n", time.Hour))
	must(t, claims.Doubt(t.Context(), "email|n", "w")) // whoever was slower knows less
	ask(store.ClaimDone)
}
