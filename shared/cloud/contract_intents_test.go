package cloud_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/store"
)

func TestContractIntents(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"an intent comes back as it was written, one revision on": intentRoundTrip,
		"of many owners at once one writes":                       oneOwner,
		"an owner that another replaced writes nothing":           replacedOwner,
		"what was seen of an intent lies beside it":               watchBeside,
		"of two who set the brake at once one does":               oneBrake,
		"a counter says what was taken":                           countedTaken,
		"a target passes from a dead owner to the next":           passedOn,
	})
}

func intentRoundTrip(t *testing.T, w *world) {
	intents := table.Open(w.cloud(t, nil), newTable(t, w)).Intents()
	if got, err := intents.Intent(t.Context(), secretARN); err != nil || !cmp.Equal(got, store.Intent{Target: secretARN}, cmpopts.EquateEmpty()) {
		t.Errorf("never written reads %+v, %v", got, err)
	}
	want := store.Intent{Target: secretARN, Fence: 7, Owner: "sweep/x", Lease: "5m0s", Call: "UpdateSecret", Wanted: "abc", Counted: true, Sent: true,
		Begun: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Outcome: store.Made}
	for range 3 {
		if ok, err := intents.SetIntent(t.Context(), want); !ok || err != nil {
			t.Fatal(ok, err)
		}
		want.Revision++
		got, err := intents.Intent(t.Context(), secretARN)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.Intent{}, "Stored")); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
		want.Stored = got.Stored
	}
}

func oneBrake(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	if b, err := records.Brake(t.Context()); err != nil || b.Now() != (store.Turn{}) {
		t.Fatalf("never set reads %+v, %v", b, err)
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for n, on := range []bool{true, false, true} {
		b, err := records.Brake(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turn := store.Turn{On: on, By: "alice", At: at.Add(time.Duration(n) * time.Hour), Reason: "CHG-1"}
		for _, who := range []string{"alice", "bob"} {
			turn.By = who
			if ok, err := records.SetBrake(t.Context(), b.Turned(turn)); err != nil || ok != (who == "alice") {
				t.Fatalf("%s: %v, %v", who, ok, err)
			}
		}
		turn.By = "alice"
		if got, err := records.Intents().Brake(t.Context()); err != nil || got.Now() != turn || len(got.Turns) != n+1 {
			t.Errorf("it reads %+v, %v", got, err)
		}
	}
}

func oneOwner(t *testing.T, w *world) {
	intents := table.Open(w.cloud(t, nil), newTable(t, w)).Intents()
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		w.atOnce(&all, func() {
			ok, err := intents.SetIntent(t.Context(), store.Intent{Target: secretARN, Fence: 1})
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 own it", won.Load())
	}
}

func replacedOwner(t *testing.T, w *world) {
	intents := table.Open(w.cloud(t, nil), newTable(t, w)).Intents()
	first := store.Intent{Target: secretARN, Fence: 1, Owner: "first"}
	if ok, err := intents.SetIntent(t.Context(), first); !ok || err != nil {
		t.Fatal(ok, err)
	}
	second := store.Intent{Target: secretARN, Fence: 2, Owner: "second", Revision: 1}
	if ok, err := intents.SetIntent(t.Context(), second); !ok || err != nil {
		t.Fatal(ok, err)
	}
	first.Revision, first.Sent = 1, true
	if ok, err := intents.SetIntent(t.Context(), first); ok || err != nil {
		t.Errorf("the first writes: %t, %v", ok, err)
	}
	if got, err := intents.Intent(t.Context(), secretARN); err != nil || got.Owner != "second" || got.Sent {
		t.Errorf("%+v, %v", got, err)
	}
}

func watchBeside(t *testing.T, w *world) {
	intents := table.Open(w.cloud(t, nil), newTable(t, w)).Intents()
	if ok, err := intents.SetIntent(t.Context(), store.Intent{Target: secretARN, Fence: 1}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	want := store.Watch{Target: secretARN, Counter: 1, At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), By: "sweep"}
	if ok, err := intents.SetWatch(t.Context(), want); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := intents.SetWatch(t.Context(), want); ok || err != nil {
		t.Errorf("a second first watch is written: %t, %v", ok, err)
	}
	want.Revision = 1
	got, err := intents.Watch(t.Context(), secretARN)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.Watch{}, "Stored")); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if i, err := intents.Intent(t.Context(), secretARN); err != nil || i.Revision != 1 {
		t.Errorf("watching moved the counter: %+v, %v", i, err)
	}
}

func countedTaken(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	for want := range 3 {
		if got, err := records.Taken(t.Context(), "changes"); err != nil || got != want {
			t.Fatalf("%d taken, %v, want %d", got, err, want)
		}
		if ok, err := records.Take(t.Context(), "changes", 5, time.Now().Add(time.Hour)); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
}

// passedOn plays a worker that dies, one process that waits, and two that do not live long enough to.
func passedOn(t *testing.T, w *world) {
	name, now := newTable(t, w), time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	open := func(worker string, skew time.Duration) *store.Effects {
		clock := func() time.Time { return now.Add(skew) }
		start := now
		intents := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = clock }), name).Intents()
		return &store.Effects{Intents: intents, Worker: worker, Now: clock, Elapsed: func() time.Duration { return now.Sub(start) },
			Sleep: func(context.Context, time.Duration) error { return context.DeadlineExceeded }} // none has the time to wait
	}
	held := func(e *store.Effects, want bool) *store.Hold {
		t.Helper()
		h, err := e.Hold(t.Context(), secretARN, nil)
		if (err == nil) != want {
			t.Fatalf("%s at %s: %v, want to hold it: %t", e.Worker, now.Format(time.TimeOnly), err, want)
		}
		return h
	}
	held(open("dead", 0), true)
	waits := open("waits", -4*time.Minute)
	held(waits, false)
	now = now.Add(store.DefaultLease - time.Second)
	held(waits, false)
	held(open("short-lived", 5*time.Minute), false) // nine minutes ahead of who saw it first
	now = now.Add(2 * time.Second)
	h := held(waits, true)
	held(open("next", 0), false)
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	h = held(open("last", 0), true) // and dies
	held(open("short-lived too", 0), false)
	now = now.Add(2*store.Skew + store.DefaultLease - time.Second) // two clocks that are ten minutes off, and the lease
	held(open("short-lived as well", 0), false)
	now = now.Add(2 * time.Second)
	held(open("heir", 0), true)
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	held(open("nobody", 0), false) // a release by who is not the owner frees nothing
}
