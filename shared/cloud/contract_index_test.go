package cloud_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const shopAlias = "arn:aws:kms:" + region + ":" + member + ":alias/shop"

// recordUnder is the record of a secret whose current version opens with keys, and which names the alias.
func recordUnder(n int, keys ...string) guard.Record {
	r := record(secretNo(n), keys[0])
	r.Outbox, r.Findings = nil, nil
	r.Held = guard.Held{Key: keys[0], Alias: shopAlias, Versions: []guard.HeldVersion{{Stages: []string{"AWSCURRENT"}, Keys: keys}}}
	return r
}

func numbered(n int) string {
	return fmt.Sprintf("arn:aws:kms:%s:%s:key/%08d-0000-4000-8000-000000000000", region, member, n)
}

// leads lists the secrets that each ref leads to.
func leads(t *testing.T, records *table.Table, refs ...guard.EntryRef) [][]string {
	t.Helper()
	all := make([][]string, 0, len(refs))
	for _, ref := range refs {
		entries, bad, err := records.Under(t.Context(), ref)
		if err != nil || len(bad) > 0 {
			t.Fatalf("%s: %v, %v", ref.ID, bad, err)
		}
		var secrets []string
		for _, e := range entries {
			secrets = append(secrets, e.Secret)
		}
		all = append(all, secrets)
	}
	return all
}

func recordAndEntries(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	one, two, alias := guard.KeyEntry(numbered(1)), guard.KeyEntry(numbered(2)), guard.AliasEntry(shopAlias)
	first := recordUnder(1, numbered(1))
	must(t, records.Save(t.Context(), first))
	must(t, records.Save(t.Context(), recordUnder(2, numbered(1), numbered(2))))
	if diff := cmp.Diff([][]string{{secretNo(1), secretNo(2)}, {secretNo(2)}, {secretNo(1), secretNo(2)}}, leads(t, records, one, two, alias)); diff != "" {
		t.Error(diff)
	}
	// Of several who move it to keys of their own one wins, and the index says where to.
	first.Revision = 1
	var all sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for n := range 5 {
		w.atOnce(&all, func() {
			next := recordUnder(1, numbered(10+n))
			next.Revision = 1
			switch err := records.Save(t.Context(), next); {
			case err == nil:
				mu.Lock()
				defer mu.Unlock()
				won = append(won, numbered(10+n))
			case !errors.Is(err, guard.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	rec, err := records.Load(t.Context(), secretNo(1))
	if err != nil || len(won) != 1 || rec.Revision != 2 || rec.Held.Key != won[0] {
		t.Fatalf("%v won; %+v, %v", won, rec, err)
	}
	for n := range 5 {
		want := 0
		if numbered(10+n) == won[0] {
			want = 1
		}
		if got := leads(t, records, guard.KeyEntry(numbered(10+n))); len(got[0]) != want {
			t.Errorf("%s leads to %v", numbered(10+n), got)
		}
	}
	if got := leads(t, records, one); !cmp.Equal(got, [][]string{{secretNo(2)}}) {
		t.Errorf("the key that it left leads to %v", got)
	}
}

func recordOfManyKeys(t *testing.T, w *world) {
	r := rawTable(t, w)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	records := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }), r.name)
	keys := func(from, to int) (all []string) {
		for n := from; n < to; n++ {
			all = append(all, numbered(n))
		}
		return all
	}
	must(t, records.Save(t.Context(), recordUnder(1, keys(0, 100)...)))
	if items := r.all(); len(items) != 102 {
		t.Errorf("%d items: a record, 100 keys and an alias were written", len(items))
	}
	next := recordUnder(1, keys(50, 150)...)
	next.Revision, next.SeenAt = 1, next.SeenAt.Add(time.Hour)
	now = now.Add(time.Hour)
	must(t, records.Save(t.Context(), next))
	if items := r.all(); len(items) != 102 {
		t.Errorf("%d items after 50 of the keys were changed", len(items))
	}
	for n, want := range map[int]int{0: 0, 49: 0, 50: 1, 149: 1} {
		if got := leads(t, records, guard.KeyEntry(numbered(n))); len(got[0]) != want {
			t.Errorf("key %d leads to %v", n, got)
		}
	}
}

func entryMadeAnew(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	ref := guard.KeyEntry(numbered(1))
	pk := "index#key#" + numbered(1)
	must(t, records.Save(t.Context(), recordUnder(1, numbered(1))))
	must(t, records.Save(t.Context(), recordUnder(2, numbered(2))))
	r.put(map[string]types.AttributeValue{"pk": s(pk), "sk": s(secretNo(1)), "body": s("{")})
	r.put(map[string]types.AttributeValue{"pk": s(pk), "sk": s(secretNo(2)), "body": s(`{"secret":"another"}`)})
	r.put(map[string]types.AttributeValue{"pk": s(pk), "sk": s(secretNo(3)), "body": s("{}"), "needs": n("99")})
	entries, bad, err := records.Under(t.Context(), ref)
	if err != nil || len(entries) != 1 || !cmp.Equal(entries[0], recordUnder(1, numbered(1)).Entries()[ref]) {
		t.Errorf("%+v, %v", entries, err)
	}
	if len(bad) != 1 || !bad[0].Newer || bad[0].ID != secretNo(3) {
		t.Errorf("what a newer version wrote: %+v", bad)
	}
	if set := aside(t, records); len(set) != 2 || set[0].Kind != store.KindIndex {
		t.Errorf("quarantine %+v", set)
	}
	entries, _, err = records.Under(t.Context(), ref)
	if err != nil || len(entries) != 1 || len(aside(t, records)) != 2 {
		t.Errorf("the second time: %+v, %v", entries, err)
	}
}

func entryPruned(t *testing.T, w *world) {
	r := rawTable(t, w)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	records := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }), r.name)
	ref := guard.KeyEntry(numbered(1))
	must(t, records.Save(t.Context(), recordUnder(1, numbered(1))))
	r.remove("resource#"+secretNo(1), "record") // a record that was set aside
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{10 * time.Minute, 1}, {time.Hour, 0}} { // the record of a fresh one may be on its way
		now = now.Add(step.after)
		must(t, records.Prune(t.Context(), ref, secretNo(1)))
		if got := leads(t, records, ref); len(got[0]) != step.want {
			t.Errorf("after %s it leads to %v", step.after, got)
		}
	}
	must(t, records.Save(t.Context(), recordUnder(2, numbered(1))))
	must(t, records.Prune(t.Context(), ref, secretNo(2)))
	if got := leads(t, records, ref); !cmp.Equal(got, [][]string{{secretNo(2)}}) {
		t.Errorf("an entry that its record has was taken away: %v", got)
	}
	must(t, records.Prune(t.Context(), guard.KeyEntry("none"), secretNo(2)))
}

func entriesForgotten(t *testing.T, w *world) {
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, func(o *cloud.Options) { o.KeepGone = 30 * 24 * time.Hour }), r.name)
	waits := recordUnder(1, numbered(1))
	must(t, records.Save(t.Context(), waits))
	waits.Revision, waits.GoneAt = 1, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	must(t, records.Save(t.Context(), waits))
	var ends []string
	for _, it := range r.all() {
		if end, is := it["expiresAt"].(*types.AttributeValueMemberN); is {
			ends = append(ends, end.Value)
		}
	}
	slices.Sort(ends)
	if ends = slices.Compact(ends); len(ends) != 1 || ends[0] != fmt.Sprint(waits.GoneAt.Add(30*24*time.Hour).Unix()) {
		t.Errorf("they are forgotten at %v", ends)
	}
	restored := recordUnder(1, numbered(1))
	restored.Revision = 2
	must(t, records.Save(t.Context(), restored))
	for key, it := range r.all() {
		if it["expiresAt"] != nil {
			t.Errorf("%s of a secret that was restored is forgotten", key)
		}
	}
}

func (r raw) remove(pk, sk string) {
	r.t.Helper()
	_, err := r.client.DeleteItem(r.t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(r.name), Key: map[string]types.AttributeValue{"pk": s(pk), "sk": s(sk)}})
	must(r.t, err)
}
